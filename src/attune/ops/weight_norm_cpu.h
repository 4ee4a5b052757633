// Rows that are normalised and scaled, on the processor: v, w, dw and dv [rows, columns], contiguous; a row is one
// thread's.
#pragma once

#include <cstdint>

namespace attune::cpu {

// w = g v / ||v||
template <class T>
void weight_norm(int64_t rows, int64_t columns, T* w, const T* v, const T* g);

// dv and dg are overwritten, or added to; null: not wanted.
template <class T>
struct WeightNormGradients {
  T *v, *g;
  bool add_to_v, add_to_g;
};
template <class T>
void weight_norm_backward(int64_t rows, int64_t columns, const WeightNormGradients<T>& into, const T* v, const T* g,
                          const T* dw);

}  // namespace attune::cpu
