// lsh.h in plain loops, float64: which keys a token sees, softmax over them, and the backward. The kernel is
// lsh_cpu.cpp.
#include "attune/attention/lsh.h"

#include <cmath>

#include "attune/attention/lsh_items.h"
#include "attune/autograd/recorder.h"
#include "attune/autograd/tape.h"
#include "attune/base/profile.h"

namespace attune::attention {

namespace {

class Definition {
 public:
  Definition(const Tensor& q, const Tensor& v, std::shared_ptr<const LshOrder> order)
      : q_(q.compact()), v_(v ? v.compact() : v), order_(std::move(order)), keys_(Tensor::zeros(q.shape(), q.dtype())) {
    for (int64_t r = 0; r < q_.rows(); ++r) {
      const double norm = this->norm(r);
      for (int64_t c = 0; c < depth(); ++c) row(keys_, r)[c] = norm == 0 ? row(q_, r)[c] : row(q_, r)[c] / norm;
    }
  }

  // What query i of a sequence and head sees: entry n of each list belongs to the token at position visible[n].
  struct Row {
    std::vector<int> visible;
    std::vector<double> dot, weight;  // q.k, P
  };

  Row row_of(int sequence, int64_t head, int64_t i) const {
    Row at;
    std::vector<double> times;  // w
    for (int64_t j = 0; j < (order_->options().causal ? i + 1 : length(sequence)); ++j) {
      const bool hidden = j == i && !order_->options().sees_itself;
      const int shown = hidden ? 0 : rounds_that_show(sequence, head, i, j);
      if (shown == 0) continue;
      at.visible.push_back(static_cast<int>(j));
      times.push_back(order_->options().count_once ? 1 : shown);
    }
    const bool alone = at.visible.empty();
    if (alone) at.visible.push_back(static_cast<int>(i)), times.push_back(1);
    double largest = -INFINITY, sum = 0;
    for (const int j : at.visible) {
      double dot = 0;
      for (int64_t c = 0; c < depth(); ++c) {
        dot += row(q_, index(sequence, head, i))[c] * row(keys_, index(sequence, head, j))[c];
      }
      at.dot.push_back(dot);
      largest = std::max(largest, dot);
    }
    record(Recorder::current(), "QK", {sequence, static_cast<int>(head), i, at.visible}, at.dot);
    for (size_t n = 0; n < at.dot.size(); ++n) {
      at.weight.push_back(times[n] * std::exp(at.dot[n] - largest));
      sum += at.weight[n];
    }
    for (double& weight : at.weight) weight /= sum;
    record(Recorder::current(), "P", {sequence, static_cast<int>(head), i, at.visible}, at.weight);
    return at;
  }

  Tensor forward() const {
    Tensor out = Tensor::zeros(v_.shape(), DType::float64);
    each_query([&](int sequence, int64_t head, int64_t i) {
      const Row at = row_of(sequence, head, i);
      for (size_t n = 0; n < at.visible.size(); ++n) {
        const double* v = row(v_, index(sequence, head, at.visible[n]));
        for (int64_t c = 0; c < v_.size(2); ++c) row(out, index(sequence, head, i))[c] += at.weight[n] * v[c];
      }
    });
    return out;
  }

  // dS = P (dP - sum P dP);  dq_i = sum_j dS_ij k_j + (dk_i - k_i (k_i.dk_i)) / |q_i|,  dk_j = sum_i dS_ij q_i
  cpu::LshGradients backward(const Tensor& dout) const {
    cpu::LshGradients d{Tensor::zeros(q_.shape(), DType::float64), Tensor::zeros(v_.shape(), DType::float64)};
    Tensor dk = Tensor::zeros(q_.shape(), DType::float64);
    each_query([&](int sequence, int64_t head, int64_t i) {
      const Row at = row_of(sequence, head, i);
      const int64_t query = index(sequence, head, i);
      std::vector<double> ds(at.visible.size());
      double mean = 0;
      for (size_t n = 0; n < ds.size(); ++n) {
        const int64_t key = index(sequence, head, at.visible[n]);
        for (int64_t c = 0; c < v_.size(2); ++c) {
          ds[n] += row(dout, query)[c] * row(v_, key)[c];
          row(d.v, key)[c] += at.weight[n] * row(dout, query)[c];
        }
        mean += at.weight[n] * ds[n];
      }
      record(Recorder::current(), "dP", {sequence, static_cast<int>(head), i, at.visible}, ds);
      for (size_t n = 0; n < ds.size(); ++n) {
        const int64_t key = index(sequence, head, at.visible[n]);
        ds[n] = at.weight[n] * (ds[n] - mean);
        for (int64_t c = 0; c < depth(); ++c) {
          row(d.q, query)[c] += ds[n] * row(keys_, key)[c];
          row(dk, key)[c] += ds[n] * row(q_, query)[c];
        }
      }
      record(Recorder::current(), "dS", {sequence, static_cast<int>(head), i, at.visible}, ds);
    });
    for (int64_t r = 0; r < q_.rows(); ++r) keys_backward(r, row(dk, r), row(d.q, r));
    return d;
  }

