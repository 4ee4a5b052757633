// The equations of nystrom.h in matrices of one sequence and head, [landmarks, landmarks], in float64 as in float32.
// A round and its backward, with P = A Z, U = 7 I - P, V = 15 I - P U, T = 13 I - P V, Z_next = Z T / 4:
//   dT = Z' dZ_next / 4,  dV = -P' dT,  dU = -P' dV,  dP = -dT V' - dV U' - dU,  dA += dP Z',  dZ = dZ_next T' / 4 + A'
//   dP
#include "attune/attention/landmarks.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "attune/attention/feature_rows_cpu.h"
#include "attune/attention/products-inl.h"
#include "attune/autograd/recorder.h"
#include "attune/autograd/tape.h"
#include "attune/base/parallel.h"
#include "attune/base/profile.h"
#include "attune/ops/reshape.h"
#include "attune/ops/segment_reduce.h"

namespace attune::attention {

Segments landmark_segments(const Segments& segments, int count) {
  std::vector<int> lengths;
  for (int s = 0; s < segments.count(); ++s) lengths.push_back(std::min(count, segments.length(s)));
  return Segments::of_lengths(lengths);
}

Tensor landmark_means(const Tensor& x, const Segments& segments, const Segments& landmarks) {
  std::vector<int64_t> begins;
  std::vector<int> lengths;
  for (int s = 0; s < segments.count(); ++s) {
    const int64_t length = segments.length(s), count = landmarks.length(s);
    for (int64_t t = 0; t < count; ++t) {
      const int64_t begin = t * length / count, end = (t + 1) * length / count;
      begins.push_back(segments.begin(s) + begin);
      lengths.push_back(static_cast<int>(end - begin));
    }
  }
  const Segments stretches = Segments::at(std::move(begins), std::move(lengths), segments.rows());
  const Tensor means = segment_mean(reshape(x, {x.size(0), x.size(1) * x.size(2)}), stretches);
  return reshape(means, {landmarks.rows(), x.size(1), x.size(2)});
}

namespace {

void softmax_in_place(double* row, int64_t count, double scale) {
  const double largest = *std::max_element(row, row + count);
  double sum = 0;
  for (int64_t c = 0; c < count; ++c) sum += row[c] = std::exp(scale * (row[c] - largest));
  for (int64_t c = 0; c < count; ++c) row[c] /= sum;
}
void softmax_in_place(float* row, int64_t count, double scale) {
  cpu::exponentials(row, count, static_cast<float>(scale), 0);
  float sum = 0;
  for (int64_t c = 0; c < count; ++c) sum += row[c];
  cpu::scale(1 / sum, row, count);
}

void multiply(Products& products, const kernels::Matrix<const float>& a, const kernels::Matrix<const float>& b,
              const kernels::Matrix<float>& c, bool accumulate) {
  products(a, b, c, {.accumulate = accumulate});
}
void multiply(Products&, const kernels::Matrix<const double>& a, const kernels::Matrix<const double>& b,
              const kernels::Matrix<double>& c, bool accumulate) {
  kernels::product(a, b, c, nullptr, {.accumulate = accumulate});
}

// The matrices of one sequence and head; T: float or double.
template <class T>
class Inverse {
 public:
  // Where a recorder finds the matrices, and how many rounds there are.
  struct Place {
    int sequence, head, rounds;
    Recorder* recorder;
  };

  // q, k: the landmarks' rows [m, depth]
  Inverse(const Tensor& q, const Tensor& k, const Place& place)
      : m_(q.size(0)), scale_(1 / std::sqrt(static_cast<double>(q.size(1)))), place_(place) {
    a_ = times(q, k, Second::transposed);
    for (int64_t i = 0; i < m_; ++i) softmax_in_place(row(a_, i), m_, scale_);
    hand("A_m", a_);
  }

  // A+ y
  Tensor apply(const Tensor& y) { return times(iterated(nullptr), y); }

  struct Gradients {
    Tensor q, k, y;
  };
  Gradients backward(const Tensor& q, const Tensor& k, const Tensor& y, const Tensor& dout) {
    std::vector<Tensor> zs;
    const Tensor z = iterated(&zs);
    Tensor da = Tensor::zeros({m_, m_}, dtype_of<T>()), dz = times(dout, y, Second::transposed);
    for (size_t r = zs.size(); r > 0; --r) {
      hand("dZ_" + std::to_string(r), dz);
      dz = round_backward(zs[r - 1], dz, da);
    }
    hand("dZ_0", dz);
    start_backward(dz, da);
    hand("dA_m", da);
    softmax_backward(da);
    return {times(da, k), times(turned(da), q), times(turned(z), dout)};
  }

