#include "attune/nn/normalised_weight.h"

#include "attune/autograd/tape.h"
#include "attune/ops/weight_norm.h"
#include "attune/tensor/derived.h"

namespace attune {

namespace {
struct Normalised {
  Tensor weight;
};
}  // namespace

Weight::Weight(const Shape& shape, const Initialiser& start, bool normalised) : direction(shape, start) {
  if (normalised) {
    check(start.kind == Initialiser::Kind::lecun_normal, "a normalised weight must begin as lecun_normal");
    length = Parameter({shape[0]}, {Initialiser::Kind::constant, start.argument == 0 ? 1 : start.argument});
  }
}

Tensor Weight::operator()() const {
  if (!length || !direction.allocated()) {  // one that is only declared has a shape and no more
    return direction;
  }
  // Kept with the directions' storage: that of the lengths must be the same, or a change of those would go unseen.
  if (recording({&direction, &length}) || direction.storage() != length.storage()) {
    return weight_norm(direction, length);
  }
  return derived<Normalised>(
             direction,
             [&] { return std::make_shared<Normalised>(Normalised{detach(weight_norm(direction, length))}); })
      ->weight;
}

}  // namespace attune
