// lsh.h in float32, a block of a chunk's queries with its keys at a time, round after round. A row's sum and shift go
// on from round to round, so that merging rounds by log-sum-exp is what merging blocks is in attention; a row is
// divided by its sum in the end. Memory beside the results: two numbers a query and head, and for each thread a chunk's
// keys and what 64 of its queries have with them.
#include "attune/attention/lsh_block-inl.h"

namespace attune::attention::cpu {

namespace {

// Rows of the results; row of a token at position p: base + p.
struct Sums {
  Tensor out;           // [rows, heads, Dv], over the sums in the end
  Tensor shifts, sums;  // [heads, rows]
  float* at(Tensor& x, int64_t head, int64_t row) const { return x.pointer<float>() + head * x.size(1) + row; }
};

Sums begin_sums(int64_t rows, int64_t heads, int64_t values) {
  return {Tensor::zeros({rows, heads, values}), Tensor::full({heads, rows}, -infinity), Tensor::zeros({heads, rows})};
}

class Forward {
 public:
  Forward(const LshInputs& in, Sums& to) : to_(to), block_(in), mixed_(block, in.v.size(2)) {}

  void add(const LshItem& item, int round, int64_t base) {
    block_.load(item, round);
    const Written scores = block_.scores();
    products_(block_.queries().matrix(), block_.keys().transposed(), scores.matrix());
    float factors[block];  // of what rows have of earlier rounds
    float *const shifts = to_.at(to_.shifts, item.head, base), *const sums = to_.at(to_.sums, item.head, base);
    for (int64_t i = 0; i < item.count; ++i) {
      float &shift = shifts[block_.query(i)], &sum = sums[block_.query(i)];
      const float before = shift, added = lsh_weigh(block_.row(i), scores[i], shift);
      factors[i] = sum == 0 ? 0 : shift == before ? 1 : std::exp(before - shift);
      sum = sum * factors[i] + added;
    }
    const Written mixed = mixed_.rows(item.count);
    multiply_weights(scores, block_.values(), mixed, products_);
    over_rows(
        lsh_rows(to_.out, base, item.head), mixed.columns, item.count, [&](int64_t i) { return block_.query(i); },
        [&](int64_t i, float* out) { rescale_and_add(factors[i], mixed[i], out, mixed.columns); });
  }

 private:
  Sums& to_;
  LshBlock block_;
  Buffer mixed_;
  Products products_;
};

// Divides a row by its sum, which becomes its logarithm; v of a token that has seen nothing but itself.
void finish(Sums& to, int64_t head, int64_t row, const float* q, int64_t depth, const float* v) {
  const float sum = *to.at(to.sums, head, row);
  float& log_sum = *to.at(to.shifts, head, row);
  const int64_t values = to.out.size(2);
  float* out = lsh_rows(to.out, row, head)[0];
  if (sum != 0) {
    scale(1 / sum, out, values);
    log_sum += std::log(sum);
    return;
  }
  log_sum = infinity;
  if (cpu::all_finite(q, depth)) {
    std::copy_n(v, values, out);
  } else {
    std::fill_n(out, values, std::numeric_limits<float>::quiet_NaN());
  }
}

}  // namespace

LshForward lsh_forward(const Tensor& q, const Tensor& v, const LshOrder& order) {
  const LshInputs in{q, v, order};
  Sums sums = begin_sums(q.size(0), q.size(1), v.size(2));
  for (int round = 0; round < order.options().rounds; ++round) {
    over_items(
        runs_of(order, round), [&] { return Forward(in, sums); },
        [&](Forward& forward, const LshRun& run) {
          over_blocks(run, order.cut(run.sequence),
                      [&](const LshItem& item) { forward.add(item, round, order.segments().begin(run.sequence)); });
        });
  }
  over_heads(order, [&](int s, int64_t head) {
    const int64_t begin = order.segments().begin(s);
    const auto queries = lsh_rows(q, begin, head), values = lsh_rows(v, begin, head);
    for (int i = 0; i < order.segments().length(s); ++i) {
      finish(sums, head, begin + i, queries[i], q.size(2), values[i]);
    }
  });
  return {sums.out, sums.shifts};
}

Tensor lsh_last(const Tensor& q, const Tensor& v, const LshOrder& order) {
  const LshInputs in{q, v, order};
  const Segments& segments = order.segments();
  Sums sums = begin_sums(segments.count(), q.size(1), v.size(2));
  for (int s = 0; s < segments.count(); ++s) check(segments.length(s) > 0, "lsh_last: sequence ", s, " has no token");
  over_heads(order, [&](int s, int64_t head) {
    Forward forward(in, sums);
    const int64_t last = segments.length(s) - 1;
    const LshCut cut = order.cut(s);
    for (int round = 0; round < order.rounds(s); ++round) {
      const int64_t chunk = order.chunks(s, head, round)[last];
      const int32_t* sorted = order.positions(s, head, round) + cut.begin(chunk);
      const int64_t place = std::find(sorted, sorted + cut.length(chunk), last) - sorted;
      forward.add({s, head, chunk, place, 1}, round, s - last);
    }
    const int64_t row = segments.begin(s) + last;
    finish(sums, head, s, lsh_rows(q, row, head)[0], q.size(2), lsh_rows(v, row, head)[0]);
  });
  return sums.out;
}

}  // namespace attune::attention::cpu
