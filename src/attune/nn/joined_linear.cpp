#include "attune/nn/joined_linear.h"

#include <cassert>
#include <vector>

#include "attune/ops/concat.h"
#include "attune/tensor/derived.h"

namespace attune {

namespace {

struct Joined {
  Tensor weight, bias;
};

std::shared_ptr<const Joined> join(std::span<const Linear* const> parts) {
  std::vector<Tensor> weights, biases;
  for (const Linear* part : parts) {
    assert(part->weight.storage() == parts.front()->weight.storage());
    weights.push_back(detach(part->weight));
    if (part->bias) {
      biases.push_back(detach(part->bias));
    }
  }
  auto joined = std::make_shared<Joined>();
  joined->weight = detach(concat(weights, Along::rows));
  if (!biases.empty()) {
    joined->bias = detach(concat(biases, Along::rows));
  }
  return joined;
}

}  // namespace

Tensor joined_linear(const Tensor& x, std::span<const Linear* const> parts, const Pass& pass) {
  const auto joined = derived<Joined>(parts.front()->weight, [&] { return join(parts); });
  return linear(x, joined->weight, joined->bias, {.compute = pass.compute});
}

}  // namespace attune
