#include "attune/tensor/shape.h"

#include <algorithm>
#include <ostream>

#include "attune/base/check.h"

namespace attune {

Shape::Shape(std::span<const int64_t> sizes) : rank_(static_cast<int>(sizes.size())) {
  check(sizes.size() <= max_rank, "Shape: ", sizes.size(), " axes, at most ", max_rank, " are supported");
  int64_t product = 1;  // of the sizes that are not 0: strides are products of sizes even when there are no elements
  for (size_t i = 0; i < sizes.size(); ++i) {
    check(sizes[i] >= 0, "Shape: axis ", i, " has the negative size ", sizes[i]);
    check(!__builtin_mul_overflow(product, std::max<int64_t>(sizes[i], 1), &product),
          "Shape: the number of elements overflows 64 bits");
    elements_ *= sizes[i] == 0 ? 0 : 1;
    sizes_[i] = sizes[i];
  }
  elements_ *= product;
}

std::string Shape::text() const {
  std::string result = "[";
  for (int i = 0; i < rank_; ++i) {
    result += (i > 0 ? ", " : "") + std::to_string(sizes_[static_cast<size_t>(i)]);
  }
  return result + "]";
}

std::ostream& operator<<(std::ostream& out, const Shape& shape) {
  return out << shape.text();
}

}  // namespace attune
