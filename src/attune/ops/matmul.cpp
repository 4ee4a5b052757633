// C = op(A) op(B);  d op(A) = dC op(B)^T,  d op(B) = op(A)^T dC, each written in the operand's own orientation.
#include "attune/ops/matmul.h"

#include "attune/autograd/tape.h"
#include "attune/base/profile.h"
#include "attune/ops/row_layout.h"

namespace attune {

namespace {

template <class T>
void matmul_backward(const Tensor& a, const Tensor& b, const Tensor& dc, const MatmulOptions& options, Adjoints& into) {
  const bool ta = options.transpose_a, tb = options.transpose_b;
  if (into.wants(0)) {
    auto [da, accumulate] = into.destination(0);
    const auto other = as_operand<T>(b, ta ? tb : !tb), outer = as_operand<T>(dc, ta);
    kernels::product(ta ? other : outer, ta ? outer : other, as_result<T>(da), nullptr, {.accumulate = accumulate});
  }
  if (into.wants(1)) {
    auto [db, accumulate] = into.destination(1);
    const auto other = as_operand<T>(a, tb ? ta : !ta), outer = as_operand<T>(dc, tb);
    kernels::product(tb ? outer : other, tb ? other : outer, as_result<T>(db), nullptr, {.accumulate = accumulate});
  }
}

}  // namespace

Tensor matmul(const Tensor& a, const Tensor& b, const MatmulOptions& options) {
  const ProfileScope scope("matmul");
  check(a.rank() == 2 && b.rank() == 2, "matmul: operands ", a.shape(), " and ", b.shape(), " must be matrices");
  const int64_t m = a.size(options.transpose_a ? 1 : 0), inner_a = a.size(options.transpose_a ? 0 : 1);
  const int64_t n = b.size(options.transpose_b ? 0 : 1), inner_b = b.size(options.transpose_b ? 1 : 0);
  check(inner_a == inner_b, "matmul: a ", a.shape(), options.transpose_a ? " transposed" : "", " has ", inner_a,
        " columns, b ", b.shape(), options.transpose_b ? " transposed" : "", " has ", inner_b, " rows");
  check(a.dtype() == b.dtype(), "matmul: a is ", name_of(a.dtype()), ", b is ", name_of(b.dtype()),
        ", expected the same type");
  return dispatch_floating(a.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const Tensor even_a = detach(with_even_rows(a)), even_b = detach(with_even_rows(b));
    Tensor c = Tensor::empty({m, n}, a.dtype());
    kernels::product(as_operand<T>(even_a, options.transpose_a), as_operand<T>(even_b, options.transpose_b),
                     as_result<T>(c), nullptr, {});
    return differentiable("matmul", c, {a, b}, [even_a, even_b, options](const Tensor& dc, Adjoints& into) {
      matmul_backward<T>(even_a, even_b, with_even_rows(dc), options, into);
    });
  });
}

}  // namespace attune
