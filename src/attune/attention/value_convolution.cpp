#include "attune/attention/value_convolution.h"

#include <algorithm>
#include <vector>

#include "attune/attention/feature_rows_cpu.h"
#include "attune/attention/spatial_gating_cpu.h"
#include "attune/autograd/tape.h"
#include "attune/base/parallel.h"
#include "attune/base/profile.h"

namespace attune::attention {

namespace {

struct Call {
  Tensor x, weight;  // detached, contiguous
  Segments segments;
  int64_t taps() const { return weight.size(1); }
  int64_t heads() const { return x.size(1); }
  int64_t depth() const { return x.size(2); }
  int64_t stride() const { return heads() * depth(); }  // of a head's rows
};

// y = sum_j w_j (row j of x), rows `stride` apart
void mix(const float* w, const float* x, int64_t rows, const Call& call, float* y) {
  cpu::mix_rows(w, x, rows, call.stride(), call.depth(), y);
}
void mix(const double* w, const double* x, int64_t rows, const Call& call, double* y) {
  std::fill_n(y, call.depth(), 0.0);
  for (int64_t j = 0; j < rows; ++j) {
    for (int64_t c = 0; c < call.depth(); ++c) y[c] += w[j] * x[j * call.stride() + c];
  }
}
float dot(const float* x, const float* y, int64_t count) {
  return cpu::dot(x, y, count);
}
double dot(const double* x, const double* y, int64_t count) {
  double sum = 0;
  for (int64_t c = 0; c < count; ++c) sum += x[c] * y[c];
  return sum;
}

// fn(sequence, head), several at a time
template <class Fn>
void over_heads(const Call& call, Fn&& fn) {
  parallel_items(call.segments.count() * call.heads(),
                 [&](int64_t item) { fn(static_cast<int>(item / call.heads()), item % call.heads()); });
}

// Of token i of a sequence of `length`: the taps that meet a token.
struct Met {
  Met(const Call& call, int64_t i, int64_t length)
      : first(std::max<int64_t>(0, call.taps() / 2 - i)), end(std::min(call.taps(), length - i + call.taps() / 2)) {}
  int64_t first, end;
};

// The kernel w of each head along x's tokens.
template <class T>
Tensor convolved(const Call& call, const Tensor& x, const Tensor& w) {
  Tensor y = call.segments.packed() ? Tensor::empty(x.shape(), x.dtype()) : Tensor::zeros(x.shape(), x.dtype());
  over_heads(call, [&](int s, int64_t head) {
    const int64_t length = call.segments.length(s),
                  place = call.segments.begin(s) * call.stride() + head * call.depth();
    for (int64_t i = 0; i < length; ++i) {
      const Met met(call, i, length);
      const int64_t from = i + met.first - call.taps() / 2;
      mix(w.pointer<T>() + head * call.taps() + met.first, x.pointer<T>() + place + from * call.stride(),
          met.end - met.first, call, y.pointer<T>() + place + i * call.stride());
    }
  });
  return y;
}

// dx_j = sum_t w_t dy_(j - t + taps / 2): the same with the kernel turned round.
template <class T>
Tensor turned_round(const Tensor& weight) {
  Tensor result = weight.clone();
  for (int64_t head = 0; head < weight.size(0); ++head) {
    T* row = result.pointer<T>() + head * weight.size(1);
    std::reverse(row, row + weight.size(1));
  }
  return result;
}

template <class T>
Tensor weight_backward(const Call& call, const Tensor& dy) {
  Tensor parts = Tensor::zeros({call.segments.count(), call.heads(), call.taps()}, call.x.dtype());
  over_heads(call, [&](int s, int64_t head) {
    const int64_t length = call.segments.length(s),
                  place = call.segments.begin(s) * call.stride() + head * call.depth();
    T* to = parts.pointer<T>() + (s * call.heads() + head) * call.taps();
    for (int64_t i = 0; i < length; ++i) {
      const Met met(call, i, length);
      for (int64_t t = met.first; t < met.end; ++t) {
        to[t] += dot(dy.pointer<T>() + place + i * call.stride(),
                     call.x.pointer<T>() + place + (i + t - call.taps() / 2) * call.stride(), call.depth());
      }
    }
  });
  Tensor sum = Tensor::zeros(call.weight.shape(), call.x.dtype());
  for (int64_t e = 0; e < parts.elements(); ++e) sum.pointer<T>()[e % sum.elements()] += parts.pointer<T>()[e];
  return sum;
}

}  // namespace

Tensor value_convolution(const Tensor& x, const Tensor& weight, const Segments& segments) {
  const ProfileScope scope("value_convolution");
  check(x.rank() == 3 && x.size(0) == segments.rows(), "value_convolution: x ", x.shape(), ", expected [",
        segments.rows(), ", heads, depth] to fit the segments");
  check(weight.rank() == 2 && weight.size(0) == x.size(1) && weight.size(1) % 2 == 1,
        "value_convolution: the kernel is ", weight.shape(), ", expected [", x.size(1), ", an odd number of taps]");
  check(weight.dtype() == x.dtype(), "value_convolution: x holds ", name_of(x.dtype()), ", the kernel ",
        name_of(weight.dtype()), ": expected one type");
  const Call call{detach(x.compact()), detach(weight.compact()), segments};
  return dispatch_floating(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    return differentiable("value_convolution", convolved<T>(call, call.x, call.weight), {x, weight},
                          [call](const Tensor& dy, Adjoints& into) {
                            const Tensor compact = dy.compact();
                            if (into.wants(0)) into.add(0, convolved<T>(call, compact, turned_round<T>(call.weight)));
                            if (into.wants(1)) into.add(1, weight_backward<T>(call, compact));
                          });
  });
}

}  // namespace attune::attention
