// The sizes of a tensor's axes: a small value without heap memory.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <span>
#include <string>

namespace attune {

class Shape {
 public:
  static constexpr int max_rank = 5;

  Shape() = default;  // rank 0: a scalar, one element
  Shape(std::initializer_list<int64_t> sizes) : Shape(std::span<const int64_t>(sizes.begin(), sizes.size())) {}
  explicit Shape(std::span<const int64_t> sizes);  // throws on a negative size, an overflow or too many axes

  int rank() const { return rank_; }
  int64_t operator[](int axis) const { return sizes_[static_cast<size_t>(axis < 0 ? axis + rank_ : axis)]; }
  int64_t elements() const { return elements_; }
  std::span<const int64_t> sizes() const { return {sizes_.data(), static_cast<size_t>(rank_)}; }
  std::string text() const;  // "[2, 3]"

  bool operator==(const Shape& other) const = default;

 private:
  std::array<int64_t, max_rank> sizes_{};
  int rank_ = 0;
  int64_t elements_ = 1;
};

// As text(), so that a check's message is only put together when it is needed.
std::ostream& operator<<(std::ostream& out, const Shape& shape);

}  // namespace attune
