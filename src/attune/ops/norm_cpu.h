// Layer and RMS normalisation of rows on the processor: x, y, dy and dx are [rows, columns]; y and dy are contiguous,
// the rows of x and dx lie x_stride apart.
// With d = x - mean (d = x when not centred) and r = 1 / sqrt(mean(d^2) + epsilon): y = d r weight + bias.
#pragma once

#include <cstdint>

namespace attune::cpu {

struct NormRows {
  int64_t rows, columns;
  double epsilon;
  bool centred;  // true: layer normalisation; false: RMS normalisation
  int64_t x_stride = columns;
};

// What the backward needs of each row. d = (x - mean) - correction: the correction is what rounding took from the mean.
template <class T>
struct RowStatistics {
  T mean, correction, inverse;
};

// `statistics` [rows] or null, `bias` [columns] or null. Y: T, or BFloat16 for float, rounded.
template <class T, class Y>
void norm(const NormRows& size, Y* y, RowStatistics<T>* statistics, const T* x, const T* weight, const T* bias);

// Where the gradients go; null: not wanted. They are overwritten, or added to.
template <class T>
struct NormGradients {
  T* x;
  T* weight;
  T* bias;
  bool add_to_x, add_to_weight, add_to_bias;
};
// The sums over rows are taken in fixed chunks in a fixed order: the same bits for any number of threads.
template <class T>
void norm_backward(const NormRows& size, const NormGradients<T>& into, const T* x, const RowStatistics<T>* statistics,
                   const T* weight, const T* dy);

// into[j] (+)= the sum over p of parts[p * stride + j], in their order and in float64; j < columns. into: null: not
// wanted.
template <class T>
void sum_parts(T* into, bool add, const T* parts, int64_t count, int64_t stride, int64_t columns);

}  // namespace attune::cpu
