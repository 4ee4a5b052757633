#include "attune/ops/dropout.h"

#include <algorithm>
#include <cmath>

#include "attune/autograd/tape.h"
#include "attune/base/profile.h"
#include "attune/ops/dropout_cpu.h"

namespace attune {

cpu::DropoutMask cpu::mask_of(double rate, const Rng& rng) {
  check(rate >= 0 && rate < 1, "dropout: rate ", rate, " is outside 0 <= rate < 1");
  const double threshold = std::min(std::round(rate * 0x1p32), 0x1p32 - 1);
  return {rng.key(), static_cast<uint32_t>(threshold), 1 / (1 - rate)};
}

namespace {

// x masked and scaled, + residual if given
Tensor masked(const cpu::DropoutMask& mask, const Tensor& x, const Tensor& residual) {
  Tensor y = Tensor::empty(x.shape(), x.dtype());
  const Tensor input = x.compact(), other = residual ? residual.compact() : Tensor();
  ProfileScope::count(0, (residual ? 3 : 2) * x.bytes());
  dispatch_floating(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    cpu::dropout<T>(mask, x.elements(), y.data<T>().data(), input.data<T>().data(),
                    other ? other.data<T>().data() : nullptr);
  });
  return y;
}

}  // namespace

Tensor dropout(const Tensor& x, double rate, const Rng& rng) {
  const cpu::DropoutMask mask = cpu::mask_of(rate, rng);
  if (rate == 0) {
    return x;
  }
  const ProfileScope scope("dropout");
  // saved: the key alone
  return differentiable("dropout", masked(mask, x, {}), {x},
                        [mask](const Tensor& dy, Adjoints& into) { into.add(0, masked(mask, dy, {})); });
}

Tensor add_dropout(const Tensor& residual, const Tensor& x, double rate, const Rng& rng) {
  check(residual.shape() == x.shape() && residual.dtype() == x.dtype(), "add_dropout: residual is ",
        name_of(residual.dtype()), " ", residual.shape(), " but x is ", name_of(x.dtype()), " ", x.shape().text());
  const cpu::DropoutMask mask = cpu::mask_of(rate, rng);
  const ProfileScope scope("add_dropout");
  return differentiable("add_dropout", masked(mask, x, residual), {residual, x},
                        [mask, rate](const Tensor& dy, Adjoints& into) {
                          into.add(0, dy);
                          if (into.wants(1)) {
                            into.add(1, rate == 0 ? dy : masked(mask, dy, {}));
                          }
                        });
}

}  // namespace attune
