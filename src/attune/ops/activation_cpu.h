// The non-linearities on the processor, element by element; an element's bits depend on that element alone.
#pragma once

#include <cstdint>

#include "attune/ops/activation.h"

namespace attune::cpu {

// y = f(x); y may be x
template <class T>
void activate(Activation f, int64_t count, T* y, const T* x);

// Whether the slope is computed from y = f(x) (relu, sigmoid, tanh) instead of from x: what the backward saves.
bool slope_from_output(Activation f);

// dx = dy f'(x), `saved` being y or x as slope_from_output says; dx may be dy
template <class T>
void activate_backward(Activation f, int64_t count, T* dx, const T* saved, const T* dy);

// x [rows, 2 columns] = (a | b), y [rows, columns] = a f(b); dx like x
template <class T>
void glu(Activation f, int64_t rows, int64_t columns, T* y, const T* x);
template <class T>
void glu_backward(Activation f, int64_t rows, int64_t columns, T* dx, const T* x, const T* dy);

}  // namespace attune::cpu
