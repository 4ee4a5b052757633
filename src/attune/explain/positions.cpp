// Sinusoidal positions (Vaswani 2017, section 3.5), and why they were chosen: a step to the next position is the same
// rotation everywhere.
#include "attune/nn/positions.h"

#include <fmt/format.h>

#include <cmath>
#include <numbers>

#include "attune/base/option_checks.h"
#include "attune/explain/topics.h"
#include "attune/ops/arithmetic.h"
#include "attune/ops/matmul.h"

namespace attune::explain {

namespace {

// Where the sine and the cosine of frequency i stand.
struct Columns {
  int64_t sine, cosine;
};
Columns columns_of(PositionKind kind, int64_t i, int64_t width) {
  return kind == PositionKind::sinusoidal ? Columns{2 * i, 2 * i + 1} : Columns{i, width / 2 + i};
}

struct Table {
  PositionKind kind;
  int64_t width;
  Tensor values;  // [length, width]

  double sine(int64_t i) const { return values.at(width + columns_of(kind, i, width).sine); }  // at position 1
  double cosine(int64_t i) const { return values.at(width + columns_of(kind, i, width).cosine); }
};

// The angle between two positions next to one another, and the positions until it is whole; [2, width / 2].
Tensor frequencies(const Table& table) {
  const int64_t half = table.width / 2;
  Tensor result = Tensor::empty({2, half}, DType::float64);
  for (int64_t i = 0; i < half; ++i) {
    const double angle = std::atan2(table.sine(i), table.cosine(i));
    result.data<double>()[static_cast<size_t>(i)] = angle;
    result.data<double>()[static_cast<size_t>(half + i)] = 2 * std::numbers::pi / angle;
  }
  return result;
}

Tensor rotation(const Table& table) {
  Tensor result = Tensor::zeros({table.width, table.width}, DType::float64);
  const auto set = [&](int64_t row, int64_t column, double value) {
    result.data<double>()[static_cast<size_t>(row * table.width + column)] = value;
  };
  for (int64_t i = 0; i < table.width / 2; ++i) {
    const auto [sine, cosine] = columns_of(table.kind, i, table.width);
    set(sine, sine, table.cosine(i));
    set(cosine, sine, table.sine(i));
    set(sine, cosine, -table.sine(i));
    set(cosine, cosine, table.cosine(i));
  }
  return result;
}

}  // namespace

Explanation explain_positions(const PositionsOptions& options) {
  check_whole("length", options.length, {2, 1024});
  check_whole("width", options.width, {2, 1024});
  check_usage(options.width % 2 == 0, "width: expected an even number, got ", options.width);
  const PositionKind kind = position_kind_of_name(options.positions);
  check_usage(kind != PositionKind::none && kind != PositionKind::learned, "positions: ", options.positions,
              " has no numbers before training, expected one of the other kinds");
  if (stands_in_attention(kind)) {
    return explain_attention_positions(options);
  }
  check_usage(kind != PositionKind::sinusoidal_tensor2tensor || options.width >= 4,
              "width: expected at least 4 for sinusoidal_tensor2tensor, got ", options.width);
  const Table table{kind, options.width, sinusoidal_table(kind, options.length, options.width)};
  Labels places, pairs, dimensions;
  for (int p = 0; p < options.length; ++p) places.rows.push_back(std::to_string(p));
  places.columns.resize(static_cast<size_t>(options.width));
  for (int64_t i = 0; i < options.width / 2; ++i) {
    const auto [sine, cosine] = columns_of(kind, i, options.width);
    places.columns[static_cast<size_t>(sine)] = fmt::format("sin {}", i);
    places.columns[static_cast<size_t>(cosine)] = fmt::format("cos {}", i);
    pairs.columns.push_back(std::to_string(i));
  }
  dimensions.rows = dimensions.columns = places.columns;
  const Tensor& pe = table.values;
  const Tensor turn = rotation(table), both = frequencies(table);
  const Tensor moved = matmul(pe.rows_view(0, options.length - 1).compact(), turn);
  const bool t2t = kind == PositionKind::sinusoidal_tensor2tensor;
  Section section{"section.positions", {}};
  const auto add = [&](Step step) {
    step.all_rows = true;
    section.steps.push_back(std::move(step));
  };
  add({.name = "omega",
       .equation = t2t ? "omega_i = 10000^(-i / (d/2 - 1))" : "omega_i = 10000^(-2i / d)",
       .text = "positions.omega",
       .value = both.rows_view(0, 1).compact(),
       .labels = pairs});
  add({.name = "wavelength",
       .equation = "2 pi / omega_i",
       .text = "positions.wavelength",
       .value = both.rows_view(1, 1).compact(),
       .labels = pairs});
  add({.name = "PE",
       .equation = "PE_p = (sin(p omega_i), cos(p omega_i))",
       .text = "positions.PE",
       .value = pe,
       .labels = places});
  add({.name = "PE PE'",
       .equation = "{PE PE'}",
       .text = "positions.dot",
       .value = matmul(pe, pe, {.transpose_b = true}),
       .labels = {places.rows, places.rows}});
  add({.name = "R", .equation = "{PE_p R} = PE_(p+1)", .text = "positions.R", .value = turn, .labels = dimensions});
  Labels later = places;
  later.rows.erase(later.rows.begin());
  add({.name = "difference",
       .equation = "PE_(p+1) - {PE_p R}",
       .text = "positions.difference",
       .value = subtract(pe.rows_view(1, options.length - 1).compact(), moved),
       .labels = later});
  return {"title.positions", "positions.introduction", {}, {section}};
}

}  // namespace attune::explain
