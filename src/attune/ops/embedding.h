// Rows of a table by id; the backward adds the rows of dy to the table's gradient in the order of the ids.
#pragma once

#include <span>

#include "attune/tensor/tensor.h"

namespace attune {

// table [vocabulary, d], ids n -> [n, d], of its type: float32, float64 or bfloat16. Throws on an id outside the table.
Tensor embedding(const Tensor& table, std::span<const int32_t> ids);

}  // namespace attune
