// lsh.h in float32, a block of a chunk's queries with its keys at a time, round after round. A row's sum and shift go
// on from round to round, so that merging rounds by log-sum-exp is what merging blocks is in attention; a row is
// divided by its sum in the end. Memory beside the results: two numbers a query and head, and for each thread a chunk's
// keys and what 64 of its queries have with them.
#include "attune/attention/lsh_block-inl.h"

namespace attune::attention::cpu {

namespace {

// Rows of the results; row of an item's token at position p: base + p.
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
    factors_.resize(static_cast<size_t>(item.count));
    for (int64_t i = 0; i < item.count; ++i) {
      const int64_t row = base + block_.query(i);
      float &shift = *to_.at(to_.shifts, item.head, row), &sum = *to_.at(to_.sums, item.head, row);
      const float before = shift, added = lsh_weigh(block_.row(i), scores[i], shift);
      // Of what it saw in earlier rounds, if anything.
      const float factor = sum == 0 ? 0 : shift == before ? 1 : std::exp(before - shift);
      factors_[static_cast<size_t>(i)] = factor;
      sum = sum * factor + added;
    }
    const Written mixed = mixed_.rows(item.count);
    multiply_weights(scores, block_.values(), mixed, products_);
    for (int64_t i = 0; i < item.count; ++i) {
      float* out = rows_of(to_.out, static_cast<int>(item.head), base + block_.query(i), 1)[0];
      scale(factors_[static_cast<size_t>(i)], out, mixed.columns);
      add_scaled(1, mixed[i], out, mixed.columns);
    }
  }

 private:
  Sums& to_;
  LshBlock block_;
  Buffer mixed_;
  Products products_;
  std::vector<float> factors_;
};

// Divides a row by its sum, which becomes its logarithm; v of a token that has seen nothing but itself.
void finish(Sums& to, int64_t head, int64_t row, const float* q, int64_t depth, const float* v) {
  const float sum = *to.at(to.sums, head, row);
  float& log_sum = *to.at(to.shifts, head, row);
  const Written out = rows_of(to.out, static_cast<int>(head), row, 1);
  if (sum != 0) {
    scale(1 / sum, out[0], out.columns);
    log_sum += std::log(sum);
    return;
  }
  log_sum = infinity;
  if (cpu::all_finite(q, depth)) {
    std::copy_n(v, out.columns, out[0]);
  } else {
    std::fill_n(out[0], out.columns, std::numeric_limits<float>::quiet_NaN());
  }
}

}  // namespace

LshForward lsh_forward(const Tensor& q, const Tensor& v, const LshOrder& order) {
  const LshInputs in{q, v, order};
  Sums sums = begin_sums(q.size(0), q.size(1), v.size(2));
  for (int round = 0; round < order.options().rounds; ++round) {
    const auto any = [](const LshCut&, int64_t) { return true; };
    over_items(
        in_blocks(chunks_of(order, round, any)), [&] { return Forward(in, sums); },
        [&](Forward& forward, const LshItem& item) {
          forward.add(item, round, order.segments().begin(item.sequence));
        });
  }
  over_tokens(order, [&](const LshItem& item, int32_t i) {
    finish(sums, item.head, order.segments().begin(item.sequence) + i, in.at(q, item, i), q.size(2), in.at(v, item, i));
  });
  return {sums.out, sums.shifts};
}

Tensor lsh_last(const Tensor& q, const Tensor& v, const LshOrder& order) {
  const LshInputs in{q, v, order};
  const Segments& segments = order.segments();
  Sums sums = begin_sums(segments.count(), q.size(1), v.size(2));
  std::vector<LshItem> heads;
  for (int s = 0; s < segments.count(); ++s) {
    check(segments.length(s) > 0, "lsh_last: sequence ", s, " has no token");
    for (int64_t head = 0; head < q.size(1); ++head) heads.push_back({s, head, 0, 0, 1});
  }
  over_items(
      heads, [&] { return Forward(in, sums); },
      [&](Forward& forward, const LshItem& of) {
        const int32_t last = segments.length(of.sequence) - 1;
        const LshCut cut = order.cut(of.sequence);
        for (int round = 0; round < order.rounds(of.sequence); ++round) {
          const int64_t chunk = order.chunks(of.sequence, of.head, round)[last];
          const int32_t* sorted = order.positions(of.sequence, of.head, round) + cut.begin(chunk);
          const LshItem item{of.sequence, of.head, chunk, std::find(sorted, sorted + cut.length(chunk), last) - sorted,
                             1};
          forward.add(item, round, int64_t{of.sequence} - last);
        }
        finish(sums, of.head, of.sequence, in.at(q, of, last), q.size(2), in.at(v, of, last));
      });
  return sums.out;
}

}  // namespace attune::attention::cpu
