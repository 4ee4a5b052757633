// A step's first row with its numbers put in: every term of a product of recorded quantities. Nothing is computed here.
#pragma once

#include <vector>

#include "attune/explain/calculation.h"
#include "attune/explain/mechanism_page.h"

namespace attune::explain {

// Empty where the step's equation is not one product.
std::vector<WrittenRow> written_out(const Line& line, const Tensor& value, const Calculated& run);

// The vectors' names: "a" for a row of X, "alpha" for one of S; the matrix' own name where it has none.
std::string vector_name(const std::string& matrix);

}  // namespace attune::explain
