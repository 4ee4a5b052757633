#include <cmath>
#include <numeric>
#include <vector>

#include "attune/base/option_checks.h"
#include "attune/base/profile.h"
#include "attune/nn/norm.h"
#include "attune/nn/pass.h"
#include "attune/nn/positions.h"
#include "attune/ops/arithmetic.h"
#include "attune/ops/embedding.h"

namespace attune {

Tensor add_residual(const Tensor& residual, const Tensor& x, double rate, const Pass& pass) {
  return pass.dropout && rate > 0 ? add_dropout(residual, x, rate, *pass.dropout) : add(residual, x);
}

Tensor drop(const Tensor& x, double rate, const Pass& pass) {
  return pass.dropout && rate > 0 ? dropout(x, rate, *pass.dropout) : x;
}

NormKind norm_kind_of_name(std::string_view name) {
  check_word("norm", name, {"layer_norm", "rms_norm"});
  return name == "layer_norm" ? NormKind::layer_norm : NormKind::rms_norm;
}

PositionKind position_kind_of_name(std::string_view name) {
  using Known = std::pair<std::string_view, PositionKind>;
  static constexpr std::array known{Known{"none", PositionKind::none},
                                    Known{"sinusoidal", PositionKind::sinusoidal},
                                    Known{"sinusoidal_concatenated", PositionKind::sinusoidal_concatenated},
                                    Known{"sinusoidal_tensor2tensor", PositionKind::sinusoidal_tensor2tensor},
                                    Known{"learned", PositionKind::learned},
                                    Known{"relative", PositionKind::relative},
                                    Known{"relative_offset", PositionKind::relative_offset},
                                    Known{"rotary", PositionKind::rotary},
                                    Known{"rotary_halves", PositionKind::rotary_halves},
                                    Known{"alibi", PositionKind::alibi}};
  return entry_of_word("positions", name, known, &Known::first).second;
}

namespace {

// Row p of the table; `row` has `width` elements.
template <class T>
void sinusoidal_row(PositionKind kind, int64_t position, std::span<T> row) {
  const auto width = static_cast<int64_t>(row.size());
  const int64_t half = width / 2;
  for (int64_t i = 0; i < (width + 1) / 2; ++i) {
    const double exponent = kind == PositionKind::sinusoidal_tensor2tensor
                                ? static_cast<double>(i) / static_cast<double>(std::max<int64_t>(1, half - 1))
                                : 2.0 * static_cast<double>(i) / static_cast<double>(width);
    const double angle = static_cast<double>(position) * std::pow(10000.0, -exponent);
    const bool interleaved = kind == PositionKind::sinusoidal;
    const int64_t sine = interleaved ? 2 * i : i, cosine = interleaved ? 2 * i + 1 : half + i;
    if (interleaved || i < half) {
      row[static_cast<size_t>(sine)] = static_cast<T>(std::sin(angle));
    }
    if (cosine < width && (interleaved || i < half)) {
      row[static_cast<size_t>(cosine)] = static_cast<T>(std::cos(angle));
    }
  }
  if (kind != PositionKind::sinusoidal && width % 2 == 1) {
    row.back() = T{0};
  }
}

}  // namespace

std::vector<int32_t> positions_in(const Segments& segments) {
  std::vector<int32_t> at(static_cast<size_t>(segments.rows()), 0);
  for (int s = 0; s < segments.count(); ++s) {
    const auto begin = at.begin() + segments.begin(s);
    std::iota(begin, begin + segments.length(s), 0);
  }
  return at;
}

Tensor sinusoidal_table(PositionKind kind, int64_t count, int64_t width) {
  Tensor table = Tensor::empty({count, width}, DType::float64);
  auto values = table.data<double>();
  for (int64_t p = 0; p < count; ++p) {
    sinusoidal_row(kind, p, values.subspan(static_cast<size_t>(p * width), static_cast<size_t>(width)));
  }
  return table;
}

Tensor Positions::operator()(const Tensor& x, const Segments& segments) const {
  return kind == PositionKind::none ? x : at(x, positions_in(segments));
}

Tensor Positions::at(const Tensor& x, std::span<const int32_t> at) const {
  if (kind == PositionKind::none) {
    return x;
  }
  if (kind == PositionKind::learned) {
    for (int32_t position : at) {
      check(position < table.size(0), "positions: a sequence reaches position ", position,
            ", but the learnt table ends at ", table.size(0) - 1,
            "; train with a larger max-positions or leave out longer sentences");
    }
    return add(x, embedding(table, at));
  }
  const ProfileScope scope("positions");
  // One table row per distinct position, computed once a thread.
  thread_local std::vector<float> known;
  thread_local int64_t known_width = 0;
  thread_local PositionKind known_kind = PositionKind::none;
  if (known_width != width || known_kind != kind) {
    known.clear();
    known_width = width;
    known_kind = kind;
  }
  int64_t longest = 0;
  for (int32_t position : at) {
    longest = std::max<int64_t>(longest, position + 1);
  }
  const auto row_size = static_cast<size_t>(width);
  for (auto p = static_cast<int64_t>(known.size() / row_size); p < longest; ++p) {
    known.resize(known.size() + row_size);
    sinusoidal_row(kind, p, std::span(known).last(row_size));
  }
  Tensor rows = Tensor::empty(x.shape(), x.dtype());
  dispatch_floating(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    auto target = rows.data<T>();
    for (size_t i = 0; i < at.size(); ++i) {
      auto row = target.subspan(i * row_size, row_size);
      if constexpr (std::is_same_v<T, float>) {
        std::copy_n(known.begin() + static_cast<int64_t>(at[i]) * width, row_size, row.begin());
      } else {
        sinusoidal_row(kind, at[i], row);
      }
    }
  });
  return add(x, rows);
}

}  // namespace attune