 private:
  enum class Second : uint8_t { plain, transposed };

  void hand(const std::string& name, Tensor& matrix) const {
    for (int64_t i = 0; place_.recorder != nullptr && i < m_; ++i) {
      record(place_.recorder, name, {place_.sequence, place_.head, i},
             std::span(row(matrix, i), static_cast<size_t>(m_)));
    }
  }

  static T* row(Tensor& x, int64_t r) { return x.pointer<T>() + r * x.columns(); }
  static const T* row(const Tensor& x, int64_t r) { return x.pointer<T>() + r * x.columns(); }

  void add_times(const Tensor& x, const Tensor& y, Second second, Tensor& to, bool accumulate) {
    multiply(products_, {x.pointer<T>(), x.size(0), x.size(1), x.size(1)},
             {y.pointer<T>(), y.size(0), y.size(1), y.size(1), second == Second::transposed},
             {to.pointer<T>(), to.size(0), to.size(1), to.size(1)}, accumulate);
  }
  Tensor times(const Tensor& x, const Tensor& y, Second second = Second::plain) {
    Tensor result = Tensor::empty({x.size(0), y.size(second == Second::plain ? 1 : 0)}, dtype_of<T>());
    add_times(x, y, second, result, false);
    return result;
  }
  static Tensor turned(const Tensor& x) {
    const int64_t rows = x.size(0), columns = x.size(1);
    Tensor result = Tensor::empty({columns, rows}, dtype_of<T>());
    const T* from = x.pointer<T>();
    T* to = result.pointer<T>();
    for (int64_t c = 0; c < columns; ++c) {
      for (int64_t r = 0; r < rows; ++r) to[c * rows + r] = from[r * columns + c];
    }
    return result;
  }
  // factor I - x
  static Tensor identity_minus(double factor, Tensor x) {
    const int64_t m = x.size(0);
    T* values = x.pointer<T>();
    for (int64_t e = 0; e < m * m; ++e) values[e] = T{0} - values[e];
    for (int64_t i = 0; i < m; ++i) values[i * m + i] += static_cast<T>(factor);
    return x;
  }
  static void scale(Tensor& x, double factor) {
    for (T& value : x.template data<T>()) value *= static_cast<T>(factor);
  }

  struct Start {
    int64_t column = 0;  // of A's largest sum
    T sum = 0;
  };
  Start start() const {
    std::vector<T> sums(static_cast<size_t>(m_));
    for (int64_t i = 0; i < m_; ++i) {
      const T* weights = row(a_, i);
      for (int64_t j = 0; j < m_; ++j) sums[static_cast<size_t>(j)] += weights[j];
    }
    const auto largest = std::max_element(sums.begin(), sums.end());
    return {largest - sums.begin(), *largest};
  }

  struct Round {
    Tensor p, u, v, t;
  };
  Round round(const Tensor& z) {
    Round at;
    at.p = times(a_, z);
    at.u = identity_minus(7, at.p.clone());
    at.v = identity_minus(15, times(at.p, at.u));
    at.t = identity_minus(13, times(at.p, at.v));
    return at;
  }

  // Z after all rounds; before: what each round began with, if wanted.
  Tensor iterated(std::vector<Tensor>* before) {
    Tensor z = turned(a_);
    scale(z, 1 / static_cast<double>(start().sum));
    hand("Z_0", z);
    for (int r = 1; r <= place_.rounds; ++r) {
      if (before != nullptr) before->push_back(z);
      z = times(z, round(z).t);
      scale(z, 0.25);
      hand("Z_" + std::to_string(r), z);
    }
    return z;
  }

  Tensor round_backward(const Tensor& z, Tensor dnext, Tensor& da) {
    scale(dnext, 0.25);
    const Round at = round(z);
    const Tensor p_turned = turned(at.p), dt = times(turned(z), dnext);
    Tensor dv = times(p_turned, dt);  // all but dP with the opposite sign
    scale(dv, -1);
    const Tensor minus_du = times(p_turned, dv);
    Tensor dp = times(dt, at.v, Second::transposed);
    add_times(dv, at.u, Second::transposed, dp, true);
    T* of_p = dp.template pointer<T>();
    const T* of_u = minus_du.template pointer<T>();
    for (int64_t e = 0; e < m_ * m_; ++e) of_p[e] = of_u[e] - of_p[e];
    add_times(dp, z, Second::transposed, da, true);
    Tensor dz = times(dnext, at.t, Second::transposed);
    add_times(turned(a_), dp, Second::plain, dz, true);
    return dz;
  }

