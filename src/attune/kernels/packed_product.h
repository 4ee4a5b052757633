// Products with a weight that is used again and again, y = x W^T + b in float32: the weight is rearranged once, so that
// a few rows of x (a decoding step) read it at the speed of the memory it lies in and many rows at the speed of the
// processor. For the single row of greedy decoding the limit is the weight's bytes, for many rows 2 m n k operations.
//
// Each element of y is one chain of fused multiply-adds over k in ascending order, then the bias is added: its bits
// depend on its row of x alone, not on the other rows, the threads or the width of the vectors (processors without
// fused multiply-add round differently).
#pragma once

#include <cstdint>
#include <memory>

namespace attune::kernels {

class PackedWeight {
 public:
  // weight: row-major [out, in], rows `stride` elements apart. Copies it.
  PackedWeight(const float* weight, int64_t out, int64_t in, int64_t stride);

  int64_t out() const { return out_; }
  int64_t in() const { return in_; }

  // Outputs are kept in panels of 64: [in][64], zeros behind the last output.
  static constexpr int64_t panel_width = 64;
  int64_t panels() const { return (out_ + panel_width - 1) / panel_width; }
  const float* panel(int64_t index) const { return data_.get() + index * in_ * panel_width; }

 private:
  struct Free {
    void operator()(float* data) const;
  };
  int64_t out_, in_;
  std::unique_ptr<float[], Free> data_;  // aligned to 64 bytes
};

struct Rows {
  const float* data;
  int64_t count, stride;
};

// x: [count, in]; bias: [out] or null; y: [count, out] contiguous.
void product(const Rows& x, const PackedWeight& weight, const float* bias, float* y);

}  // namespace attune::kernels