 private:
  // Rows count heads here: row r of head h is r * heads + h.
  static const double* row(const Tensor& x, int64_t r) { return x.pointer<double>() + r * x.columns(); }
  static double* row(Tensor& x, int64_t r) { return x.pointer<double>() + r * x.columns(); }
  int64_t index(int sequence, int64_t head, int64_t i) const {
    return (order_->segments().begin(sequence) + i) * q_.size(1) + head;
  }
  int64_t depth() const { return q_.size(2); }
  int length(int sequence) const { return order_->segments().length(sequence); }

  double norm(int64_t r) const {
    double square = 0;
    for (int64_t c = 0; c < depth(); ++c) square += row(q_, r)[c] * row(q_, r)[c];
    return std::sqrt(square);
  }

  int rounds_that_show(int sequence, int64_t head, int64_t i, int64_t j) const {
    int count = 0;
    for (int round = 0; round < order_->rounds(sequence); ++round) {
      const int32_t* chunks = order_->chunks(sequence, head, round);
      count += order_->cut(sequence).sees(chunks[i], chunks[j]) ? 1 : 0;
    }
    return count;
  }

  void keys_backward(int64_t r, const double* dk, double* dq) const {
    const double norm = this->norm(r);
    if (norm == 0) return;  // 0 is its own key, whichever way it goes
    double along = 0;
    for (int64_t c = 0; c < depth(); ++c) along += row(keys_, r)[c] * dk[c];
    for (int64_t c = 0; c < depth(); ++c) dq[c] += (dk[c] - row(keys_, r)[c] * along) / norm;
  }

  template <class Fn>
  void each_query(Fn&& fn) const {
    for (int s = 0; s < order_->segments().count(); ++s) {
      for (int64_t head = 0; head < q_.size(1); ++head) {
        for (int64_t i = 0; i < length(s); ++i) fn(s, head, i);
      }
    }
  }

  Tensor q_, v_;
  std::shared_ptr<const LshOrder> order_;
  Tensor keys_;
};

void check_call(const Tensor& q, const Tensor& v, const Segments& segments) {
  check(q.rank() == 3 && v.rank() == 3 && v.size(0) == q.size(0) && v.size(1) == q.size(1), "lsh: q ", q.shape(),
        ", v ", v.shape(), ", expected [rows, heads, depth], of the same tokens and heads");
  check(q.dtype() == v.dtype(), "lsh: q holds ", name_of(q.dtype()), ", v ", name_of(v.dtype()), ": expected one type");
  check(segments.rows() == q.size(0), "lsh: the segments cover ", segments.rows(), " rows, q has ", q.size(0));
}

}  // namespace

Tensor lsh(const Tensor& q, const Tensor& v, const Tensor& buckets, const Segments& segments,
           const LshOptions& options) {
  check_call(q, v, segments);
  check(segments.disjoint() || !recording({&q, &v}), "lsh: the backward needs disjoint segments");
  const ProfileScope scope("lsh");
  const auto order = std::make_shared<const LshOrder>(buckets, segments, q.size(1), options);
  if (q.dtype() == DType::float64) {
    const Definition defined(detach(q), detach(v), order);
    return differentiable("lsh", defined.forward(), {q, v}, [defined](const Tensor& dout, Adjoints& into) {
      cpu::LshGradients d = defined.backward(dout.compact());
      into.add(0, std::move(d.q));
      into.add(1, std::move(d.v));
    });
  }
  cpu::LshForward forward = cpu::lsh_forward(q, v, *order);
  const Tensor out = forward.out;
  forward.out = detach(out);
  return differentiable("lsh", out, {q, v},
                        [q = detach(q), v = detach(v), order, forward](const Tensor& dout, Adjoints& into) {
                          cpu::LshGradients d = cpu::lsh_backward(q, v, *order, forward, dout.compact());
                          into.add(0, std::move(d.q));
                          into.add(1, std::move(d.v));
                        });
}

Tensor lsh_last(const Tensor& q, const Tensor& v, const Tensor& buckets, const Segments& segments,
                const LshOptions& options) {
  check_call(q, v, segments);
  const ProfileScope scope("lsh_last");
  return cpu::lsh_last(q, v, LshOrder(buckets, segments, q.size(1), options));
}

Tensor lsh_weights(const Tensor& q, const Tensor& buckets, const Segments& segments, int sequence,
                   const LshOptions& options) {
  const int64_t heads = q.size(1), length = segments.length(sequence);
  const Definition defined(detach(q.to(DType::float64)), {},
                           std::make_shared<const LshOrder>(buckets, segments, heads, options));
  Tensor weights = Tensor::zeros({heads, length, length}, DType::float64);
  for (int64_t head = 0; head < heads; ++head) {
    for (int64_t i = 0; i < length; ++i) {
      const Definition::Row at = defined.row_of(sequence, head, i);
      for (size_t n = 0; n < at.visible.size(); ++n) {
        weights.pointer<double>()[(head * length + i) * length + at.visible[n]] = at.weight[n];
      }
    }
  }
  return weights;
}

}  // namespace attune::attention