  // Z_0 = A' / n, n the sum of A's column with the largest
  void start_backward(const Tensor& dz, Tensor& da) const {
    const Start at = start();
    T of_sum = 0;
    const Tensor dz_turned = turned(dz);
    for (int64_t i = 0; i < m_; ++i) {
      T* d = row(da, i);
      const T *weights = row(a_, i), *of_z = row(dz_turned, i);
      for (int64_t j = 0; j < m_; ++j) {
        d[j] += of_z[j] / at.sum;
        of_sum -= of_z[j] * weights[j] / (at.sum * at.sum);
      }
    }
    for (int64_t i = 0; i < m_; ++i) row(da, i)[at.column] += of_sum;
  }

  // da becomes the gradient of the unscaled scores.
  void softmax_backward(Tensor& da) const {
    for (int64_t i = 0; i < m_; ++i) {
      const T* weights = row(a_, i);
      T *d = row(da, i), mean = 0;
      for (int64_t j = 0; j < m_; ++j) mean += weights[j] * d[j];
      for (int64_t j = 0; j < m_; ++j) d[j] = weights[j] * (d[j] - mean) * static_cast<T>(scale_);
    }
  }

  int64_t m_;
  double scale_;
  Place place_;
  Tensor a_;
  Products products_;
};

struct Call {
  Tensor q, k, y;  // detached
  Segments landmarks;
  int rounds;
};

// The rows of one sequence and head, without gaps between them.
Tensor gathered(const Call& call, const Tensor& x, int s, int64_t head) {
  return x.rows_view(call.landmarks.begin(s), call.landmarks.length(s))
      .strided_view({call.landmarks.length(s), x.size(2)}, std::vector<int64_t>{x.stride(0), 1}, head * x.stride(1))
      .clone();
}
template <class T>
void scatter(const Call& call, const Tensor& from, Tensor& x, int s, int64_t head) {
  for (int64_t r = 0; r < from.size(0); ++r) {
    std::copy_n(from.pointer<T>() + r * x.size(2), x.size(2),
                x.pointer<T>() + (call.landmarks.begin(s) + r) * x.stride(0) + head * x.stride(1));
  }
}

// fn(sequence, head), several at a time
template <class Fn>
void over_heads(const Call& call, Fn&& fn) {
  parallel_items(call.landmarks.count() * call.q.size(1), [&](int64_t item) {
    const int s = static_cast<int>(item / call.q.size(1));
    if (call.landmarks.length(s) > 0) fn(s, item % call.q.size(1));
  });
}

template <class T>
Tensor solved(const Call& call) {
  Tensor out = Tensor::empty(call.y.shape(), dtype_of<T>());
  Recorder* const recorder = Recorder::current();
  over_heads(call, [&](int s, int64_t head) {
    Inverse<T> inverse(gathered(call, call.q, s, head), gathered(call, call.k, s, head),
                       {s, static_cast<int>(head), call.rounds, recorder});
    scatter<T>(call, inverse.apply(gathered(call, call.y, s, head)), out, s, head);
  });
  return out;
}

template <class T>
void solved_backward(const Call& call, const Tensor& dout, Adjoints& into) {
  Tensor dq = Tensor::empty(call.q.shape(), dtype_of<T>()), dk = Tensor::empty(call.k.shape(), dtype_of<T>()),
         dy = Tensor::empty(call.y.shape(), dtype_of<T>());
  Recorder* const recorder = Recorder::current();
  over_heads(call, [&](int s, int64_t head) {
    const Tensor q = gathered(call, call.q, s, head), k = gathered(call, call.k, s, head);
    Inverse<T> inverse(q, k, {s, static_cast<int>(head), call.rounds, recorder});
    const auto d = inverse.backward(q, k, gathered(call, call.y, s, head), gathered(call, dout, s, head));
    scatter<T>(call, d.q, dq, s, head);
    scatter<T>(call, d.k, dk, s, head);
    scatter<T>(call, d.y, dy, s, head);
  });
  into.add(0, std::move(dq));
  into.add(1, std::move(dk));
  into.add(2, std::move(dy));
}

}  // namespace

Tensor landmark_inverse(const Tensor& q, const Tensor& k, const Tensor& y, const Segments& landmarks, int rounds) {
  const ProfileScope scope("landmark_inverse");
  const Call call{detach(q), detach(k), detach(y), landmarks, rounds};
  return dispatch_floating(q.dtype(), [&](auto zero) {
    using T = decltype(zero);
    return differentiable("landmark_inverse", solved<T>(call), {q, k, y},
                          [call](const Tensor& dout, Adjoints& into) { solved_backward<T>(call, dout, into); });
  });
}

}  // namespace attune::attention
