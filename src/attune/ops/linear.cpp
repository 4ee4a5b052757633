// y = x W^T + b;  dx = dy W,  dW = dy^T x,  db = sum of dy's rows.
#include "attune/ops/linear.h"

#include "attune/autograd/tape.h"
#include "attune/base/profile.h"
#include "attune/kernels/packed_product.h"
#include "attune/ops/row_layout.h"
#include "attune/tensor/derived.h"

namespace attune {

namespace {

void check_shapes(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  check(weight.rank() == 2, "linear: weight ", weight.shape(), " must be [out, in]");
  check(x.rank() >= 1 && x.columns() == weight.size(1), "linear: x has ", x.columns(), " columns, weight ",
        weight.shape().text(), " expects ", weight.size(1));
  check(!bias || (bias.rank() == 1 && bias.size(0) == weight.size(0)), "linear: bias ", bias.shape(), " with weight ",
        weight.shape(), ", expected [", weight.size(0), "]");
}

Shape with_columns(const Shape& shape, int64_t columns) {
  std::vector<int64_t> sizes(shape.sizes().begin(), shape.sizes().end());
  sizes.back() = columns;
  return Shape(sizes);
}

// Operand: the type the products read; T: the type they sum in and write.
template <class T, class Operand>
void linear_forward(const Tensor& x, const Tensor& weight, const Tensor& bias, Tensor& y) {
  const Tensor shift = bias ? bias.compact() : Tensor();
  kernels::product(as_operand<Operand>(x), as_operand<Operand>(weight, true), as_result<T>(y),
                   shift ? shift.pointer<T>() : nullptr, {});
}

template <class T, class Operand>
void linear_backward(const Tensor& dy, const Tensor& product_dy, const Tensor& x, const Tensor& weight,
                     const Shape& x_shape, Adjoints& into) {
  if (into.wants(0)) {
    Tensor dx = Tensor::empty(x_shape, dy.dtype());
    kernels::product(as_operand<Operand>(product_dy), as_operand<Operand>(weight), as_result<T>(dx), nullptr, {});
    into.add(0, std::move(dx));
  }
  if (into.wants(1)) {
    auto [dw, accumulate] = into.destination(1);
    kernels::product(as_operand<Operand>(product_dy, true), as_operand<Operand>(x), as_result<T>(dw), nullptr,
                     {.accumulate = accumulate});
  }
  if (into.wants(2)) {
    auto [db, accumulate] = into.destination(2);
    column_sums(dy, db, {.accumulate = accumulate});
  }
}

Tensor linear_rounded(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  check(x.dtype() == DType::float32 && (!bias || bias.dtype() == DType::float32),
        "linear: compute type bfloat16 needs float32 tensors, x is ", name_of(x.dtype()));
  const Tensor x16 = rounded_to_bfloat16(x), w16 = rounded_to_bfloat16(weight);
  Tensor y = Tensor::empty(with_columns(x.shape(), weight.size(0)), DType::float32);
  linear_forward<float, BFloat16>(x16, w16, bias, y);
  // saved: the rounded operands, so that the backward rounds only dy
  return differentiable("linear", y, {x, weight, bias},
                        [x16, w16, shape = x.shape()](const Tensor& dy, Adjoints& into) {
                          const Tensor even = with_even_rows(dy);
                          const Tensor dy16 = into.wants(0) || into.wants(1) ? rounded_to_bfloat16(even) : Tensor();
                          linear_backward<float, BFloat16>(even, dy16, x16, w16, shape, into);
                        });
}

// Without a tape the weight is used again as it is, step after step: packed once, it is read faster.
Tensor linear_packed(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  const Tensor rows = with_even_rows(x), shift = bias ? bias.compact() : Tensor();
  const auto packed = derived<kernels::PackedWeight>(weight, [&] {
    const Tensor even = with_even_rows(weight);
    return std::make_shared<const kernels::PackedWeight>(even.pointer<float>(), weight.size(0), weight.size(1),
                                                         row_stride(even));
  });
  Tensor y = Tensor::empty(with_columns(x.shape(), weight.size(0)), DType::float32);
  kernels::product({rows.pointer<float>(), rows.rows(), row_stride(rows)}, *packed,
                   shift ? shift.pointer<float>() : nullptr, y.pointer<float>());
  return y;
}

}  // namespace

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias, const LinearOptions& options) {
  const ProfileScope scope("linear");
  check_shapes(x, weight, bias);
  if (options.compute == DType::bfloat16 || weight.dtype() == DType::bfloat16) {
    return linear_rounded(x, weight, bias);
  }
  check(x.dtype() == weight.dtype() && (!bias || bias.dtype() == x.dtype()), "linear: x is ", name_of(x.dtype()),
        ", weight ", name_of(weight.dtype()), ", expected the same type");
  if (x.dtype() == DType::float32 && !recording({&x, &weight, &bias})) {
    return linear_packed(x, weight, bias);
  }
  return dispatch_floating(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const Tensor even_x = detach(with_even_rows(x)), even_weight = detach(with_even_rows(weight));
    Tensor y = Tensor::empty(with_columns(x.shape(), weight.size(0)), x.dtype());
    linear_forward<T, T>(even_x, even_weight, bias, y);
    return differentiable("linear", y, {x, weight, bias}, [even_x, even_weight](const Tensor& dy, Adjoints& into) {
      const Tensor even = with_even_rows(dy);
      linear_backward<T, T>(even, even, even_x, even_weight, even_x.shape(), into);
    });
  });
}

}  // namespace attune
