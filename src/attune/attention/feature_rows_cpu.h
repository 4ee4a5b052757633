// Loops over rows that attention by feature maps (feature_attention-inl.h) is made of, float32 in vectors. A row's bits
// depend on that row alone.
#pragma once

#include <cstdint>

namespace attune::attention::cpu {

float sum(const float* x, int64_t count);
bool all_finite(const float* x, int64_t count);
float dot(const float* x, const float* y, int64_t count);
void add_scaled(float a, const float* x, float* y, int64_t count);  // y += a x
void scale(float a, float* x, int64_t count);

// a_j *= exp(sign (s_j - shift)); where nothing is visible the exponent is not positive
void decay(float* a, const float* s, int64_t count, float shift, float sign);

// elu(x) + 1, and its gradient from y.
void elu_plus_one(const float* x, float* y, int64_t count);
void elu_plus_one_backward(const float* y, const float* dy, float* dx, int64_t count);

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
