// The matrix products of the fused attention on small packed blocks, one copy per instruction set (Highway's per-target
// include).
//
// Every element of a product is one chain of fused multiply-adds along the depth, in order, whatever tile it falls in,
// and a product that goes on (Finish::add) goes on with the chain. So an element's bits depend on nothing else.

#if defined(ATTUNE_ATTENTION_SCALED_DOT_PRODUCT_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTUNE_ATTENTION_SCALED_DOT_PRODUCT_INL_H
#undef ATTUNE_ATTENTION_SCALED_DOT_PRODUCT_INL_H
#else
#define ATTUNE_ATTENTION_SCALED_DOT_PRODUCT_INL_H
#endif

#include <hwy/highway.h>

#include <bit>
#include <utility>

#include "attune/attention/scaled_dot_items.h"
#include "attune/attention/scaled_dot_step-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::attention::cpu::HWY_NAMESPACE {

inline constexpr int lanes = static_cast<int>(HWY_LANES(float));
inline constexpr int block_vectors = block_keys / lanes;
// A register tile: 24 accumulators of AVX-512's 32 registers, 12 of 16 elsewhere; each step loads tile_vectors vectors
// and tile_rows numbers for tile_rows * tile_vectors multiply-adds, well below what the first cache gives.
inline constexpr int tile_rows = 6;
inline constexpr int tile_vectors = lanes >= 16 ? 4 : 2;

// The left operand, element (r, k) at data[r * row + k * depth]: P or its transpose alike.
struct Left {
  const float* data;
  int64_t row, depth;
};
struct Right {  // rows of whole vectors
  const float* data;
  int64_t row;
};

// Rows that are needed soon: a register tile asks for a line of them every fourth step, evenly, as a processor drops
// prefetches that come in bursts.
struct Lines {
  const char* at = nullptr;                    // null: nothing is asked for
  int64_t row = 0;                             // bytes from one to the next
  int width = 0;                               // bytes of a row
  static constexpr int steps = 4, bytes = 64;  // of a line
};

// c = sum; c = scale[0] sum; c += sum (the chain goes on); the same, asking for the rows of the next block on the way;
// the same as add from scale[r] c[r, :] on
enum class Finish { store, scaled, add, add_ahead, rescale };

// c[r, :] = sum over k < depth of a[r, k] b[k, :], finished as asked. Accumulator I is row I / kVectors, vector
// I % kVectors; packs instead of loops, as gcc keeps an array in registers only where every index is a constant.
template <int kVectors, Finish kFinish, class Step, int... I, int... N>
HWY_INLINE void tile_of(std::integer_sequence<int, I...>, std::integer_sequence<int, N...>, Left a, Right b, int depth,
                        float* HWY_RESTRICT c, int64_t c_row, const float* HWY_RESTRICT scale, Lines soon) {
  const Floats d;
  constexpr bool ahead = kFinish == Finish::add_ahead;
  constexpr bool goes_on = ahead || kFinish == Finish::add || kFinish == Finish::rescale;
  Vector sum[] = {(goes_on ? hn::LoadU(d, c + (I / kVectors) * c_row + (I % kVectors) * lanes) : hn::Zero(d))...};
  if constexpr (kFinish == Finish::rescale) ((sum[I] = hn::Mul(sum[I], hn::Set(d, scale[I / kVectors]))), ...);
  const float* HWY_RESTRICT left = a.data;
  const float* HWY_RESTRICT right = b.data;
  int column = 0;
  for (int k = 0; k < depth; ++k, left += a.depth, right += b.row) {
    if (soon.at != nullptr && k % Lines::steps == 0) {
      __builtin_prefetch(soon.at + column, 0, 2);
      column += Lines::bytes;
      if (column >= soon.width) {
        column = 0;
        soon.at += soon.row;
      }
    }
    if constexpr (ahead) (__builtin_prefetch(right + block_keys * b.row + N * lanes), ...);
    const Vector values[] = {hn::LoadU(d, right + N * lanes)...};
    ((sum[I] = Step::step(hn::Set(d, left[(I / kVectors) * a.row]), values[I % kVectors], sum[I])), ...);
  }
  if constexpr (kFinish == Finish::scaled) ((sum[I] = hn::Mul(sum[I], hn::Set(d, *scale))), ...);
  (hn::StoreU(sum[I], d, c + (I / kVectors) * c_row + (I % kVectors) * lanes), ...);
}

