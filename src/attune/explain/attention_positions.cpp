// Positions inside attention, in numbers: what rotary does to queries and keys, and what ALiBi, T5's buckets and a
// number per offset add to the scores.
#include "attune/nn/attention_positions.h"

#include <fmt/format.h>

#include <cmath>
#include <functional>
#include <numbers>

#include "attune/attention/scaled_dot_relative.h"
#include "attune/base/option_checks.h"
#include "attune/explain/topics.h"
#include "attune/ops/arithmetic.h"
#include "attune/ops/matmul.h"
#include "attune/ops/rotary.h"

namespace attune::explain {

namespace {

Labels counted(int64_t rows, int64_t columns) {
  Labels labels;
  for (int64_t i = 0; i < rows; ++i) labels.rows.push_back(std::to_string(i));
  for (int64_t i = 0; i < columns; ++i) labels.columns.push_back(std::to_string(i));
  return labels;
}

// [rows, columns] of value(row, column)
Tensor table_of(int64_t rows, int64_t columns, const std::function<double(int64_t, int64_t)>& value) {
  Tensor result = Tensor::empty({rows, columns}, DType::float64);
  for (int64_t i = 0; i < rows * columns; ++i) {
    result.data<double>()[static_cast<size_t>(i)] = value(i / columns, i % columns);
  }
  return result;
}

// ---- Rotary ---------------------------------------------------------------------------------------------------------

// Rows of x [rows, width], turned to the places first, first + 1, ..., or all to the place first.
Tensor turned(const Tensor& x, int32_t first, int32_t step, RotaryPairs pairs) {
  std::vector<int32_t> at;
  for (int32_t row = 0; row < x.size(0); ++row) at.push_back(first + step * row);
  return rotary(x.viewed({x.size(0), 1, x.size(1)}), at, pairs).viewed(x.shape());
}

void add_rotary(std::vector<Step>& steps, const PositionsOptions& options, RotaryPairs pairs) {
  const int64_t half = options.width / 2;
  Labels places = counted(options.length, options.width);
  for (int64_t i = 0; i < half; ++i) {
    const bool halves = pairs == RotaryPairs::halves;
    places.columns[static_cast<size_t>(halves ? i : 2 * i)] = fmt::format("x {}", i);
    places.columns[static_cast<size_t>(halves ? half + i : 2 * i + 1)] = fmt::format("y {}", i);
  }
  const Tensor ones = Tensor::full({options.length, options.width}, 1, DType::float64);
  const Tensor identity =
      table_of(options.width, options.width, [](int64_t i, int64_t j) { return i == j ? 1.0 : 0.0; });
  const Tensor q = turned(ones, 0, 1, pairs), turn = turned(identity, 1, 0, pairs);
  const Tensor moved = matmul(q.rows_view(0, options.length - 1).compact(), turn);
  const auto omega = [&](int64_t, int64_t i) { return rotary_frequency(i, options.width); };
  steps.push_back({.name = "omega",
                   .equation = "omega_i = 10000^(-2i / d)",
                   .text = "positions.omega",
                   .value = table_of(1, half, omega),
                   .labels = {{}, counted(0, half).columns}});
  steps.push_back({.name = "wavelength",
                   .equation = "2 pi / omega_i",
                   .text = "positions.wavelength",
                   .value = table_of(1, half, [&](int64_t, int64_t i) { return 2 * std::numbers::pi / omega(0, i); }),
                   .labels = {{}, counted(0, half).columns}});
  steps.push_back({.name = "Q",
                   .equation = "(x cos(p omega) - y sin(p omega), x sin(p omega) + y cos(p omega))",
                   .text = "rotary.Q",
                   .value = q,
                   .labels = places});
  steps.push_back({.name = "Q Q'",
                   .equation = "{Q Q'}",
                   .text = "positions.dot",
                   .value = matmul(q, q, {.transpose_b = true}),
                   .labels = {places.rows, places.rows}});
  steps.push_back({.name = "R",
                   .equation = "{Q_p R} = Q_(p+1)",
                   .text = "positions.R",
                   .value = turn,
                   .labels = {places.columns, places.columns}});
  places.rows.erase(places.rows.begin());
  steps.push_back({.name = "difference",
                   .equation = "Q_(p+1) - {Q_p R}",
                   .text = "positions.difference",
                   .value = subtract(q.rows_view(1, options.length - 1).compact(), moved),
                   .labels = places});
}

// ---- Biases ---------------------------------------------------------------------------------------------------------

void add_alibi(std::vector<Step>& steps, const PositionsOptions& options) {
  const int64_t n = options.length;
  Labels heads;
  for (int h = 1; h <= options.heads; ++h) heads.columns.push_back(std::to_string(h));
  Tensor biases = Tensor::empty({options.heads, n, n}, DType::float64);
  for (int64_t at = 0; at < biases.elements(); ++at) {
    const attention::RelativeTerm term = attention::relative_term(attention::Slopes{}, at % n - at / n % n);
    biases.data<double>()[static_cast<size_t>(at)] =
        term.factor * alibi_slope(static_cast<int>(at / (n * n)), options.heads);
  }
  steps.push_back(
      {.name = "slopes",
       .equation = "m_h = 2^(-8h / H)",
       .text = "alibi.slopes",
       .value = table_of(1, options.heads,
                         [&](int64_t, int64_t h) { return alibi_slope(static_cast<int>(h), options.heads); }),
       .labels = heads});
  steps.push_back(
      {.name = "B", .equation = "-m_h |i - j|", .text = "alibi.bias", .value = biases, .labels = counted(n, n)});
}

// Which number of a head's table every query and key get; where a decoder does not look, NaN.
Tensor chosen(const attention::Bias& bias, int length, bool causal) {
  return table_of(length, length, [&](int64_t i, int64_t j) {
    return causal && j > i ? NAN : static_cast<double>(attention::relative_term(bias, j - i).index);
  });
}

// The first distance, towards the past, of each of `count` buckets, eight a row.
Tensor first_distances(const attention::Bias& bias, int64_t count) {
  Tensor first = Tensor::zeros({count / 8, 8}, DType::float64);
  for (int64_t distance = relative_reach; distance >= 0; --distance) {
    first.data<double>()[static_cast<size_t>(attention::relative_term(bias, -distance).index)] =
        static_cast<double>(distance);
  }
  return first;
}

void add_buckets(std::vector<Step>& steps, const PositionsOptions& options) {
  for (const bool causal : {false, true}) {
    const attention::Buckets bias{Tensor::declared({1, relative_buckets}), relative_reach, !causal};
    const std::string side = causal ? "decoder" : "encoder";
    const int64_t count = causal ? relative_buckets : relative_buckets / 2;
    Labels eights;
    for (int64_t i = 0; i < count; i += 8) eights.rows.push_back(std::to_string(i));
    for (int i = 0; i < 8; ++i) eights.columns.push_back(fmt::format("+{}", i));
    steps.push_back({.name = "first." + side,
                     .equation = "min |i - j|",
                     .text = "relative.first." + side,
                     .value = first_distances(bias, count),
                     .labels = eights});
    steps.push_back({.name = "bucket." + side,
                     .equation = "b(j - i)",
                     .text = "relative." + side,
                     .value = chosen(bias, options.length, causal),
                     .labels = counted(options.length, options.length)});
  }
}

void add_offsets(std::vector<Step>& steps, const PositionsOptions& options) {
  const int n = options.max_positions;
  for (const bool causal : {false, true}) {
    const attention::Offsets bias{Tensor::declared({1, causal ? n : 2 * n - 1}), !causal};
    steps.push_back({.name = causal ? "decoder" : "encoder",
                     .equation = causal ? "min(i - j, n - 1)" : "min(max(j - i + n - 1, 0), 2n - 2)",
                     .text = causal ? "offsets.decoder" : "offsets.encoder",
                     .arguments = {std::to_string(causal ? n : 2 * n - 1)},
                     .value = chosen(bias, options.length, causal),
                     .labels = counted(options.length, options.length)});
  }
}

}  // namespace

Explanation explain_attention_positions(const PositionsOptions& options) {
  check_whole("heads", options.heads, {1, 64});
  check_whole("max-positions", options.max_positions, {1, 1024});
  Section section{"section.positions", {}};
  switch (position_kind_of_name(options.positions)) {
    case PositionKind::relative:
      add_buckets(section.steps, options);
      break;
    case PositionKind::relative_offset:
      add_offsets(section.steps, options);
      break;
    case PositionKind::alibi:
      add_alibi(section.steps, options);
      break;
    case PositionKind::rotary:
      add_rotary(section.steps, options, RotaryPairs::interleaved);
      break;
    default:
      add_rotary(section.steps, options, RotaryPairs::halves);
  }
  for (Step& step : section.steps) step.all_rows = true;
  return {"title.attention_positions", "attention_positions.introduction", {}, {section}};
}

}  // namespace attune::explain
