// The equation, row by row. For query i (aligned at key position p = i + keys - queries) of one sequence and head:
//   x_j = scale q_i . k_j      c_j = softcap tanh(x_j / softcap)      s_j = c_j + bias_j
//   P = normalise(s over the visible j)      W_j = keep_j P_j / (1 - rate)      out_i = sum_j W_j v_j
// Hidden keys are skipped, never multiplied by 0, so that what they hold cannot leak.
#include <cmath>
#include <limits>

#include "attune/attention/scaled_dot_relative.h"
#include "attune/attention/scaled_dot_terms.h"
#include "attune/autograd/recorder.h"
#include "attune/autograd/tape.h"
#include "attune/base/parallel.h"
#include "attune/base/profile.h"

namespace attune::attention {

namespace {

// Every bias is factor * value[index]; the same pair serves the gradient.
struct BiasTerm {
  int64_t index;
  double factor;
};

BiasTerm bias_term(const Options& options, int head, int i, int j, int64_t relative) {
  if (const auto* dense = std::get_if<DenseBias>(&options.bias)) {
    const Tensor& value = dense->value;
    const int64_t plane = value.size(0) == 1 ? 0 : head;
    return {(plane * value.size(1) + i) * value.size(2) + j, 1.0};
  }
  const RelativeTerm term = relative_term(options.bias, relative);
  return {head * numbers_per_head(options.bias) + term.index, term.factor};
}

// One query's quantities; entry n of each list belongs to key visible[n].
template <class T>
struct Row {
  std::vector<int> visible;
  std::vector<T> dot;              // q . k
  std::vector<T> capped, score;    // c, s
  std::vector<T> weight, dropped;  // P, W
  T denominator = 1;               // of relu_mean and relu_sum
  T log_sum_exp = 0;
};

template <class T>
class Definition {
 public:
  Definition(const Tensor& q, const Tensor& k, const Tensor& v, const Segments& queries, const Segments& keys,
             const Options& options, const Sizes& sizes)
      : q_(q),
        k_(k),
        v_(v),
        queries_(queries),
        keys_(keys),
        options_(options),
        sizes_(sizes),
        scale_(static_cast<T>(scale_of(options, sizes))),
        part_(RecordedPart::current()) {
    if (const Tensor* bias = bias_of(options_)) {
      bias_ = bias->compact();
    }
    if (options_.mask.allowed) {
      allowed_ = options_.mask.allowed.compact();
    }
  }

  double flops() const { return forward_flops(sizes_, queries_, keys_, options_.mask); }

  Row<T> row(int sequence, int head, int i, Recorder* recorder = nullptr) const {
    Row<T> row;
    scores(sequence, head, i, row);
    const RecordedRow at{sequence, head, i, row.visible, part_};
    record(recorder, "QK", at, row.dot);
    record(recorder, "S", at, row.score);
    normalise(row);
    record(recorder, "P", at, row.weight);
    row.dropped = row.weight;
    for (size_t n = 0; n < row.visible.size(); ++n) {
      row.dropped[n] *= kept(sequence, head, i, row.visible[n]);
    }
    return row;
  }

  void forward(Tensor& out, Tensor& log_sum_exp) const {
    Recorder* const recorder = Recorder::current();  // of this thread, which the loop's others know nothing of
    parallel_items(int64_t{queries_.count()} * sizes_.heads, [&](int64_t item) {
      const int sequence = static_cast<int>(item / sizes_.heads), head = static_cast<int>(item % sizes_.heads);
      for (int i = 0; i < queries_.length(sequence); ++i) {
        const Row<T> row = this->row(sequence, head, i, recorder);
        T* o = at(out, queries_.begin(sequence) + i, head);
        for (size_t n = 0; n < row.visible.size(); ++n) {
          const T* v = at(v_, keys_.begin(sequence) + row.visible[n], head / sizes_.group());
          for (int c = 0; c < sizes_.value_depth; ++c) {
            o[c] += row.dropped[n] * v[c];
          }
        }
        if (log_sum_exp) {
          log_sum_exp.data<T>()[(queries_.begin(sequence) + i) * sizes_.heads + head] = row.log_sum_exp;
        }
      }
    });
  }

