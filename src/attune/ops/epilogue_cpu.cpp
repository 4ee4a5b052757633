#include "attune/ops/epilogue_cpu.h"

#include <algorithm>
#include <type_traits>
#include <vector>

#include "attune/base/parallel.h"
#include "attune/base/profile.h"
#include "attune/kernels/elementwise.h"
#include "attune/ops/activation_cpu.h"
#include "attune/ops/row_layout.h"
#include "attune/ops/row_layout_cpu.h"

namespace attune {

namespace {

constexpr int64_t block = 2048;     // elements that stay in the first cache with their companions; even, as pairs draw
constexpr int64_t chunk_rows = 64;  // fixed, so that column sums do not depend on the number of threads

// One block; `at` counts the mask's elements, and `to` may be `z`.
template <class T>
void forward_block(const Epilogue& epilogue, int64_t at, std::span<const T> z, T* to) {
  const auto count = static_cast<int64_t>(z.size());
  const T* from = z.data();
  if (epilogue.activation != Activation::identity) {
    cpu::activate<T>(epilogue.activation, count, to, from);
    from = to;
  }
  if (epilogue.mask) {
    cpu::dropout<T>(epilogue.mask->from(at), count, to, from, nullptr);
  }
}

// `saved` as floating numbers, in `scratch` where it is kept rounded.
template <class T>
const T* unrounded(const Tensor& saved, int64_t begin, size_t count, T* scratch) {
  if constexpr (std::is_same_v<T, float>) {
    if (saved.dtype() == DType::bfloat16) {
      kernels::from_bfloat16({scratch, count}, {saved.pointer<BFloat16>() + begin, count});
      return scratch;
    }
  }
  return saved.pointer<T>() + begin;
}

// dz of one block to `to`. scratch: as long as the block.
template <class T>
void backward_block(const Epilogue& epilogue, const Tensor& saved, int64_t begin, std::span<const T> dy, T* to,
                    T* scratch) {
  const auto count = static_cast<int64_t>(dy.size());
  if (epilogue.saves_result()) {
    cpu::activate_backward<T>(epilogue.activation, count, to, unrounded<T>(saved, begin, dy.size(), scratch),
                              dy.data());
    if (epilogue.mask) {
      kernels::scale_add<T>({to, dy.size()}, static_cast<T>(epilogue.mask->scale), {to, dy.size()}, T{0});
    }
    return;
  }
  const T* from = dy.data();
  if (epilogue.mask) {
    cpu::dropout<T>(epilogue.mask->from(begin), count, to, from, nullptr);
    from = to;
  }
  if (epilogue.saves_input()) {
    const T* slope_of = saved.pointer<T>() + begin;
    if (cpu::slope_from_output(epilogue.activation)) {
      cpu::activate<T>(epilogue.activation, count, scratch, slope_of);
      slope_of = scratch;
    }
    cpu::activate_backward<T>(epilogue.activation, count, to, slope_of, from);
  }
}

int64_t block_rows(int64_t columns) {
  return std::clamp<int64_t>(block / columns / 2 * 2, 2, chunk_rows);
}

// Rows of one chunk, a few at a time. `sums`: one row, or null. scratch: two blocks.
template <class T>
void backward_rows(const Epilogue& epilogue, const Tensor& saved, const Tensor& dy, Tensor& dz, int64_t first,
                   int64_t last, T* sums, std::vector<T>& scratch) {
  const int64_t columns = dy.columns(), rows = block_rows(columns);
  const bool rounds = dz.dtype() == DType::bfloat16;
  for (int64_t row = first; row < last; row += rows) {
    const int64_t here = std::min(rows, last - row), begin = row * columns;
    const auto count = static_cast<size_t>(here * columns);
    const std::span<const T> given(dy.pointer<T>() + begin, count);
    T* const spare = scratch.data() + count;
    const T* made = given.data();
    if (!epilogue.nothing()) {
      T* const to = rounds ? scratch.data() : dz.pointer<T>() + begin;
      backward_block<T>(epilogue, saved, begin, given, to, spare);
      made = to;
    }
    if constexpr (std::is_same_v<T, float>) {
      if (rounds) {
        kernels::to_bfloat16({dz.pointer<BFloat16>() + begin, count}, {made, count});
      }
    }
    if (sums != nullptr) {  // last: it goes down columns, which is slow from memory
      cpu::column_sums<T>(made, here, columns, columns, sums, row > first);
    }
  }
}

}  // namespace

void apply_epilogue(const Epilogue& epilogue, int64_t first, const Tensor& z, Tensor& y) {
  ProfileScope::count(0, z.bytes() + y.bytes());
  const int64_t count = z.elements(), start = first * z.columns();
  dispatch_floating(z.dtype(), [&](auto zero) {
    using T = decltype(zero);
    parallel_for((count + block - 1) / block, 2, [&](int64_t from, int64_t to) {
      alignas(64) T scratch[block];
      for (int64_t at = from * block; at < std::min(count, to * block); at += block) {
        const auto here = static_cast<size_t>(std::min(block, count - at));
        const std::span<const T> given(z.pointer<T>() + at, here);
        if (y.dtype() == z.dtype()) {
          forward_block<T>(epilogue, start + at, given, y.pointer<T>() + at);
          continue;
        }
        forward_block<T>(epilogue, start + at, given, scratch);
        if constexpr (std::is_same_v<T, float>) {
          const T* made = epilogue.nothing() ? given.data() : scratch;
          kernels::to_bfloat16({y.pointer<BFloat16>() + at, here}, {made, here});
        }
      }
    });
  });
}

Tensor epilogue_backward(const Epilogue& epilogue, const Tensor& saved, const Tensor& dy_given, DType type,
                         const Adjoints::Destination* bias) {
  const Tensor dy = dy_given.compact();
  if (epilogue.nothing() && type == dy.dtype()) {
    if (bias != nullptr) {
      Tensor into = bias->into;
      column_sums(dy, into, {.accumulate = bias->accumulate});
    }
    return dy;
  }
  const ProfileScope scope("epilogue");
  Tensor dz = Tensor::empty(dy.shape(), type);
  scope.count(0, dy.bytes() + dz.bytes() + (saved ? saved.bytes() : 0));
  const int64_t rows = dy.rows(), columns = dy.columns(), chunks = (rows + chunk_rows - 1) / chunk_rows;
  dispatch_floating(dy.dtype(), [&](auto zero) {
    using T = decltype(zero);
    Tensor parts = Tensor::empty({bias != nullptr ? chunks : 0, columns}, dy.dtype());
    parallel_for(columns > 0 ? chunks : 0, 1, [&](int64_t begin, int64_t end) {
      std::vector<T> scratch(static_cast<size_t>(2 * block_rows(columns) * columns));
      for (int64_t chunk = begin; chunk < end; ++chunk) {
        backward_rows<T>(epilogue, saved, dy, dz, chunk * chunk_rows, std::min(rows, (chunk + 1) * chunk_rows),
                         bias != nullptr ? parts.pointer<T>() + chunk * columns : nullptr, scratch);
      }
    });
    if (bias != nullptr) {
      Tensor into = bias->into;
      column_sums(parts, into, {.accumulate = bias->accumulate});
    }
  });
  return dz;
}

}  // namespace attune
