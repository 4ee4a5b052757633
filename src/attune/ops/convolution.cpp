// Rows are laid side by side, k for each result ("gathered"), and multiplied with the whole kernel at once, 512 rows at
// a time. Per row this writes and reads k * in elements that stay in the cache, beside 2 k in out operations: 6 % of
// the op's time, forward and backward, at in = 256, out = 512, k = 3 in float32 (attune --profile train). The other
// way, k products of shifted rows that add up, would read and write the result k times (out = 2 in for a gated layer:
// twice the bytes), would need the rows around every sentence's ends multiplied apart, and would sum in another order
// than a decoder's step does.
//   y = G W^T + b, G [rows, k * in];  dW = dy^T G (G gathered again: not kept);  dG = dy W, dx: the sum of dG's parts
#include "attune/ops/convolution.h"

#include <algorithm>
#include <vector>

#include "attune/autograd/tape.h"
#include "attune/base/parallel.h"
#include "attune/base/profile.h"
#include "attune/kernels/elementwise.h"
#include "attune/ops/epilogue_cpu.h"
#include "attune/ops/linear.h"
#include "attune/ops/weight_product.h"

namespace attune {

namespace {

constexpr int64_t forward_block = 512;    // gathered rows that are multiplied while they are in the cache
constexpr int64_t gradient_block = 1024;  // as long as the sums over tokens that a product takes at once
constexpr int64_t grain = 1 << 14;        // elements copied by a thread

// Which rows the taps see.
struct Taps {
  int64_t count, left;
  std::vector<int32_t> before, after;  // for each row: rows of its sequence in front of it and behind it

  Taps(int64_t taps, bool causal, const Segments& segments)
      : count(taps), left(causal ? taps - 1 : (taps - 1) / 2), before(static_cast<size_t>(segments.rows())) {
    after = before;
    for (int s = 0; s < segments.count(); ++s) {
      const int length = segments.length(s);
      for (int i = 0; i < length; ++i) {
        before[static_cast<size_t>(segments.begin(s) + i)] = i;
        after[static_cast<size_t>(segments.begin(s) + i)] = length - 1 - i;
      }
    }
  }

  // The first tap and the one behind the last that see a row of the sequence of `row`.
  int64_t first(int64_t row) const { return std::max<int64_t>(0, left - before[static_cast<size_t>(row)]); }
  int64_t end(int64_t row) const { return std::min<int64_t>(count, left + after[static_cast<size_t>(row)] + 1); }
};

struct Rows {
  int64_t begin, count;
};

// G's rows: what the taps see of x, side by side, zeros where they see nothing.
template <class E>
void gather(const Taps& taps, const Tensor& x, const Rows& rows, E* to) {
  const int64_t width = x.columns(), whole = taps.count * width;
  const E* from = x.pointer<E>();
  ProfileScope::count(0, 2.0 * sizeof(E) * static_cast<double>(rows.count * whole));
  parallel_for(rows.count, std::max<int64_t>(1, grain / (whole + 1)), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t row = rows.begin + i, first = taps.first(row), last = taps.end(row);
      E* into = to + i * whole;
      std::fill_n(into, first * width, E{});
      std::copy_n(from + (row - taps.left + first) * width, (last - first) * width, into + first * width);
      std::fill_n(into + last * width, (taps.count - last) * width, E{});
    }
  });
}

// The other way: dx (+)= what dG's rows say of the rows that they were gathered from, added in the order of dG's rows.
template <class T>
void scatter_add(const Taps& taps, const T* gathered, const Rows& rows, Tensor& dx) {
  const int64_t width = dx.columns(), whole = taps.count * width, right = taps.count - 1 - taps.left;
  const int64_t lowest = std::max<int64_t>(0, rows.begin - taps.left);
  const int64_t highest = std::min(dx.rows(), rows.begin + rows.count + right);
  T* into = dx.pointer<T>();
  ProfileScope::count(0, 3.0 * sizeof(T) * static_cast<double>(rows.count * whole));
  parallel_for(highest - lowest, std::max<int64_t>(1, grain / (whole + 1)), [&](int64_t begin, int64_t end) {
    for (int64_t row = lowest + begin; row < lowest + end; ++row) {
      const int64_t first = row - std::min<int64_t>(right, taps.before[static_cast<size_t>(row)]);
      const int64_t last = row + std::min<int64_t>(taps.left, taps.after[static_cast<size_t>(row)]);
      for (int64_t of = std::max(first, rows.begin); of <= std::min(last, rows.begin + rows.count - 1); ++of) {
        const T* part = gathered + (of - rows.begin) * whole + (row - of + taps.left) * width;
        T* sum = into + row * width;
        for (int64_t c = 0; c < width; ++c) {
          sum[c] += part[c];
        }
      }
    }
  });
}