template <int kRows, int kVectors, Finish kFinish, class Step>
HWY_NOINLINE void tile(Left a, Right b, int depth, float* c, int64_t c_row, const float* scale, const Lines& soon) {
  tile_of<kVectors, kFinish, Step>(std::make_integer_sequence<int, kRows * kVectors>(),
                                   std::make_integer_sequence<int, kVectors>(), a, b, depth, c, c_row, scale, soon);
}

template <int kRows, Finish kFinish, class Step>
void tiles_of_rows(Left a, Right b, int depth, float* c, int64_t c_row, int vectors, const float* scale,
                   const Lines& soon) {
  int n = 0;
  for (; n + tile_vectors <= vectors; n += tile_vectors) {
    tile<kRows, tile_vectors, kFinish, Step>(a, {b.data + n * lanes, b.row}, depth, c + n * lanes, c_row, scale,
                                             n == 0 ? soon : Lines{});
  }
  if constexpr (tile_vectors == 4) {
    if (n + 2 <= vectors) {
      tile<kRows, 2, kFinish, Step>(a, {b.data + n * lanes, b.row}, depth, c + n * lanes, c_row, scale, {});
      n += 2;
    }
  }
  if (n < vectors) {
    tile<kRows, 1, kFinish, Step>(a, {b.data + n * lanes, b.row}, depth, c + n * lanes, c_row, scale, {});
  }
}

// `rows` <= tile_rows rows of a product, `vectors` wide.
template <Finish kFinish, class Step = MultiplyAdd>
void multiply(int rows, Left a, Right b, int depth, float* c, int64_t c_row, int vectors, const float* scale = nullptr,
              const Lines& soon = {}) {
  switch (rows) {
    case 1:
      return tiles_of_rows<1, kFinish, Step>(a, b, depth, c, c_row, vectors, scale, soon);
    case 2:
      return tiles_of_rows<2, kFinish, Step>(a, b, depth, c, c_row, vectors, scale, soon);
    case 3:
      return tiles_of_rows<3, kFinish, Step>(a, b, depth, c, c_row, vectors, scale, soon);
    case 4:
      return tiles_of_rows<4, kFinish, Step>(a, b, depth, c, c_row, vectors, scale, soon);
    case 5:
      return tiles_of_rows<5, kFinish, Step>(a, b, depth, c, c_row, vectors, scale, soon);
    default:
      return tiles_of_rows<6, kFinish, Step>(a, b, depth, c, c_row, vectors, scale, soon);
  }
}

// c[:] += sum over the k of `seen` of a[k] b[k, :]: a row of a product that must not touch what is hidden, because it
// may hold NaN or infinity and 0 times those is NaN. The same chain as tile(), without the zeros.
inline void multiply_seen(Left a, Right b, Word seen, float* c, int vectors) {
  const Floats d;
  for (; seen != 0; seen &= seen - 1) {
    const int k = std::countr_zero(seen);
    const Vector factor = hn::Set(d, a.data[k * a.depth]);
    for (int n = 0; n < vectors; ++n) {
      float* at = c + n * lanes;
      hn::StoreU(hn::MulAdd(factor, hn::LoadU(d, b.data + k * b.row + n * lanes), hn::LoadU(d, at)), d, at);
    }
  }
}

// The part of a block that some of several words has: vectors first ... last-1, keys begin ... end-1 within them.
struct Extent {
  int first, last, begin, end;
};
inline Extent extent_of(Word seen) {  // seen != 0
  const int begin = std::countr_zero(seen), end = block_keys - std::countl_zero(seen);
  return {begin / lanes, (end + lanes - 1) / lanes, begin, end};
}

}  // namespace attune::attention::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // per-target include guard
