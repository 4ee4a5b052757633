// y = f(z), z = x W^T + b;  dz = dy f'(z),  dx = dz W,  dW = dz^T x,  db = sum of dz's rows.
#include "attune/ops/linear.h"

#include "attune/autograd/tape.h"
#include "attune/base/profile.h"
#include "attune/ops/epilogue_cpu.h"
#include "attune/ops/weight_product.h"

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

constexpr int64_t row_block = 192;  // rows that are finished while they are in the cache

// What the backward needs. x: as the products read it.
struct LinearSaved {
  Tensor x, weight;
  Tensor finished;  // y or x W^T + b, as the epilogue says
  Epilogue after;
};

struct LinearResult {
  Shape shape;
  DType type;
  bool recorded;  // a backward will want what `saved` keeps
};

// T: the type the products sum in; Operand: the one they read. Returns y.
template <class T, class Operand>
Tensor linear_forward(LinearSaved& saved, const Tensor& bias, const LinearResult& result) {
  const DType type = result.type;
  Tensor y = Tensor::empty(result.shape, type);
  const Tensor shift = bias ? bias.compact() : Tensor();
  const T* first_bias = shift ? shift.pointer<T>() : nullptr;
  const auto x = as_operand<Operand>(saved.x);
  if (saved.after.nothing() && type == dtype_of<T>()) {
    weight_product<Operand, true>(x, saved.weight, as_result<T>(y), first_bias, {});
    return y;
  }
  const int64_t rows = y.rows(), columns = y.columns();
  Tensor flat = y.viewed({rows, columns}), sums = flat;  // the products' results
  const bool kept = result.recorded && saved.after.saves_input();
  if (kept || type != dtype_of<T>()) {
    sums = Tensor::empty({kept ? rows : std::min(rows, row_block), columns}, dtype_of<T>());
  }
  for (int64_t first = 0; first < rows; first += row_block) {
    const int64_t count = std::min(row_block, rows - first);
    Tensor part = sums.rows_view(sums.rows() == rows ? first : 0, count), to = flat.rows_view(first, count);
    weight_product<Operand, true>({x.data + first * x.stride, count, x.columns, x.stride}, saved.weight,
                                  as_result<T>(part), first_bias, {});
    const ProfileScope scope("epilogue");
    apply_epilogue(saved.after, first, part, to);
  }
  saved.finished = kept ? sums : saved.after.saves_result() ? detach(y) : Tensor();
  return y;
}

template <class T, class Operand>
void linear_backward(const LinearSaved& saved, const Tensor& dy, Adjoints& into) {
  std::optional<Adjoints::Destination> bias;
  if (into.wants(2)) {
    bias = into.destination(2);
  }
  const bool multiplies = into.wants(0) || into.wants(1);
  const Tensor dz = epilogue_backward(saved.after, saved.finished, dy, multiplies ? dtype_of<Operand>() : dtype_of<T>(),
                                      bias ? &*bias : nullptr);
  if (into.wants(0)) {
    auto [dx, accumulate] = into.destination(0);
    weight_product<Operand, false, T>(as_operand<Operand>(dz), saved.weight, as_result<T>(dx), nullptr,
                                      {.accumulate = accumulate});
  }
  if (into.wants(1)) {
    auto [dw, accumulate] = into.destination(1);
    kernels::product(as_operand<Operand>(dz, true), as_operand<Operand>(saved.x), as_result<T>(dw), nullptr,
                     {.accumulate = accumulate});
  }
}

// The operands, as Operand holds them, are in `saved`.
template <class T, class Operand>
Tensor finished_linear(LinearSaved saved, const Tensor& x, const Tensor& weight, const Tensor& bias, DType type) {
  const bool recorded = recording({&x, &weight, &bias});
  const Tensor y = linear_forward<T, Operand>(saved, bias, {with_columns(x.shape(), weight.size(0)), type, recorded});
  return differentiable("linear", y, {x, weight, bias}, [saved = std::move(saved)](const Tensor& dy, Adjoints& into) {
    linear_backward<T, Operand>(saved, dy, into);
  });
}

}  // namespace

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias, const LinearOptions& options) {
  const ProfileScope scope("linear");
  check_shapes(x, weight, bias);
  Epilogue after{options.activation, {}};
  if (options.rng && options.dropout != 0) {
    after.mask = cpu::mask_of(options.dropout, *options.rng);
  }
  if (options.compute == DType::bfloat16 || weight.dtype() == DType::bfloat16) {
    check((x.dtype() == DType::float32 || x.dtype() == DType::bfloat16) && (!bias || bias.dtype() == DType::float32),
          "linear: compute type bfloat16 needs float32 tensors, x is ", name_of(x.dtype()));
    return finished_linear<float, BFloat16>({detach(rounded_to_bfloat16(x)), detach(weight), {}, after}, x, weight,
                                            bias, options.result);
  }
  check(x.dtype() == weight.dtype() && (!bias || bias.dtype() == x.dtype()), "linear: x is ", name_of(x.dtype()),
        ", weight ", name_of(weight.dtype()), ", expected the same type");
  check(options.result != DType::bfloat16, "linear: a bfloat16 result needs the compute type bfloat16");
  return dispatch_floating(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    return finished_linear<T, T>({detach(with_even_rows(x)), detach(weight), {}, after}, x, weight, bias, x.dtype());
  });
}

}  // namespace attune