struct Saved {
  Tensor x, weight;  // x as the products read it
  Taps taps;
};

template <class T, class Operand>
Tensor forward(const Saved& saved, const Tensor& bias) {
  const int64_t rows = saved.x.rows(), whole = saved.weight.columns();
  Tensor y = Tensor::empty({rows, saved.weight.size(0)}, dtype_of<T>());
  Tensor gathered = Tensor::empty({std::min(rows, forward_block), whole}, dtype_of<Operand>());
  const Tensor shift = bias ? bias.compact() : Tensor();
  for (int64_t begin = 0; begin < rows; begin += forward_block) {
    const Rows block{begin, std::min(forward_block, rows - begin)};
    gather(saved.taps, saved.x, block, gathered.pointer<Operand>());
    Tensor part = y.rows_view(block.begin, block.count);
    weight_product<Operand, true>(as_operand<Operand>(gathered.rows_view(0, block.count)), saved.weight,
                                  as_result<T>(part), shift ? shift.pointer<T>() : nullptr, {});
  }
  return y;
}

template <class T, class Operand>
void backward_of_x(const Saved& saved, const Tensor& dy, Adjoints& into) {
  auto [dx, accumulate] = into.destination(0);
  if (!accumulate) {
    dx.fill(0);
  }
  const int64_t rows = dy.rows();
  Tensor gathered = Tensor::empty({std::min(rows, forward_block), saved.weight.columns()}, dtype_of<T>());
  for (int64_t begin = 0; begin < rows; begin += forward_block) {
    const Rows block{begin, std::min(forward_block, rows - begin)};
    Tensor part = gathered.rows_view(0, block.count);
    weight_product<Operand, false, T>(as_operand<Operand>(dy.rows_view(block.begin, block.count)), saved.weight,
                                      as_result<T>(part), nullptr, {});
    scatter_add<T>(saved.taps, gathered.pointer<T>(), block, dx);
  }
}

template <class T, class Operand>
void backward_of_weight(const Saved& saved, const Tensor& dy, Adjoints& into) {
  auto [dw, accumulate] = into.destination(1);
  const int64_t rows = dy.rows();
  if (rows == 0 && !accumulate) {
    dw.fill(0);
  }
  Tensor gathered = Tensor::empty({std::min(rows, gradient_block), saved.weight.columns()}, dtype_of<Operand>());
  for (int64_t begin = 0; begin < rows; begin += gradient_block) {
    const Rows block{begin, std::min(gradient_block, rows - begin)};
    gather(saved.taps, saved.x, block, gathered.pointer<Operand>());
    kernels::product(as_operand<Operand>(dy.rows_view(block.begin, block.count), true),
                     as_operand<Operand>(gathered.rows_view(0, block.count)), as_result<T>(dw), nullptr,
                     {.accumulate = accumulate || begin > 0});
  }
}

template <class T, class Operand>
void backward(const Saved& saved, const Tensor& dy, Adjoints& into) {
  std::optional<Adjoints::Destination> bias;
  if (into.wants(2)) {
    bias = into.destination(2);
  }
  const bool multiplies = into.wants(0) || into.wants(1);
  const Tensor dz =
      epilogue_backward({}, {}, dy, multiplies ? dtype_of<Operand>() : dtype_of<T>(), bias ? &*bias : nullptr);
  if (into.wants(0)) {
    backward_of_x<T, Operand>(saved, dz, into);
  }
  if (into.wants(1)) {
    backward_of_weight<T, Operand>(saved, dz, into);
  }
}

