// A call of spatial gating's float32 path, and its products over tokens, sequence by sequence. Internal to
// spatial_gating.cpp.
#pragma once

#include <algorithm>
#include <numeric>
#include <type_traits>
#include <vector>

#include "attune/attention/products-inl.h"
#include "attune/attention/spatial_gating.h"
#include "attune/attention/spatial_gating_cpu.h"
#include "attune/base/parallel.h"
#include "attune/base/profile.h"
#include "attune/ops/norm_cpu.h"

namespace attune::attention::gating {

inline constexpr int64_t causal_block = 128;  // rows of W multiplied together with all columns that one of them sees

inline SpatialGatingInputs compacted(const SpatialGatingInputs& in) {
  const auto compact = [](const Tensor& x) { return x ? detach(x.compact()) : Tensor(); };
  return {compact(in.z),      compact(in.norm_weight), compact(in.norm_bias),
          compact(in.weight), compact(in.bias),        compact(in.addend)};
}

struct Call {
  Call(const SpatialGatingInputs& inputs, const Segments& where, const SpatialGatingOptions& settings)
      : in(compacted(inputs)),
        segments(where),
        options(settings),
        columns(in.z.columns()),
        channels(gate_channels(settings.gate, columns)),
        heads(in.bias.size(0)),
        positions(in.bias.size(1)) {}

  attune::cpu::NormRows norm_size(int64_t rows) const {
    return {rows, channels, options.epsilon, true, std::max<int64_t>(1, columns)};
  }
  int64_t gate_column() const { return columns - channels; }
  const float* gate_rows(int64_t row) const { return in.z.pointer<float>() + row * columns + gate_column(); }
  bool multiplies() const { return options.gate == Gate::split || options.gate == Gate::multiplicative; }
  cpu::GateRow row(int64_t index) const {
    return {options.gate,
            channels,
            heads,
            options.gate == Gate::linear ? nullptr : in.z.pointer<float>() + index * columns,
            in.addend ? in.addend.pointer<float>() + index * channels : nullptr,
            columns};
  }

  SpatialGatingInputs in;
  Segments segments;
  SpatialGatingOptions options;
  int64_t columns, channels, heads, positions;
};

// A part of a sequence's product: rows of W with the columns that one of them sees.
struct Block {
  int64_t begin, end, columns;
};

// One of them, of a head and a sequence.
struct Part {
  int64_t head, first, length;  // the sequence's first row and its rows
  Block block;
};
inline std::vector<Part> parts_of(const Call& call, int first_sequence, int last_sequence) {
  std::vector<Part> parts;
  for (int s = first_sequence; s < last_sequence; ++s) {
    const int64_t length = call.segments.length(s), height = call.options.causal ? causal_block : length;
    for (int64_t begin = 0; begin < length; begin += height) {
      const int64_t end = std::min(length, begin + height);
      for (int64_t head = 0; head < call.heads; ++head) {
        parts.push_back({head, call.segments.begin(s), length, {begin, end, call.options.causal ? end : length}});
      }
    }
  }
  return parts;
}

// The operations and bytes of products [height, columns] x [columns, channels of a head] of all parts.
inline void count_products(const Call& call, const std::vector<Part>& parts, int64_t element) {
  for (const Part& part : parts) {
    const auto m = static_cast<double>(part.block.end - part.block.begin), k = static_cast<double>(part.block.columns),
               n = static_cast<double>(call.channels / call.heads);
    ProfileScope::count(2 * m * n * k, static_cast<double>(element) * (m * k + k * n) + sizeof(float) * m * n);
  }
}

// Whether a product has the same bits on one thread as shared by all (attention/products-inl.h): the library's own of
// bfloat16 have not.
template <class Operand>
inline constexpr bool fits_one_thread = std::is_same_v<Operand, float>;

// Sequences that are taken through all passes together.
struct Stretch {
  int first, last;
  int64_t begin, end;  // rows
};

// What a thread keeps from stretch to stretch.
class Workspace {
 public:
  Products product;
  float* rows(int64_t count, int64_t columns) {
    if (!rows_ || rows_.elements() < count * columns) rows_ = Tensor::empty({count * columns});
    return rows_.pointer<float>();
  }

 private:
  Tensor rows_;
};

// fn(workspace, stretch). Of many sequences each is one thread's, being too small to be shared: what one pass leaves
// lies in the cache for the next. Of few all threads share each pass over all of them.
template <class Operand, class Fn>
void over_stretches(const Call& call, Fn&& fn) {
  const Segments& segments = call.segments;
  const int count = segments.count();
  const ProfileScope scope("norm_product_gate");
  if (!fits_one_thread<Operand> || count < 2 * threads()) {
    Workspace workspace;
    fn(workspace, Stretch{0, count, 0, segments.rows()});
    return;
  }
  count_products(call, parts_of(call, 0, count), sizeof(Operand));
  parallel_for(count, 1, [&](int64_t first, int64_t last) {
    const ProfilePause pause;
    Workspace workspace;
    for (auto s = static_cast<int>(first); s < last; ++s) {
      fn(workspace, Stretch{s, s + 1, segments.begin(s), segments.begin(s) + segments.length(s)});
    }
  });
}

// Rows of [rows, channels], one head's columns.
template <class T>
kernels::Matrix<const T> operand(const Call& call, const Tensor& x, int64_t row, int64_t rows, int64_t head) {
  const int64_t width = call.channels / call.heads;
  return {x.pointer<T>() + row * call.channels + head * width, rows, width, call.channels};
}
inline kernels::Matrix<float> result(const Call& call, float* x, int64_t row, int64_t rows, int64_t head) {
  const int64_t width = call.channels / call.heads;
  return {x + row * call.channels + head * width, rows, width, call.channels};
}

// fn(row, its place in its sequence)
template <class Fn>
void over_rows(const Call& call, const Stretch& stretch, Fn&& fn) {
  std::vector<int32_t> place(static_cast<size_t>(stretch.end - stretch.begin));
  for (int s = stretch.first; s < stretch.last; ++s) {
    const auto from = place.begin() + (call.segments.begin(s) - stretch.begin);
    std::iota(from, from + call.segments.length(s), 0);
  }
  parallel_for(static_cast<int64_t>(place.size()), 16384 / (call.channels + 1) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) fn(stretch.begin + n, int64_t{place[static_cast<size_t>(n)]});
  });
}

}  // namespace attune::attention::gating
