#include "attune/tensor/tensor.h"

#include <algorithm>
#include <cstring>

#include "attune/base/profile.h"

namespace attune {

Tensor Tensor::declared(const Shape& shape, DType dtype) {
  Tensor result;
  result.shape_ = shape;
  result.dtype_ = dtype;
  result.given_ = true;
  int64_t stride = 1;
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    result.strides_[static_cast<size_t>(axis)] = stride;
    stride *= shape[axis];
  }
  return result;
}

Tensor Tensor::empty(const Shape& shape, DType dtype) {
  Tensor result = declared(shape, dtype);
  int64_t bytes = 0;
  check(!__builtin_mul_overflow(shape.elements(), bytes_of(dtype), &bytes), "Tensor: shape ", shape,
        " needs more than 2^63 bytes");
  result.storage_ = std::make_shared<Storage>(static_cast<size_t>(bytes));
  return result;
}

Tensor Tensor::zeros(const Shape& shape, DType dtype) {
  Tensor result = empty(shape, dtype);
  std::memset(result.storage_->data(), 0, result.storage_->bytes());
  return result;
}

Tensor Tensor::full(const Shape& shape, double value, DType dtype) {
  Tensor result = empty(shape, dtype);
  result.fill(value);
  return result;
}

int64_t Tensor::rows() const {
  if (rank() == 0) {
    return 1;
  }
  int64_t rows = 1;
  for (int axis = 0; axis + 1 < rank(); ++axis) {
    rows *= shape_[axis];
  }
  return rows;
}

bool Tensor::contiguous() const {
  int64_t expected = 1;
  for (int axis = rank() - 1; axis >= 0; --axis) {
    if (shape_[axis] != 1 && strides_[static_cast<size_t>(axis)] != expected) {
      return elements() == 0;
    }
    expected *= shape_[axis];
  }
  return true;
}

void Tensor::check_type(DType wanted) const {
  check(dtype_ == wanted, "tensor ", shape_, " holds ", name_of(dtype_), ", but ", name_of(wanted), " was asked for");
  check(storage_ != nullptr, "tensor ", shape_,
        given_ ? " is only declared: it has no elements yet" : " was not given");
}

size_t Tensor::checked_elements() const {
  check(contiguous(), "tensor ", shape_, " is strided: its elements are no single span");
  return static_cast<size_t>(elements());
}

namespace {

template <class Fn>
decltype(auto) dispatch(DType dtype, Fn&& fn) {
  switch (dtype) {
    case DType::float32:
      return fn(float{});
    case DType::float64:
      return fn(double{});
    case DType::bfloat16:
      return fn(BFloat16{});
    case DType::int32:
      return fn(int32_t{});
    case DType::boolean:
      break;
  }
  return fn(bool{});
}

// Visits the offsets of all rows (runs along the last axis) in row order.
template <class Fn>
void each_row(const Tensor& x, Fn&& fn) {
  const int outer = std::max(0, x.rank() - 1);
  std::array<int64_t, Shape::max_rank> index{};
  const int64_t rows = x.elements() == 0 ? 0 : x.rows();
  for (int64_t row = 0; row < rows; ++row) {
    int64_t at = 0;
    for (int axis = 0; axis < outer; ++axis) {
      at += index[static_cast<size_t>(axis)] * x.stride(axis);
    }
    fn(row, at);
    for (int axis = outer - 1; axis >= 0; --axis) {
      if (++index[static_cast<size_t>(axis)] < x.size(axis)) {
        break;
      }
      index[static_cast<size_t>(axis)] = 0;
    }
  }
}

template <class To, class From>
To convert(From value) {
  if constexpr (std::is_same_v<To, From>) {
    return value;
  } else if constexpr (std::is_same_v<From, BFloat16>) {
    return convert<To>(static_cast<float>(value));
  } else if constexpr (std::is_same_v<To, BFloat16>) {
    return BFloat16(static_cast<float>(value));
  } else {
    return static_cast<To>(value);
  }
}

}  // namespace

void Tensor::copy_from(const Tensor& other) {
  check(shape_ == other.shape_, "copy_from: shape ", other.shape_, " into shape ", shape_);
  dispatch(dtype_, [&](auto to) {
    using To = decltype(to);
    To* target = pointer<To>();
    dispatch(other.dtype_, [&](auto from) {
      using From = decltype(from);
      const From* source = other.pointer<From>();
      std::vector<int64_t> starts;
      each_row(other, [&](int64_t, int64_t at) { starts.push_back(at); });
      each_row(*this, [&](int64_t row, int64_t at) {
        const From* line = source + starts[static_cast<size_t>(row)];
        std::transform(line, line + columns(), target + at, [](From value) { return convert<To>(value); });
      });
    });
  });
  storage_->changed();
}

