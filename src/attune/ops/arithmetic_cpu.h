// The processor's loops of arithmetic.h: rows of `columns` elements; `y` advances by y_stride per row (0: the same
// row).
#pragma once

#include <cstdint>

namespace attune::cpu {

// z = a x + b y; with a and b 1 or -1 it is rounded once
void combine_rows(float* z, float a, const float* x, float b, const float* y, int64_t rows, int64_t columns,
                  int64_t y_stride);
void combine_rows(double* z, double a, const double* x, double b, const double* y, int64_t rows, int64_t columns,
                  int64_t y_stride);
// z = x y
void multiply_rows(float* z, const float* x, const float* y, int64_t rows, int64_t columns, int64_t y_stride);
void multiply_rows(double* z, const double* x, const double* y, int64_t rows, int64_t columns, int64_t y_stride);

// Sum in double, serial.
double sum_range(const float* x, int64_t count);
double sum_range(const double* x, int64_t count);

}  // namespace attune::cpu