template <class T, class Operand>
Tensor finished(Saved saved, const Tensor& x, const Tensor& weight, const Tensor& bias) {
  const Tensor y = forward<T, Operand>(saved, bias);
  return differentiable(
      "convolution", y, {x, weight, bias},
      [saved = std::move(saved)](const Tensor& dy, Adjoints& into) { backward<T, Operand>(saved, dy, into); });
}

int64_t checked_taps(const Tensor& x, const Segments& segments, const Tensor& weight, const Tensor& bias) {
  check(x.rank() == 2 && weight.rank() == 2, "convolution: x ", x.shape(), " must be [rows, in], weight ",
        weight.shape(), " [out, k * in]");
  check(x.columns() > 0 && weight.columns() > 0 && weight.columns() % x.columns() == 0, "convolution: weight ",
        weight.shape(), " must be [out, k * in] with the ", x.columns(), " columns of x as in");
  check(!bias || (bias.rank() == 1 && bias.size(0) == weight.size(0)), "convolution: bias ", bias.shape(),
        " with weight ", weight.shape(), ", expected [", weight.size(0), "]");
  check(segments.packed() && segments.rows() == x.rows(), "convolution: x has ", x.rows(),
        " rows, expected packed segments of as many, got ", segments.rows());
  return weight.columns() / x.columns();
}

}  // namespace

Tensor convolution(const Tensor& x, const Segments& segments, const Tensor& weight, const Tensor& bias,
                   const ConvolutionOptions& options) {
  const int64_t taps = checked_taps(x, segments, weight, bias);
  if (taps == 1) {
    return linear(x, weight, bias, {.compute = options.compute});
  }
  const ProfileScope scope("convolution");
  if (options.compute == DType::bfloat16 || weight.dtype() == DType::bfloat16) {
    check((x.dtype() == DType::float32 || x.dtype() == DType::bfloat16) && (!bias || bias.dtype() == DType::float32),
          "convolution: compute type bfloat16 needs float32 tensors, x is ", name_of(x.dtype()));
    return finished<float, BFloat16>(
        {detach(rounded_to_bfloat16(x)), detach(weight), Taps(taps, options.causal, segments)}, x, weight, bias);
  }
  check(x.dtype() == weight.dtype() && (!bias || bias.dtype() == x.dtype()), "convolution: x is ", name_of(x.dtype()),
        ", weight ", name_of(weight.dtype()), ", expected the same type");
  return dispatch_floating(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    return finished<T, T>({detach(x.compact()), detach(weight), Taps(taps, options.causal, segments)}, x, weight, bias);
  });
}

Tensor convolution_definition(const Tensor& x, const Segments& segments, const Tensor& weight, const Tensor& bias,
                              const ConvolutionOptions& options) {
  const int64_t taps = checked_taps(x, segments, weight, bias), in = x.columns(), out = weight.size(0);
  const int64_t left = options.causal ? taps - 1 : (taps - 1) / 2;
  Tensor y = Tensor::zeros({x.rows(), out}, x.dtype());
  dispatch_floating(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const Tensor from = x.compact(), kernel = weight.compact(), shift = bias ? bias.compact() : Tensor();
    for (int s = 0; s < segments.count(); ++s) {
      for (int64_t t = 0; t < segments.length(s); ++t) {
        for (int64_t o = 0; o < out; ++o) {
          T sum = shift ? shift.pointer<T>()[o] : T{0};
          for (int64_t j = 0; j < taps; ++j) {
            const int64_t seen = t - left + j;
            for (int64_t i = 0; i < in && seen >= 0 && seen < segments.length(s); ++i) {
              sum += kernel.pointer<T>()[o * taps * in + j * in + i] *
                     from.pointer<T>()[(segments.begin(s) + seen) * in + i];
            }
          }
          y.pointer<T>()[(segments.begin(s) + t) * out + o] = sum;
        }
      }
    }
  });
  return y;
}

}  // namespace attune