  struct Outward {
    Tensor q, k, v, bias;  // gradients, added to; bias as compacted
  };

  // dout, dlse: gradients of the outputs, contiguous, possibly not given.
  void backward(const Tensor& dout, const Tensor& dlse, Outward& d) const {
    Recorder* const recorder = Recorder::current();
    // Heads of one group share keys; one plane of bias may be shared by all heads.
    const bool shared_bias = bias_ && bias_.size(0) == 1;
    const int together = shared_bias ? sizes_.heads : sizes_.group();
    parallel_items(sizes_.heads / together, [&](int64_t item) {
      for (int head = static_cast<int>(item) * together; head < static_cast<int>(item + 1) * together; ++head) {
        for (int sequence = 0; sequence < queries_.count(); ++sequence) {
          for (int i = 0; i < queries_.length(sequence); ++i) {
            backward_row({sequence, head, i}, recorder, dout, dlse, d);
          }
        }
      }
    });
  }

 private:
  template <class Handle>
  static auto* at(Handle& x, int64_t row, int head) {
    return x.template pointer<T>() + row * x.stride(0) + head * x.stride(1);
  }

  bool allowed(int sequence, int head, int i, int j) const {
    if (options_.mask.pattern) {
      const int keys = keys_.length(sequence), position = i + keys - queries_.length(sequence);
      if (!may_see(*options_.mask.pattern, {sequence, head, position, j, keys})) return false;
    }
    if (!allowed_) {
      return true;
    }
    const int64_t plane = allowed_.size(0) == 1 ? 0 : head;
    return allowed_.data<bool>()[(plane * allowed_.size(1) + i) * allowed_.size(2) + j];
  }

  T kept(int sequence, int head, int i, int j) const {
    const Dropout& dropout = options_.dropout;
    if (!drops(dropout)) {
      return 1;
    }
    const uint64_t key = dropout_key(*dropout.rng, sequence, head, i);
    return dropout_bits(key, static_cast<uint32_t>(j)) < drop_below(dropout.rate) ? T{0} : T(1 / (1 - dropout.rate));
  }

  int64_t relative(int sequence, int i, int j) const {
    return int64_t{j} - (int64_t{i} + keys_.length(sequence) - queries_.length(sequence));
  }

  void scores(int sequence, int head, int i, Row<T>& row) const {
    const T* q = at(q_, queries_.begin(sequence) + i, head);
    const auto softcap = static_cast<T>(options_.softcap);
    const auto [begin, end] = visible_keys(options_.mask, i, queries_.length(sequence), keys_.length(sequence));
    for (int j = begin; j < end; ++j) {
      if (!allowed(sequence, head, i, j)) {
        continue;
      }
      T bias = 0;
      if (bias_) {
        const BiasTerm term = bias_term(options_, head, i, j, relative(sequence, i, j));
        bias = static_cast<T>(term.factor) * bias_.data<T>()[static_cast<size_t>(term.index)];
        if (bias == -std::numeric_limits<T>::infinity()) {
          continue;
        }
      }
      const T* k = at(k_, keys_.begin(sequence) + j, head / sizes_.group());
      T dot = 0;
      for (int c = 0; c < sizes_.depth; ++c) {
        dot += q[c] * k[c];
      }
      const T x = scale_ * dot;
      row.visible.push_back(j);
      row.dot.push_back(dot);
      row.capped.push_back(softcap > 0 ? softcap * std::tanh(x / softcap) : x);
      row.score.push_back(row.capped.back() + bias);
    }
  }

  void normalise(Row<T>& row) const {
    row.weight = row.score;
    switch (options_.normaliser) {
      case Normaliser::softmax:
        return softmax(row);
      case Normaliser::sigmoid:
        for (T& p : row.weight) p = 1 / (1 + std::exp(-p));
        return;
      case Normaliser::relu:
      case Normaliser::relu_mean:
      case Normaliser::relu_sum:
        break;
    }
    T sum = 0;
    for (T& p : row.weight) {
      p = p < 0 ? T{0} : p;  // NaN stays
      sum += p;
    }
    if (options_.normaliser == Normaliser::relu_mean) row.denominator = static_cast<T>(row.visible.size());
    if (options_.normaliser == Normaliser::relu_sum) row.denominator = sum + static_cast<T>(1e-6);
    for (T& p : row.weight) p /= row.denominator;
  }

