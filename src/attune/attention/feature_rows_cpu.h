// Loops over rows that attention by feature maps (feature_attention-inl.h) is made of, float32 in vectors. A row's bits
// depend on that row alone.
#pragma once

#include <cstdint>

#include "attune/kernels/product.h"

namespace attune::attention {

// Rows of one head, `stride` elements apart.
template <class T>
struct Rows {
  T* data;
  int64_t count, columns, stride;
  T* operator[](int64_t row) const { return data + row * stride; }
  kernels::Matrix<T> matrix() const { return {data, count, columns, stride}; }
  kernels::Matrix<const T> transposed() const { return {data, count, columns, stride, true}; }
  operator Rows<const T>() const { return {data, count, columns, stride}; }
};
using Given = Rows<const float>;
using Written = Rows<float>;

}  // namespace attune::attention

namespace attune::attention::cpu {

float sum(const float* x, int64_t count);
bool all_finite(const float* x, int64_t count);
float dot(const float* x, const float* y, int64_t count);
void add_scaled(float a, const float* x, float* y, int64_t count);  // y += a x
void scale(float a, float* x, int64_t count);

// a_j *= exp(sign (s_j - shift)); where nothing is visible the exponent is not positive
void decay(float* a, const float* s, int64_t count, float shift, float sign);

// Row by row: to_i = x_i . y_i; y_i += a_i x, no a: 1; y_i = a_i x_i
void dot_rows(const Given& x, const Given& y, float* to);
void add_outer(const float* a, const float* x, const Written& y);
void scale_rows(const float* a, const Given& x, const Written& y);

// elu(x) + 1, and its gradient from y.
void elu_plus_one(const Given& x, const Written& y);
void elu_plus_one_backward(const Given& y, const Given& dy, const Written& dx);

// p <- exp(scale p - largest) + floor; gives the largest of scale p.
float exponentials(float* p, int64_t count, float scale, float floor);
// dy <- the gradient of p (the largest one's floor moves with it); gives the sum of that over scale.
float exponentials_backward(const float* y, float* dy, int64_t count, float scale, float floor);

// p <- max(scale p, 0) + floor, and dy <- the gradient of p.
void rectified(float* p, int64_t count, float scale, float floor);
void rectified_backward(const float* y, float* dy, int64_t count, float scale, float floor);

// One token of one head: S <- keep S + (take k) v', z <- keep z + take k, out <- S' q; gives z . q.
struct StepRow {
  const float *q, *k;  // features
  const float* v;
  int64_t features, values;
  float keep, take;
};
float step(const StepRow& row, float* sums, float* normaliser, float* out);

}  // namespace attune::attention::cpu
