// Computing again in the backward what the forward has not kept: memory for time. What is replayed must give the same
// values again, so its randomness is an argument (base/rng.h).
#pragma once

#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "attune/autograd/tape.h"

namespace attune {

struct Replayed {
  Tensor value;
  std::vector<Tensor> gradients;  // of each input; "not given" when the value does not depend on it
};

// Within a backward: f(inputs) and, for the gradient dy of its value, those of the inputs. The gradients of parameters
// are added to the ones that the backward is making. An input may be "not given".
using Replay = std::function<Tensor(std::span<const Tensor> inputs)>;
Replayed replay(const Replay& f, std::span<const Tensor> inputs, const Tensor& dy, Adjoints& into);

// f by chunks of at most so many rows of x [rows, ...], forward and backward: what f keeps for its backward is in
// memory for one chunk at a time. `first` is a chunk's first row. f must treat every row alone. The value has the bits
// of f(x, 0) where f's rows do not depend on their number; a parameter's gradient is summed chunk by chunk.
// `parameter`: one that f reads, if it reads any.
using RowsFunction = std::function<Tensor(const Tensor& rows, int64_t first)>;
Tensor by_chunks(std::string_view op, const Tensor& x, int64_t chunk, const Tensor& parameter, const RowsFunction& f);

}  // namespace attune
