// oneDNN's matmul on blocks of matrices, and its own layout for a second operand that is used again and again. Included
// by the products alone: what others call is product.h and packed_product.h.
#pragma once

#include <compare>
#include <cstdint>
#include <string>

namespace attune::kernels::onednn {

// Rows of C are cut in blocks of 512, a multiple of 16 and a rest below 16: at most 48 primitives a shape exist however
// many different batch sizes come by, and a row's bits do not depend on its block's height.
inline constexpr int64_t row_block = 512;

inline int64_t next_block(int64_t left, int64_t block) {
  return left >= block ? block : left >= 16 ? left / 16 * 16 : left;
}

enum Flag : int { transpose_a = 1, transpose_b = 2, bfloat = 4, sums = 8, with_bias = 16, blocked_b = 32 };

// C [m, n] = A [m, k] B [k, n], rows `stride` elements apart. blocked_b: B lies as block() left it, and b_stride is 0.
struct Key {
  int64_t m, n, k, a_stride, b_stride, c_stride;
  int flags;
  auto operator<=>(const Key&) const = default;
};

// bias: as the flag says. Throws Error when the library offers no such product.
void multiply(const Key& key, const void* a, const void* b, float* c, const float* bias);

// A row-major matrix as it is used, [rows, columns]; transposed: it lies as [columns, rows].
struct Plain {
  int64_t rows, columns, stride;
  bool transposed, bfloat;
  auto operator<=>(const Plain&) const = default;
};

// Bytes that block() writes for B [k, n] of bfloat16.
int64_t blocked_bytes(int64_t k, int64_t n);

// Copies B into the layout in which products with it are fastest, rounded to bfloat16. to: aligned to 64 bytes.
void block(const Plain& plain, const void* from, void* to);

std::string version();  // "oneDNN 2.6.3"

}  // namespace attune::kernels::onednn
