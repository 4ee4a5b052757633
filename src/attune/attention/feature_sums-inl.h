// What attention by feature maps is computed from: S and z (or their gradients), chunk by chunk, and the triangle of a
// chunk's own pairs. Internal to feature_attention-inl.h.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "attune/attention/feature_attention.h"
#include "attune/attention/feature_rows_cpu.h"
#include "attune/attention/head_rows-inl.h"
#include "attune/attention/products-inl.h"

namespace attune::attention::features {

constexpr int64_t chunk = 64;
constexpr float nothing = -std::numeric_limits<float>::infinity();

// S and z, or T and t; they stand for exp(scale) times themselves.
class Sums {
 public:
  Sums(int64_t features, int64_t values)
      : features_(features), values_(values), matrix_(features, values), vector_(1, features) {
    std::fill_n(matrix_.data(), features * values, 0.0F);
    std::fill_n(vector_.data(), features, 0.0F);
  }

  // Writes the same numbers by another scale.
  void rescale(float scale) {
    if (scale == scale_) return;
    const float factor = std::exp(scale_ - scale);
    cpu::scale(factor, matrix_.data(), features_ * values_);
    cpu::scale(factor, vector_.data(), features_);
    scale_ = scale;
  }

  // S += sum_r phi_r x_r', z += sum_r w_r phi_r; no w: 1
  void absorb(const Given& phi, const Given& x, const float* w, Products& products) {
    for (int64_t r = 0; r < x.count; ++r) cpu::add_scaled(w == nullptr ? 1 : w[r], phi[r], vector_.data(), features_);
    products(phi.transposed(), x.matrix(), matrix_.rows(features_).matrix(), {.accumulate = true});
  }

  // To and from the state of a sequence and head.
  void write(FeatureState& state, int64_t item) {
    std::copy_n(matrix_.data(), features_ * values_, state.sums.pointer<float>() + item * features_ * values_);
    std::copy_n(vector_.data(), features_, state.normaliser.pointer<float>() + item * features_);
    if (state.log_scale) state.log_scale.pointer<float>()[item] = scale_;
  }
  void read(const FeatureState& state, int64_t item) {
    std::copy_n(state.sums.pointer<float>() + item * features_ * values_, features_ * values_, matrix_.data());
    std::copy_n(state.normaliser.pointer<float>() + item * features_, features_, vector_.data());
    if (state.log_scale) scale_ = state.log_scale.pointer<float>()[item];
  }

  float scale() const { return scale_; }
  Given matrix() { return matrix_.rows(features_); }
  const float* vector() { return vector_.data(); }

 private:
  int64_t features_, values_;
  Buffer matrix_, vector_;
  float scale_ = nothing;
};

// Which other tokens of its chunk a row meets.
enum class Meets : uint8_t { until_itself, from_itself };

// A square matrix of a chunk's pairs, 0 where they do not meet.
class Triangle {
 public:
  explicit Triangle(Meets meets) : meets_(meets), memory_(chunk, chunk) {}

  // [r][c] = x_r . y_c (+ added_r or added_c)
  void multiply(const Given& x, const Given& y, Products& products) {
    side_ = x.count;
    products(x.matrix(), y.transposed(), {memory_.data(), side_, side_, side_});
  }
  void add(int64_t row, const float* values) { cpu::add_scaled(1, values, memory_.data() + row * side_, side_); }
  float* row(int64_t r) { return memory_.data() + r * side_; }
  int64_t first(int64_t r) const { return meets_ == Meets::until_itself ? 0 : r; }
  int64_t count(int64_t r) const { return meets_ == Meets::until_itself ? r + 1 : side_ - r; }

  // Hides what does not meet. log_scales: s of the keys and m of the queries, which weigh a pair by exp(s - m); or null
  void hide(const float* keys, const float* queries) {
    for (int64_t r = 0; r < side_; ++r) {
      float* values = row(r);
      const int64_t begin = first(r), end = begin + count(r);
      std::fill(values, values + begin, 0.0F);
      std::fill(values + end, values + side_, 0.0F);
      if (keys == nullptr) continue;
      const bool by_query = meets_ == Meets::until_itself;
      cpu::decay(values + begin, (by_query ? keys : queries) + begin, end - begin, by_query ? queries[r] : keys[r],
                 by_query ? 1.0F : -1.0F);
    }
  }

  // to += triangle x. A NaN of a row that is not met must not come through its zero.
  void add_product(const Given& x, const Written& to, Products& products) {
    if (all_finite(x)) {
      products({memory_.data(), side_, side_, side_}, x.matrix(), to.matrix(), {.accumulate = true});
      return;
    }
    for (int64_t r = 0; r < side_; ++r) {
      for (int64_t c = first(r); c < first(r) + count(r); ++c) cpu::add_scaled(row(r)[c], x[c], to[r], x.columns);
    }
  }

 private:
  Meets meets_;
  Buffer memory_;
  int64_t side_ = 0;
};

}  // namespace attune::attention::features
