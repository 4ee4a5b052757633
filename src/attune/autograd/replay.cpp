#include "attune/autograd/replay.h"

#include <algorithm>

namespace attune {

Replayed replay(const Replay& f, std::span<const Tensor> inputs, const Tensor& dy, Adjoints& into) {
  Tape tape(into);
  std::vector<Tensor> leaves(inputs.begin(), inputs.end());
  for (Tensor& leaf : leaves) {
    if (leaf) {
      leaf.set_node(0);  // whatever made it is no part of this
      tape.watch(leaf);
    }
  }
  Replayed result{f(leaves), {}};
  const Gradients gradients = tape.backward(std::span(&result.value, 1), std::span(&dy, 1));
  for (const Tensor& leaf : leaves) {
    result.gradients.push_back(leaf ? gradients.of(leaf) : Tensor());
  }
  return result;
}

namespace {

// each(first row, rows) for every chunk of x.
template <class Each>
void for_chunks(const Tensor& x, int64_t chunk, const Each& each) {
  for (int64_t first = 0; first < x.size(0); first += chunk) {
    each(first, std::min(chunk, x.size(0) - first));
  }
}

// The rows [first, first + part's) of `whole`, which is made by the first chunk.
void put_rows(Tensor& whole, const Tensor& part, int64_t rows, int64_t first) {
  if (!whole) {
    std::vector<int64_t> sizes(part.shape().sizes().begin(), part.shape().sizes().end());
    sizes[0] = rows;
    whole = Tensor::empty(Shape(sizes), part.dtype());
  }
  whole.rows_view(first, part.size(0)).copy_from(part);
}

}  // namespace

Tensor by_chunks(std::string_view op, const Tensor& x, int64_t chunk, const Tensor& parameter, const RowsFunction& f) {
  if (chunk <= 0 || x.size(0) <= chunk) {
    return f(x, 0);
  }
  Tensor y;
  {
    const NoTape pause;
    for_chunks(x, chunk, [&](int64_t first, int64_t count) {
      put_rows(y, f(x.rows_view(first, count), first), x.size(0), first);
    });
  }
  return differentiable(op, y, {x, parameter}, [x = detach(x), chunk, f](const Tensor& dy, Adjoints& into) {
    Tensor dx;
    for_chunks(x, chunk, [&](int64_t first, int64_t count) {
      const Tensor rows = x.rows_view(first, count);
      const auto again = [&](std::span<const Tensor> inputs) { return f(inputs[0], first); };
      const Replayed part = replay(again, std::span(&rows, 1), dy.rows_view(first, count), into);
      if (part.gradients[0]) {
        put_rows(dx, part.gradients[0], x.size(0), first);
      }
    });
    if (dx) {
      into.add(0, std::move(dx));
    }
  });
}

}  // namespace attune
