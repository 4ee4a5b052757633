// A tensor: a value handle on shared storage with shape and strides; the last axis is always contiguous. Copies share
// the elements. A default-made tensor means "not given"; a declared one has a shape but no elements yet.
#pragma once

#include <initializer_list>
#include <memory>
#include <span>
#include <vector>

#include "attune/base/check.h"
#include "attune/base/dtype.h"
#include "attune/tensor/shape.h"
#include "attune/tensor/storage.h"

namespace attune {

class Tensor {
 public:
  Tensor() = default;

  static Tensor empty(const Shape& shape, DType dtype = DType::float32);  // uninitialised
  static Tensor zeros(const Shape& shape, DType dtype = DType::float32);
  static Tensor full(const Shape& shape, double value, DType dtype = DType::float32);
  static Tensor declared(const Shape& shape, DType dtype = DType::float32);
  template <class T>
  static Tensor of(const Shape& shape, std::span<const T> values);
  template <class T>
  static Tensor of(const Shape& shape, std::initializer_list<T> values) {
    return of<T>(shape, std::span<const T>(values.begin(), values.size()));
  }
  static Tensor scalar(double value, DType dtype = DType::float32) { return full({}, value, dtype); }

  explicit operator bool() const { return given_; }
  bool allocated() const { return storage_ != nullptr; }

  const Shape& shape() const { return shape_; }
  DType dtype() const { return dtype_; }
  Device device() const { return Device::cpu; }
  int rank() const { return shape_.rank(); }
  int64_t size(int axis) const { return shape_[axis]; }
  int64_t elements() const { return shape_.elements(); }
  double bytes() const { return static_cast<double>(elements() * bytes_of(dtype_)); }  // of the elements
  // The tensor as a matrix of rows of its last axis: [rows, columns].
  int64_t columns() const { return rank() == 0 ? 1 : shape_[-1]; }
  int64_t rows() const;
  int64_t stride(int axis) const { return strides_[static_cast<size_t>(axis < 0 ? axis + rank() : axis)]; }
  bool contiguous() const;

  // All elements; the tensor must be contiguous and of type T. Asking for those that may be written counts as a change
  // of the storage; who writes through pointer() what others have seen says so by storage()->changed().
  template <class T>
  std::span<T> data() & {
    storage_->changed();
    return {pointer<T>(), checked_elements()};
  }
  template <class T>
  std::span<const T> data() const& {
    return {pointer<T>(), checked_elements()};
  }
  // The first element; step with stride(). bool is stored as one byte 0 or 1.
  template <class T>
  T* pointer() & {
    check_type(dtype_of<T>());
    return reinterpret_cast<T*>(storage_->data()) + offset_;
  }
  template <class T>
  const T* pointer() const& {
    check_type(dtype_of<T>());
    return reinterpret_cast<const T*>(storage_->data()) + offset_;
  }
  double item() const;            // the only element, as a double
  double at(int64_t flat) const;  // element `flat` in row order, as a double (tests, reports)

  // Views share the elements. They know nothing of gradients: ops/shape.h has the differentiable ones.
  Tensor viewed(const Shape& shape) const;                  // contiguous tensors only
  Tensor rows_view(int64_t begin, int64_t count) const;     // along axis 0
  Tensor columns_view(int64_t begin, int64_t count) const;  // along the last axis
  Tensor strided_view(const Shape& shape, std::span<const int64_t> strides, int64_t offset) const;

  Tensor clone() const;          // contiguous copy
  Tensor compact() const;        // itself when contiguous, else a copy
  Tensor to(DType dtype) const;  // converted copy (itself when already of that type)
  void fill(double value);
  void copy_from(const Tensor& other);  // same shape; converts; counts as a change

  Storage* storage() const { return storage_.get(); }
  bool shares_storage() const { return storage_.use_count() > 1; }  // whether another tensor holds the same elements
  int64_t offset() const { return offset_; }                        // in elements
  // The tape's mark: which node made this tensor (autograd/tape.h). 0 = none.
  uint64_t node() const { return node_; }
  void set_node(uint64_t node) { node_ = node; }

 private:
  void check_type(DType wanted) const;
  size_t checked_elements() const;

  std::shared_ptr<Storage> storage_;
  Shape shape_;
  std::array<int64_t, Shape::max_rank> strides_{};  // in elements
  int64_t offset_ = 0;
  uint64_t node_ = 0;
  DType dtype_ = DType::float32;
  bool given_ = false;
};

// The same tensor without its history: saved values and constants.
inline Tensor detach(Tensor x) {
  x.set_node(~uint64_t{0});
  return x;
}

// Calls fn with a float or a double, as the dtype says; throws for any other: `dispatch(x.dtype(), [&](auto zero)
// {...})`.
template <class Fn>
decltype(auto) dispatch_floating(DType dtype, Fn&& fn) {
  check(dtype == DType::float32 || dtype == DType::float64, "expected a float32 or float64 tensor, found ",
        name_of(dtype));
  return dtype == DType::float32 ? fn(float{}) : fn(double{});
}

template <class T>
Tensor Tensor::of(const Shape& shape, std::span<const T> values) {
  check(static_cast<int64_t>(values.size()) == shape.elements(), "Tensor: ", values.size(), " values for shape ",
        shape.text());
  Tensor result = empty(shape, dtype_of<T>());
  std::copy(values.begin(), values.end(), result.data<T>().begin());
  return result;
}

}  // namespace attune
