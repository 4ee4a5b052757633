#include "attune/attention/spatial_gating_definition.h"

#include <cmath>
#include <vector>

#include "attune/autograd/recorder.h"

namespace attune::attention {

namespace {

double* at(Tensor& x) {
  return x.pointer<double>();
}
const double* at(const Tensor& x) {
  return x.pointer<double>();
}

// Where things lie in a call's matrices.
struct Places {
  Places(const SpatialGatingInputs& in, const SpatialGatingOptions& options)
      : gate(options.gate),
        causal(options.causal),
        columns(in.z.columns()),
        channels(gate_channels(options.gate, columns)),
        first(columns - channels),
        heads(in.bias.size(0)),
        positions(in.bias.size(1)),
        toeplitz(in.weight.rank() == 2) {}

  int64_t head_of(int64_t channel) const { return channel / (channels / heads); }
  int64_t weight(int64_t head, int64_t i, int64_t j) const {
    return toeplitz ? head * (2 * positions - 1) + positions - 1 + j - i : (head * positions + i) * positions + j;
  }
  // The tokens that the token at i sees of a sequence of `length`.
  int64_t seen(int64_t i, int64_t length) const { return causal ? i + 1 : length; }

  Gate gate;
  bool causal;
  int64_t columns, channels, first, heads, positions;  // first: of the gate's channels in a row of Z
  bool toeplitz;
};

struct RowMoments {
  double mean = 0, inverse = 0;  // inverse: 1 / sqrt(variance + epsilon)
};

RowMoments moments(const double* x, int64_t count, double epsilon) {
  RowMoments result;
  double variance = 0;
  for (int64_t c = 0; c < count; ++c) result.mean += x[c] / static_cast<double>(count);
  for (int64_t c = 0; c < count; ++c) {
    variance += (x[c] - result.mean) * (x[c] - result.mean) / static_cast<double>(count);
  }
  result.inverse = 1 / std::sqrt(variance + epsilon);
  return result;
}

// fn(sequence, its length, its first row, place i in it)
template <class Fn>
void for_each_token(const Segments& segments, Fn&& fn) {
  for (int s = 0; s < segments.count(); ++s) {
    for (int64_t i = 0; i < segments.length(s); ++i) fn(s, int64_t{segments.length(s)}, segments.begin(s), i);
  }
}

// The rows of a matrix handed over in order; what receives them may change them.
void record_tokens(std::string_view name, const Segments& segments, Tensor& matrix) {
  Recorder* const recorder = Recorder::current();
  if (recorder == nullptr) {
    return;
  }
  const auto columns = static_cast<size_t>(matrix.columns());
  for_each_token(segments, [&](int s, int64_t, int64_t begin, int64_t i) {
    recorder->hand({name, s, 0, i, {}, {at(matrix) + static_cast<size_t>(begin + i) * columns, columns}});
  });
}

Tensor normalise(const SpatialGatingInputs& in, const Places& p, double epsilon) {
  Tensor n = Tensor::empty({in.z.size(0), p.channels}, DType::float64);
  for (int64_t row = 0; row < n.size(0); ++row) {
    const double* x = at(in.z) + row * p.columns + p.first;
    const auto [mean, inverse] = moments(x, p.channels, epsilon);
    for (int64_t c = 0; c < p.channels; ++c) {
      at(n)[row * p.channels + c] = (x[c] - mean) * inverse * at(in.norm_weight)[c] + at(in.norm_bias)[c];
    }
  }
  return n;
}

// With u the normalised row and g = dn * weight: dx = (g - mean(g) - u mean(g u)) / deviation
void normalise_backward(const SpatialGatingInputs& in, const Places& p, double epsilon, const Tensor& dn,
                        DefinedGatingGradients& into) {
  const auto count = static_cast<double>(p.channels);
  for (int64_t row = 0; row < dn.size(0); ++row) {
    const double *x = at(in.z) + row * p.columns + p.first, *d = at(dn) + row * p.channels;
    const auto [mean, inverse] = moments(x, p.channels, epsilon);
    double mean_g = 0, mean_gu = 0;
    for (int64_t c = 0; c < p.channels; ++c) {
      const double u = (x[c] - mean) * inverse, g = d[c] * at(in.norm_weight)[c];
      mean_g += g / count;
      mean_gu += g * u / count;
      at(into.norm_weight)[c] += d[c] * u;
      at(into.norm_bias)[c] += d[c];
    }
    for (int64_t c = 0; c < p.channels; ++c) {
      const double u = (x[c] - mean) * inverse;
      at(into.z)[row * p.columns + p.first + c] += inverse * (d[c] * at(in.norm_weight)[c] - mean_g - u * mean_gu);
    }
  }
}

double joined(Gate gate, double content, double g) {
  switch (gate) {
    case Gate::split:
    case Gate::multiplicative:
      return content * g;
    case Gate::additive:
      return content + g;
    case Gate::linear:
      break;
  }
  return g;
}

}  // namespace

DefinedGating defined_gating(const SpatialGatingInputs& in, const Segments& segments,
                             const SpatialGatingOptions& options) {
  const Places p(in, options);
  const Shape shape{in.z.size(0), p.channels};
  DefinedGating result{normalise(in, p, options.epsilon), Tensor::empty(shape, DType::float64),
                       Tensor::empty(shape, DType::float64)};
  record_tokens("N", segments, result.normalised);
  for_each_token(segments, [&](int, int64_t length, int64_t begin, int64_t i) {
    for (int64_t c = 0; c < p.channels; ++c) {
      const int64_t head = p.head_of(c), cell = (begin + i) * p.channels + c;
      double sum = at(in.bias)[head * p.positions + i] + (in.addend ? at(in.addend)[cell] : 0);
      for (int64_t j = 0; j < p.seen(i, length); ++j) {
        sum += at(in.weight)[p.weight(head, i, j)] * at(result.normalised)[(begin + j) * p.channels + c];
      }
      at(result.gate)[cell] = sum;
    }
  });
  record_tokens("G", segments, result.gate);
  for (int64_t row = 0; row < shape[0]; ++row) {
    for (int64_t c = 0; c < p.channels; ++c) {
      const int64_t cell = row * p.channels + c;
      at(result.out)[cell] = joined(p.gate, at(in.z)[row * p.columns + c], at(result.gate)[cell]);
    }
  }
  return result;
}

DefinedGatingGradients defined_gating_backward(const SpatialGatingInputs& in, const Segments& segments,
                                               const SpatialGatingOptions& options, const DefinedGating& forward,
                                               const Tensor& dout) {
  const Places p(in, options);
  const auto zeros_like = [](const Tensor& x) { return Tensor::zeros(x.shape(), DType::float64); };
  DefinedGatingGradients d{zeros_like(in.z),      zeros_like(in.norm_weight), zeros_like(in.norm_bias),
                           zeros_like(in.weight), zeros_like(in.bias),        zeros_like(forward.gate)};
  const bool multiplies = p.gate == Gate::split || p.gate == Gate::multiplicative;
  for (int64_t row = 0; row < dout.size(0); ++row) {
    for (int64_t c = 0; c < p.channels; ++c) {
      const int64_t cell = row * p.channels + c, content = row * p.columns + c;
      at(d.addend)[cell] = at(dout)[cell] * (multiplies ? at(in.z)[content] : 1);
      if (p.gate != Gate::linear) at(d.z)[content] = at(dout)[cell] * (multiplies ? at(forward.gate)[cell] : 1);
    }
  }
  record_tokens("dG", segments, d.addend);
  Tensor dn = zeros_like(forward.normalised);
  for_each_token(segments, [&](int, int64_t length, int64_t begin, int64_t i) {
    for (int64_t c = 0; c < p.channels; ++c) {
      const int64_t head = p.head_of(c);
      const double dg = at(d.addend)[(begin + i) * p.channels + c];
      at(d.bias)[head * p.positions + i] += dg;
      for (int64_t j = 0; j < p.seen(i, length); ++j) {
        const int64_t other = (begin + j) * p.channels + c, weight = p.weight(head, i, j);
        at(d.weight)[weight] += dg * at(forward.normalised)[other];
        at(dn)[other] += dg * at(in.weight)[weight];
      }
    }
  });
  record_tokens("dN", segments, dn);
  normalise_backward(in, p, options.epsilon, dn, d);
  return d;
}

}  // namespace attune::attention
