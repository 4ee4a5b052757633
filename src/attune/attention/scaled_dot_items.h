// The plain parts of the fused attention kernel, the same for all instruction sets: work items, scratch memory, layout.
// Internal to this room.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "attune/attention/scaled_dot_terms.h"

namespace attune::attention::cpu {

inline constexpr int most_rows = 60;  // queries in a tile of scores: ten register tiles

struct Item {
  int sequence, kv_head;
  int first, rows;  // queries first ... first + rows - 1 of the sequence
};

// Floats of this thread, 64-byte aligned. One item at a time: begin, then take what was announced.
class Scratch {
 public:
  void begin(int64_t floats) {
    if (static_cast<int64_t>(buffer_.size()) < floats + 16) {
      buffer_ = std::vector<float>(static_cast<size_t>(floats + floats / 4 + 16));
    }
    const auto address = reinterpret_cast<uintptr_t>(buffer_.data());
    next_ = buffer_.data() + ((64 - address % 64) % 64) / sizeof(float);
  }
  float* take(int64_t floats) {
    float* taken = next_;
    next_ += floats;
    return taken;
  }

 private:
  std::vector<float> buffer_;
  float* next_ = nullptr;
};

struct Strided {  // [rows, heads, depth]
  const float* data;
  int64_t row, head;
  const float* at(int64_t r, int h) const { return data + r * row + h * head; }
};

inline Strided strided(const Tensor& x) {
  return {x.pointer<float>(), x.stride(0), x.stride(1)};
}

inline int round_up(int count, int unit) {
  return (count + unit - 1) / unit * unit;
}

// Floats between the rows of a matrix of `columns`: whole vectors, and for long rows an odd number of cache lines, as
// rows a power of two apart would compete for the same few lines of the first cache.
inline int row_of(int columns, int unit) {
  const int padded = round_up(columns, unit);
  return columns < 128 ? padded : round_up(padded, 32) + 16;
}

// Queries in a tile: as many as keep it within 64 KB, but at least two register tiles.
inline int rows_per_tile(int queries, int padded_keys) {
  return std::min({most_rows, round_up(std::max(queries, 1), 2), std::max(12, 16384 / std::max(padded_keys, 1))});
}

inline bool hides_keys(const Mask& mask) {
  return mask.causal || mask.left || mask.right;
}

struct ForwardOut {
  float *out, *log_sum_exp, *statistics;  // log_sum_exp may be null
};
struct BackwardOut {
  const float *out, *statistics, *dout, *dlse;  // dlse may be null
  float *dq, *dk, *dv;
};

}  // namespace attune::attention::cpu
