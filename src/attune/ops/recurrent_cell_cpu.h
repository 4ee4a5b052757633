// The processor's loops of recurrent cells, forward and backward. Every operand is a block of rows; one that may be
// missing says so (data null). H: the width of the state.
#pragma once

#include <cstdint>

namespace attune::cpu {

// Rows `stride` elements apart.
template <class T>
struct Rows {
  T* data = nullptr;
  int64_t stride = 0;

  operator Rows<const T>() const { return {data, stride}; }
  Rows from(int64_t row) const { return {data == nullptr ? nullptr : data + row * stride, stride}; }
  Rows column(int64_t first) const { return {data + first, stride}; }
};

struct CellSize {
  int64_t rows, width;
};

// What arrives at a state: from what read it (dy) and from the next step. Either may be missing.
template <class T>
struct StateGradient {
  Rows<const T> outer, later;
};

// h = tanh(z);  dz = dh (1 - h^2)
template <class T>
struct TanhForward {
  Rows<const T> z;
  Rows<T> h;
};
template <class T>
struct TanhBackward {
  Rows<const T> h;
  StateGradient<T> dh;
  Rows<T> dz;
};

// z [4H] = i f g o;  c = sigmoid(f) c_before + sigmoid(i) tanh(g);  h = sigmoid(o) tanh(c)
template <class T>
struct LstmForward {
  Rows<const T> z, c_before;  // c_before may be missing: zeros
  Rows<T> gates;              // [4H], after their non-linearities; may be z
  Rows<T> c, h;
};
template <class T>
struct LstmBackward {
  Rows<const T> gates, c_before, c;
  StateGradient<T> dh;
  Rows<T> dc;  // in: of c from the next step; out: of c_before
  Rows<T> dz;  // [4H]
};

// z [2H] = r u;  gates = sigmoid(z);  product (+)= r factor
template <class T>
struct GruGatesForward {
  Rows<const T> z, factor;  // factor may be missing: zeros
  Rows<T> gates, product;   // gates may be z
  bool accumulate = false;
};
template <class T>
struct GruGatesBackward {
  Rows<const T> gates, factor;
  Rows<const T> d_product, d_update;  // either may be missing
  Rows<T> dz;                         // [2H]
  Rows<T> d_factor;                   // may be missing: nobody wants it
  bool accumulate = false;            // into d_factor
};

// h = n + u (h_before - n), n = tanh(candidate), u the second half of the gates
template <class T>
struct GruBlendForward {
  Rows<const T> candidate, update, h_before;  // h_before may be missing: zeros
  Rows<T> n, h;                               // n may be candidate
};
template <class T>
struct GruBlendBackward {
  Rows<const T> n, update, h_before;
  StateGradient<T> dh;
  Rows<T> d_candidate, d_update, d_before;
};

template <class T>
void run(const CellSize& size, const TanhForward<T>& cell);
template <class T>
void run(const CellSize& size, const TanhBackward<T>& cell);
template <class T>
void run(const CellSize& size, const LstmForward<T>& cell);
template <class T>
void run(const CellSize& size, const LstmBackward<T>& cell);
template <class T>
void run(const CellSize& size, const GruGatesForward<T>& cell);
template <class T>
void run(const CellSize& size, const GruGatesBackward<T>& cell);
template <class T>
void run(const CellSize& size, const GruBlendForward<T>& cell);
template <class T>
void run(const CellSize& size, const GruBlendBackward<T>& cell);

}  // namespace attune::cpu
