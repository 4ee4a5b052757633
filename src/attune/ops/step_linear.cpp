// y = base + x W^T + b;  dx = dy W,  dbase = dy,  and at the end dW = dY^T X, db = the sum of dY's rows.
#include "attune/ops/step_linear.h"

#include <utility>
#include <vector>

#include "attune/autograd/tape.h"
#include "attune/base/profile.h"
#include "attune/ops/concat.h"
#include "attune/ops/weight_product.h"

namespace attune {

struct StepLinear::Uses {
  std::vector<Tensor> x, dy;  // x as the products read it
};

namespace {

Tensor as_read(const Tensor& x, DType compute) {
  return detach(compute == DType::bfloat16 ? rounded_to_bfloat16(x) : with_even_rows(x));
}

Tensor together(std::vector<Tensor> parts) {
  return parts.size() == 1 ? parts.front() : concat(parts, Along::rows);
}

void weight_gradient(std::vector<Tensor> xs, std::vector<Tensor> dys, DType compute, Adjoints& into) {
  const Tensor dy = together(std::move(dys));
  if (into.wants(1)) {
    auto [db, accumulate] = into.destination(1);
    column_sums(dy, db, {.accumulate = accumulate});
  }
  if (into.wants(0)) {
    Adjoints::Destination dw = into.destination(0);
    const Tensor x = together(std::move(xs)), read = as_read(dy, compute);
    dispatch_operand(dy.dtype(), compute, [&](auto sum, auto operand) {
      using Operand = decltype(operand);
      kernels::product(as_operand<Operand>(read, true), as_operand<Operand>(x), as_result<decltype(sum)>(dw.into),
                       nullptr, {.accumulate = dw.accumulate});
    });
  }
}

}  // namespace

StepLinear::StepLinear(const Tensor& weight, const Tensor& bias, DType compute)
    : weight_(detach(weight)),
      bias_(bias ? detach(bias.compact()) : Tensor()),
      compute_(weight.dtype() == DType::bfloat16 ? DType::bfloat16 : compute),
      uses_(std::make_shared<Uses>()) {
  check(weight.rank() == 2 && (!bias || (bias.rank() == 1 && bias.size(0) == weight.size(0))), "StepLinear: weight ",
        weight.shape(), " with bias ", bias.shape(), ", expected [out, in] and [out] or none");
  const Tensor nothing = Tensor::empty({0}, gradient_dtype(weight.dtype()));
  trigger_ = differentiable("step_linear.weight", nothing, {weight, bias},
                            [uses = uses_, type = compute_](const Tensor&, Adjoints& into) {
                              const Uses all = std::exchange(*uses, {});
                              weight_gradient(all.x, all.dy, type, into);
                            });
}

Tensor StepLinear::operator()(const Tensor& x, const Tensor& base) const {
  const ProfileScope scope("step_linear");
  check(x.rank() == 2 && x.size(1) == weight_.size(1), "StepLinear: x ", x.shape(), " with weight ", weight_.shape(),
        ", expected [n, ", weight_.size(1), "]");
  check(!base || (!bias_ && base.shape() == Shape({x.size(0), weight_.size(0)}) && base.dtype() == x.dtype()),
        "StepLinear: a base ", base.shape(), " for ", x.size(0), " rows of ", weight_.size(0),
        ", expected that shape, the type of x, and no bias");
  const Tensor read = as_read(x, compute_);
  Tensor y = base ? base.clone() : Tensor::empty({x.size(0), weight_.size(0)}, x.dtype());
  dispatch_operand(x.dtype(), compute_, [&](auto sum, auto operand) {
    using T = decltype(sum);
    using Operand = decltype(operand);
    weight_product<Operand, true>(as_operand<Operand>(read), weight_, as_result<T>(y),
                                  bias_ ? bias_.pointer<T>() : nullptr, {.accumulate = !!base});
  });
  return differentiable("step_linear", y, {x, trigger_, base},
                        [uses = uses_, weight = weight_, read, compute = compute_](const Tensor& dy, Adjoints& into) {
                          if (into.wants(0)) {
                            const Tensor rows = as_read(dy, compute);
                            auto [dx, accumulate] = into.destination(0);
                            Tensor target = dx;
                            dispatch_operand(dy.dtype(), compute, [&, add = accumulate](auto sum, auto operand) {
                              using Operand = decltype(operand);
                              weight_product<Operand, false, decltype(sum)>(as_operand<Operand>(rows), weight,
                                                                            as_result<decltype(sum)>(target), nullptr,
                                                                            {.accumulate = add});
                            });
                          }
                          if (into.wants(1)) {
                            uses->x.push_back(read);
                            uses->dy.push_back(dy);
                            into.add(1, Tensor::empty({0}, dy.dtype()));
                          }
                          if (into.wants(2)) {
                            into.add(2, dy);
                          }
                        });
}

}  // namespace attune