  void softmax(Row<T>& row) const {
    constexpr T infinity = std::numeric_limits<T>::infinity();
    T largest = -infinity, sum = 0;
    for (T s : row.score) largest = std::max(largest, s);
    for (T& p : row.weight) {
      p = std::exp(p - largest);
      sum += p;
    }
    for (T& p : row.weight) p /= sum;
    row.log_sum_exp = row.visible.empty() ? -infinity : largest + std::log(sum);
  }

  // dP -> ds, in place. The softmax Jacobian is diag(P) - P P^T; relu is flat below 0.
  void normalise_backward(const Row<T>& row, T dlse, std::vector<T>& d) const {
    T r = 0;
    for (size_t n = 0; n < d.size(); ++n) r += d[n] * row.weight[n];
    for (size_t n = 0; n < d.size(); ++n) {
      const T p = row.weight[n];
      const bool rising = !(row.score[n] <= 0);
      switch (options_.normaliser) {
        case Normaliser::softmax:
          d[n] = p * (d[n] - r + dlse);
          break;  // d log_sum_exp / d s_j = P_j
        case Normaliser::relu:
        case Normaliser::relu_mean:
          d[n] = rising ? d[n] / row.denominator : T{0};
          break;
        case Normaliser::relu_sum:
          d[n] = rising ? (d[n] - r) / row.denominator : T{0};
          break;
        case Normaliser::sigmoid:
          d[n] *= p * (1 - p);
          break;
      }
    }
  }

  struct Query {
    int sequence, head, i;
  };

  void backward_row(const Query& at_query, Recorder* recorder, const Tensor& dout, const Tensor& dlse,
                    Outward& d) const {
    const auto [sequence, head, i] = at_query;
    const Row<T> row = this->row(sequence, head, i);
    const int64_t query = queries_.begin(sequence) + i;
    const int kv_head = head / sizes_.group();
    std::vector<T> ds(row.visible.size(), T{0});
    if (dout) {
      const T* dy = at(dout, query, head);
      for (size_t n = 0; n < ds.size(); ++n) {  // dW_j = dout . v_j, dv_j += W_j dout, dP_j = keep_j dW_j / (1 - rate)
        const int64_t key = keys_.begin(sequence) + row.visible[n];
        const T* v = at(v_, key, kv_head);
        T* dv = at(d.v, key, kv_head);
        for (int c = 0; c < sizes_.value_depth; ++c) {
          ds[n] += dy[c] * v[c];
          dv[c] += row.dropped[n] * dy[c];
        }
        ds[n] *= kept(sequence, head, i, row.visible[n]);
      }
    }
    const RecordedRow at_row{sequence, head, i, row.visible, part_};
    record(recorder, "dP", at_row, ds);
    normalise_backward(row, dlse ? dlse.data<T>()[query * sizes_.heads + head] : T{0}, ds);
    record(recorder, "dS", at_row, ds);
    const T* q = at(q_, query, head);
    T* dq = at(d.q, query, head);
    const auto softcap = static_cast<T>(options_.softcap);
    for (size_t n = 0; n < ds.size(); ++n) {
      const int j = row.visible[n];
      if (d.bias) {
        const BiasTerm term = bias_term(options_, head, i, j, relative(sequence, i, j));
        d.bias.template data<T>()[static_cast<size_t>(term.index)] += static_cast<T>(term.factor) * ds[n];
      }
      const T t = softcap > 0 ? row.capped[n] / softcap : T{0};
      const T dx = scale_ * (ds[n] * (1 - t * t));
      const T* k = at(k_, keys_.begin(sequence) + j, kv_head);
      T* dk = at(d.k, keys_.begin(sequence) + j, kv_head);
      for (int c = 0; c < sizes_.depth; ++c) {
        dq[c] += dx * k[c];
        dk[c] += dx * q[c];
      }
    }
  }

