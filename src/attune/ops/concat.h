// Joining and cutting tensors along their first axis (rows) or their last (columns).
#pragma once

#include <span>
#include <vector>

#include "attune/tensor/tensor.h"

namespace attune {

enum class Along : uint8_t { rows, columns };

Tensor concat(std::span<const Tensor> parts, Along axis);
// sizes sum to the axis' size
std::vector<Tensor> split(const Tensor& x, std::span<const int64_t> sizes, Along axis);

}  // namespace attune