void Tensor::fill(double value) {
  dispatch(dtype_, [&](auto zero) {
    using T = decltype(zero);
    T* target = pointer<T>();
    const T element = convert<T>(value);
    each_row(*this, [&](int64_t, int64_t at) { std::fill_n(target + at, columns(), element); });
  });
  storage_->changed();
}

double Tensor::at(int64_t flat) const {
  check(flat >= 0 && flat < elements(), "tensor ", shape_, " has no element ", flat);
  int64_t position = 0;
  for (int axis = rank() - 1; axis >= 0; --axis) {
    position += flat % shape_[axis] * stride(axis);
    flat /= shape_[axis];
  }
  return dispatch(dtype_, [&](auto zero) { return convert<double>(pointer<decltype(zero)>()[position]); });
}

double Tensor::item() const {
  check(elements() == 1, "item: tensor ", shape_, " has ", elements(), " elements, expected one");
  return at(0);
}

Tensor Tensor::viewed(const Shape& shape) const {
  check(contiguous(), "view: tensor ", shape_, " is strided");
  check(shape.elements() == elements(), "view: tensor ", shape_, " has ", elements(), " elements, shape ", shape.text(),
        " needs ", shape.elements());
  Tensor result = declared(shape, dtype_);
  result.storage_ = storage_;
  result.offset_ = offset_;
  return result;
}

Tensor Tensor::rows_view(int64_t begin, int64_t count) const {
  check(rank() >= 1 && begin >= 0 && count >= 0 && begin + count <= shape_[0], "rows ", begin, " ... ", begin + count,
        " of tensor ", shape_);
  std::array<int64_t, Shape::max_rank> sizes{};
  std::copy(shape_.sizes().begin(), shape_.sizes().end(), sizes.begin());
  sizes[0] = count;
  const auto rank_size = static_cast<size_t>(rank());
  return strided_view(Shape(std::span<const int64_t>(sizes.data(), rank_size)), {strides_.data(), rank_size},
                      begin * strides_[0]);
}

Tensor Tensor::columns_view(int64_t begin, int64_t count) const {
  check(rank() >= 1 && begin >= 0 && count >= 0 && begin + count <= columns(), "columns ", begin, " ... ",
        begin + count, " of tensor ", shape_);
  std::array<int64_t, Shape::max_rank> sizes{};
  std::copy(shape_.sizes().begin(), shape_.sizes().end(), sizes.begin());
  const auto rank_size = static_cast<size_t>(rank());
  sizes[rank_size - 1] = count;
  return strided_view(Shape(std::span<const int64_t>(sizes.data(), rank_size)), {strides_.data(), rank_size}, begin);
}

Tensor Tensor::strided_view(const Shape& shape, std::span<const int64_t> strides, int64_t offset) const {
  check(static_cast<int>(strides.size()) == shape.rank(), "strided_view: ", strides.size(), " strides for shape ",
        shape.text());
  check(shape.rank() == 0 || shape[-1] <= 1 || strides.back() == 1, "strided_view: the last axis must be contiguous");
  check(storage_ != nullptr, "strided_view: tensor ", shape_, " has no elements");
  Tensor result = declared(shape, dtype_);
  int64_t last = offset_ + offset;
  for (size_t axis = 0; axis < strides.size(); ++axis) {
    check(strides[axis] >= 0, "strided_view: negative stride");
    result.strides_[axis] = strides[axis];
    last += (shape[static_cast<int>(axis)] - 1) * strides[axis];
  }
  check(shape.elements() == 0 ||
            (offset_ + offset >= 0 && (last + 1) * bytes_of(dtype_) <= static_cast<int64_t>(storage_->bytes())),
        "strided_view: shape ", shape, " reaches outside the storage");
  result.storage_ = storage_;
  result.offset_ = offset_ + offset;
  return result;
}

Tensor Tensor::clone() const {
  const ProfileScope scope("copy");
  scope.count(0, 2 * bytes());
  Tensor result = empty(shape_, dtype_);
  if (elements() > 0) {
    result.copy_from(*this);
  }
  return result;
}

Tensor Tensor::compact() const {
  return contiguous() ? *this : clone();
}

Tensor Tensor::to(DType dtype) const {
  if (dtype == dtype_) {
    return *this;
  }
  Tensor result = empty(shape_, dtype);
  result.copy_from(*this);
  return result;
}

}  // namespace attune