  Tensor q_, k_, v_;
  Segments queries_, keys_;
  Options options_;
  Sizes sizes_;
  T scale_;
  std::string part_;  // of what it is a call, for a recorder
  Tensor bias_, allowed_;
};

template <class T>
Attended define(const Tensor& q, const Tensor& k, const Tensor& v, const Segments& queries, const Segments& keys,
                const Options& options, const Sizes& sizes) {
  const Definition<T> definition(detach(q), detach(k), detach(v), queries, keys, options, sizes);
  if (ProfileScope::recording()) {
    ProfileScope::count(definition.flops(), 0);
  }
  std::vector<Tensor> ys{Tensor::zeros({sizes.query_rows, sizes.heads, sizes.value_depth}, q.dtype())};
  Tensor log_sum_exp;
  if (options.normaliser == Normaliser::softmax) {
    log_sum_exp = Tensor::full({sizes.query_rows, sizes.heads}, -INFINITY, q.dtype());
    ys.push_back(log_sum_exp);
  }
  definition.forward(ys[0], log_sum_exp);
  std::vector<Tensor> inputs{q, k, v};
  const Tensor* bias = bias_of(options);
  if (bias != nullptr) {
    inputs.push_back(*bias);
  }
  const auto shapes = std::vector{q.shape(), k.shape(), v.shape(), bias != nullptr ? bias->shape() : Shape()};
  ys = differentiable("scaled_dot_definition", std::move(ys), std::move(inputs),
                      [definition, shapes, dtype = q.dtype(), disjoint = keys.disjoint(), biased = bias != nullptr](
                          std::span<const Tensor> dys, Adjoints& into) {
                        if (ProfileScope::recording()) {
                          ProfileScope::count(backward_per_forward * definition.flops(), 0);
                        }
                        check(disjoint, "scaled_dot: key segments overlap; the backward needs disjoint ones");
                        typename Definition<T>::Outward d{
                            Tensor::zeros(shapes[0], dtype), Tensor::zeros(shapes[1], dtype),
                            Tensor::zeros(shapes[2], dtype), biased ? Tensor::zeros(shapes[3], dtype) : Tensor()};
                        definition.backward(dys[0] ? dys[0].compact() : Tensor(),
                                            dys.size() > 1 && dys[1] ? dys[1].compact() : Tensor(), d);
                        into.add(0, d.q);
                        into.add(1, d.k);
                        into.add(2, d.v);
                        if (biased) {
                          into.add(3, d.bias);
                        }
                      });
  return {ys[0], ys.size() > 1 ? ys[1] : Tensor()};
}

}  // namespace

Attended scaled_dot_definition(const Tensor& q, const Tensor& k, const Tensor& v, const Segments& queries,
                               const Segments& keys, const Options& options) {
  const Sizes sizes = checked_sizes(q, k, v, queries, keys, options);
  const ProfileScope scope("scaled_dot_definition");
  return dispatch_floating(q.dtype(),
                           [&](auto zero) { return define<decltype(zero)>(q, k, v, queries, keys, options, sizes); });
}

Tensor scaled_dot_weights(const Tensor& q, const Tensor& k, const Segments& queries, const Segments& keys, int sequence,
                          const Options& options, std::span<const int> heads) {
  const Sizes sizes = checked_sizes(q, k, k, queries, keys, options);
  std::vector<int> chosen(heads.begin(), heads.end());
  for (int head = 0; heads.empty() && head < sizes.heads; ++head) chosen.push_back(head);
  for (const int head : chosen) {
    check(head >= 0 && head < sizes.heads, "scaled_dot_weights: head ", head, ", expected 0 to ", sizes.heads - 1);
  }
  check(sequence >= 0 && sequence < queries.count(), "scaled_dot_weights: sequence ", sequence, " of ",
        queries.count());
  return dispatch_floating(q.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const Definition<T> definition(q, k, k, queries, keys, options, sizes);
    const int rows = queries.length(sequence), columns = keys.length(sequence);
    Tensor weights = Tensor::zeros({static_cast<int64_t>(chosen.size()), rows, columns}, q.dtype());
    T* p = weights.pointer<T>();
    for (const int head : chosen) {
      for (int i = 0; i < rows; ++i, p += columns) {
        const Row<T> row = definition.row(sequence, head, i);
        for (size_t n = 0; n < row.visible.size(); ++n) {
          p[row.visible[n]] = row.weight[n];
        }
      }
    }
    return weights;
  });
}

}  // namespace attune::attention
