// Softmax over rows on the processor: x, y, dy and dx are [rows, columns], contiguous.
#pragma once

#include <cstdint>

namespace attune::cpu {

struct Rows {
  int64_t rows, columns;
};

template <class T>
void softmax(Rows size, T* y, const T* x);
template <class T>
void softmax_backward(Rows size, T* dx, const T* y, const T* dy);
template <class T>
void log_softmax(Rows size, T* y, const T* x);
template <class T>
void log_softmax_backward(Rows size, T* dx, const T* y, const T* dy);

}  // namespace attune::cpu
