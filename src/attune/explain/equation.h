// Equations in one short notation from which the plain, the LaTeX and the HTML form are made:
//   S = {Q K'} / sqrt(d)      braces: a matrix product; ': transposed; *: element by element; Wq, X_k, h_1: subscripts;
//   dWq: the loss's derivative with respect to Wq; Wq_new: after the gradient step; sigma, eta, alpha, sum_j: symbols
// They are written for rows, X W. With tokens as columns every symbol stands for its transpose, so that the factors of
// a product change places and every ' stays: S = {K' Q} / sqrt(d).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "attune/explain/explanation.h"

namespace attune::explain {

std::string plain_equation(std::string_view source, Convention convention);
std::string latex_equation(std::string_view source, Convention convention);
std::string html_equation(std::string_view source, Convention convention);

struct Factor {
  std::string symbol;
  bool transposed = false;
};
// The factors of `y = {A B} ...` where the right side begins with a product of two and adds nothing to it.
struct Product {
  Factor left, right;
  std::string rest;  // " / sqrt(d)", in the notation
};
std::optional<Product> product_of(std::string_view source);

}  // namespace attune::explain
