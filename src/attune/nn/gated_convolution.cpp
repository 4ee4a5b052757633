#include "attune/nn/gated_convolution.h"

#include <algorithm>
#include <numbers>
#include <utility>

#include "attune/ops/activation.h"
#include "attune/ops/arithmetic.h"
#include "attune/ops/convolution.h"
#include "attune/ops/embedding.h"

namespace attune {

void PastInputs::reorder(std::span<const int> from) {
  rows_ = static_cast<int64_t>(from.size());
  if (window_) {
    window_ = embedding(window_, from);
  }
}

const Tensor& PastInputs::append(const Tensor& given) {
  const Tensor x = given.compact();
  const int64_t in = x.columns(), whole = kernel_width_ * in;
  if (!window_) {
    window_ = Tensor::zeros({rows_, whole}, x.dtype());
  }
  dispatch_floating(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* row = window_.data<T>().data();
    const T* next = std::as_const(x).pointer<T>();
    for (int64_t i = 0; i < rows_; ++i, row += whole, next += in) {
      std::copy(row + in, row + whole, row);
      std::copy_n(next, in, row + whole - in);
    }
  });
  return window_;
}

GatedConvolution::GatedConvolution(const GatedConvolutionOptions& settings)
    : options(settings),
      weight({2 * settings.out, settings.kernel_width * settings.in}, settings.initialiser, settings.weight_norm) {
  if (settings.biases) {
    bias = Parameter({2 * settings.out}, {});
  }
  if (settings.in != settings.out) {
    projection = NormalisedLinear(settings.in, settings.out, {Initialiser::Kind::lecun_normal, 1});
  }
}

Tensor GatedConvolution::operator()(const Tensor& x, const Segments& segments, const Pass& pass) const {
  return glu(convolution(drop(x, options.dropout, pass), segments, weight(), bias,
                         {.causal = options.causal, .compute = pass.compute}));
}

Tensor GatedConvolution::step(const Tensor& x, PastInputs& past, const Pass& pass) const {
  return glu(linear(past.append(x), weight(), bias, {.compute = pass.compute}));
}

Tensor GatedConvolution::with_residual(const Tensor& x, const Tensor& y, const Pass& pass) const {
  return add_scaled(projection.weight ? projection(x, pass) : x, y, std::numbers::sqrt2 / 2);
}

}  // namespace attune
