// Matrix products behind one door: C = A B (+ bias) or C += A B. float32 and bfloat16 go to oneDNN, float64 to a plain
// blocked loop. bfloat16 operands are summed in float32.
//
// Every row of C has the same bits whatever the number of rows and threads: rows are cut in fixed blocks and long sums
// (weight gradients) in fixed chunks (measured: oneDNN 2.6 keeps a row's bits over m = 1 ... 512 but for narrow
// results with sums of 4,096 and more; kernels_test.cpp would notice).
#pragma once

#include <cstdint>
#include <string>

#include "attune/base/dtype.h"

namespace attune::kernels {

// A row-major matrix [rows, columns] whose rows lie `stride` elements apart. transposed: it is used as its transpose,
// i.e. as a [columns, rows] operand.
template <class T>
struct Matrix {
  T* data;
  int64_t rows, columns, stride;
  bool transposed = false;
};

struct ProductOptions {
  bool accumulate = false;  // C += A B instead of C = A B
};

// bias: one value per column of C, or null; not together with accumulate. Throws when the sizes do not fit.
void product(Matrix<const float> a, Matrix<const float> b, Matrix<float> c, const float* bias, const ProductOptions&);
void product(Matrix<const BFloat16> a, Matrix<const BFloat16> b, Matrix<float> c, const float* bias,
             const ProductOptions&);
void product(Matrix<const double> a, Matrix<const double> b, Matrix<double> c, const double* bias,
             const ProductOptions&);

// The library behind the door and its version: "oneDNN 2.6.3".
std::string product_library();

}  // namespace attune::kernels
