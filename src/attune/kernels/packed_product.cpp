#include "attune/kernels/packed_product.h"

#include <algorithm>
#include <vector>

#include "attune/base/check.h"
#include "attune/base/parallel.h"
#include "attune/kernels/product_common.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "attune/kernels/packed_product.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "attune/kernels/transpose-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr int64_t width = PackedMatrix<float>::panel_width;

// A tile is `row_count` rows by at most vectors() vectors, all of its sums in registers: 6 x 4 of 32, or 6 x 2 of 16.
using D = hn::CappedTag<float, 16>;
constexpr int tallest = PackedMatrix<float>::tile_rows;
HWY_INLINE constexpr size_t vectors() {
  return hn::MaxLanes(D()) >= 16 ? 4 : 2;
}

struct Tile {
  const float* a;
  int64_t a_row, a_step;  // from row to row, and from one element of a row to the next
  const float* panel;     // [depth][width], from the tile's first column on
  int64_t depth;
  float* c;
  int64_t c_stride;
  bool from_zero;     // or from what C holds
  const float* bias;  // of the tile's columns, where the sum ends; or null
};

template <int row_count, size_t count>
HWY_INLINE void tile(const Tile& t) {
  const D d;
  const size_t lanes = hn::Lanes(d);
  hn::Vec<D> sum[row_count][count];
  for (int r = 0; r < row_count; ++r) {
    for (size_t v = 0; v < count; ++v) {
      sum[r][v] = t.from_zero ? hn::Zero(d) : hn::LoadU(d, t.c + r * t.c_stride + v * lanes);
    }
  }
  const float *w = t.panel, *a = t.a;
  for (int64_t k = 0; k < t.depth; ++k, w += width, a += t.a_step) {
    hn::Vec<D> column[count];
    for (size_t v = 0; v < count; ++v) {
      column[v] = hn::Load(d, w + v * lanes);
    }
    for (int r = 0; r < row_count; ++r) {
      const auto factor = hn::Set(d, a[r * t.a_row]);
      for (size_t v = 0; v < count; ++v) {
        sum[r][v] = hn::MulAdd(factor, column[v], sum[r][v]);
      }
    }
  }
  for (int r = 0; r < row_count; ++r) {
    for (size_t v = 0; v < count; ++v) {
      const auto shift = t.bias != nullptr ? hn::LoadU(d, t.bias + v * lanes) : hn::Zero(d);
      hn::StoreU(hn::Add(sum[r][v], shift), d, t.c + r * t.c_stride + v * lanes);
    }
  }
}

template <int row_count>
void tile_of_rows(const Tile& t, int64_t count) {
  if constexpr (vectors() == 4) {
    if (count >= 4) return tile<row_count, 4>(t);
    if (count == 3) return tile<row_count, 3>(t);
  }
  if (count >= 2) return tile<row_count, 2>(t);
  tile<row_count, 1>(t);
}

void rows_of_tile(const Tile& t, int row_count, int64_t count) {
  switch (row_count) {
    case 1:
      return tile_of_rows<1>(t, count);
    case 2:
      return tile_of_rows<2>(t, count);
    case 3:
      return tile_of_rows<3>(t, count);
    case 4:
      return tile_of_rows<4>(t, count);
    case 5:
      return tile_of_rows<5>(t, count);
    default:
      return tile_of_rows<tallest>(t, count);
  }
}

// The rows of A with one panel into C, whose columns are whole vectors. Blocks of k keep what is read of the panel for
// all rows in the second-level cache.
void panel_product(const Matrix<const float>& a, const float* panel, const Matrix<float>& c, const float* bias,
                   bool accumulate) {
  constexpr int64_t deepest = 1024;
  const auto lanes = static_cast<int64_t>(hn::Lanes(D())), step = static_cast<int64_t>(vectors()) * lanes;
  const int64_t depth = used_columns(a);
  const int64_t a_row = a.transposed ? 1 : a.stride, a_step = a.transposed ? a.stride : 1;
  for (int64_t k = 0; k == 0 || k < depth; k += deepest) {  // a sum over nothing is 0, and gets its bias
    const int64_t block = std::min(deepest, depth - k);
    const bool ends = bias != nullptr && k + block == depth;
    for (int64_t row = 0; row < c.rows; row += tallest) {
      for (int64_t column = 0; column < c.columns; column += step) {
        rows_of_tile(
            {a.data + row * a_row + k * a_step, a_row, a_step, panel + k * width + column, block,
             c.data + row * c.stride + column, c.stride, k == 0 && !accumulate, ends ? bias + column : nullptr},
            static_cast<int>(std::min<int64_t>(tallest, c.rows - row)), (c.columns - column) / lanes);
      }
    }
  }
}

// The rows [0, columns) of `from`, `stride` apart, are the columns of a panel [rows][width]; what is left of whole
// vectors of columns and fours of rows is not touched.
void pack_across(const float* from, int64_t stride, int64_t rows, int64_t columns, float* to) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t column = 0; column + lanes <= columns; column += lanes) {
    for (int64_t k = 0; k + 4 <= rows; k += 4) {
      hn::Vec<D> c0, c1, c2, c3;
      four_columns(d, from + column * stride + k, stride, static_cast<int>(lanes) - 1, c0, c1, c2, c3);
      float* const at = to + k * width + column;
      hn::Store(c0, d, at);
      hn::Store(c1, d, at + width);
      hn::Store(c2, d, at + 2 * width);
      hn::Store(c3, d, at + 3 * width);
    }
  }
}

}  // namespace attune::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attune::kernels {

HWY_EXPORT(panel_product);
HWY_EXPORT(pack_across);

namespace {

constexpr int64_t width = PackedMatrix<float>::panel_width;
constexpr int64_t vector = 16;  // a multiple of every processor's

// The last panel where C ends within a vector: through a buffer of whole vectors of any processor.
void partial_panel(const Matrix<const float>& a, const float* panel, const Matrix<float>& c, const float* bias,
                   bool accumulate) {
  const int64_t valid = c.columns, whole = (valid + vector - 1) / vector * vector;
  std::vector<float> wide(static_cast<size_t>(c.rows * whole)), shift(width);
  if (bias != nullptr) {
    std::copy_n(bias, valid, shift.begin());
  }
  for (int64_t row = 0; accumulate && row < c.rows; ++row) {
    std::copy_n(c.data + row * c.stride, valid, wide.data() + row * whole);
  }
  HWY_DYNAMIC_DISPATCH(panel_product)
  (a, panel, {wide.data(), c.rows, whole, whole}, bias == nullptr ? nullptr : shift.data(), accumulate);
  for (int64_t row = 0; row < c.rows; ++row) {
    std::copy_n(wide.data() + row * whole, valid, c.data + row * c.stride);
  }
}

// `count` rows of A as it is used.
Matrix<const float> used_rows_of(const Matrix<const float>& a, int64_t begin, int64_t count) {
  if (a.transposed) return {a.data + begin, a.rows, count, a.stride, true};
  return {a.data + begin * a.stride, count, a.columns, a.stride};
}

// One panel, [rows][width]: columns first ... first + width of B, of which `valid` are there.
void pack_panel(const Matrix<const float>& b, int64_t rows, int64_t first, int64_t valid, float* to) {
  if (!b.transposed) {
    for (int64_t k = 0; k < rows; ++k) {
      std::copy_n(b.data + k * b.stride + first, valid, to + k * width);
      std::fill_n(to + k * width + valid, width - valid, 0.0F);
    }
    return;
  }
  HWY_DYNAMIC_DISPATCH(pack_across)(b.data + first * b.stride, b.stride, rows, valid, to);
  const int64_t whole_rows = rows / 4 * 4, whole_columns = valid / vector * vector;
  for (int64_t column = 0; column < width; ++column) {
    const float* from = column < valid ? b.data + (first + column) * b.stride : nullptr;
    for (int64_t k = column < whole_columns ? whole_rows : 0; k < rows; ++k) {
      to[k * width + column] = from != nullptr ? from[k] : 0.0F;
    }
  }
}

}  // namespace

int64_t PackedMatrix<float>::bytes(int64_t rows, int64_t columns) {
  return (columns + width - 1) / width * width * rows * static_cast<int64_t>(sizeof(float));
}

PackedMatrix<float>::PackedMatrix(const Matrix<const float>& b, std::byte* memory)
    : rows_(used_rows(b)), columns_(used_columns(b)), data_(reinterpret_cast<float*>(memory)) {
  const ProfileScope scope("pack_weight");
  ProfileScope::count(0, static_cast<double>(rows_ * columns_ * int64_t{sizeof(float)} + bytes(rows_, columns_)));
  auto* to = reinterpret_cast<float*>(memory);
  parallel_for(panels(), std::max<int64_t>(1, 512 / (rows_ + 1)), [&](int64_t begin, int64_t end) {
    for (int64_t index = begin; index < end; ++index) {
      const int64_t first = index * width;
      pack_panel(b, rows_, first, std::min(width, columns_ - first), to + first * rows_);
    }
  });
}

void product(const Matrix<const float>& a, const PackedMatrix<float>& b, const Matrix<float>& c, const float* bias,
             const ProductOptions& options) {
  check_product(a, {b.rows(), b.columns()}, c, bias, options);
  const ProfileScope scope("product");
  count_product(a, c, options);
  // Rows whose parts of A stay in the second-level cache while panel after panel passes by: blocks of equal height (but
  // for whole tiles), so that threads get equal parts.
  constexpr int64_t tile_rows = PackedMatrix<float>::tile_rows, tallest = 96;
  constexpr int64_t worth_a_thread = 32'768;  // multiply-adds: some microseconds
  const int64_t least = std::max<int64_t>(1, (c.rows + tallest - 1) / tallest), panels = b.panels();
  const int64_t tall = ((c.rows + least - 1) / least + tile_rows - 1) / tile_rows * tile_rows;
  const int64_t blocks = tall == 0 ? 0 : (c.rows + tall - 1) / tall;
  const int64_t work = std::max<int64_t>(1, std::min(c.rows, tall) * b.rows() * width);
  parallel_for(blocks * panels, (worth_a_thread + work - 1) / work, [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      const int64_t row = item / panels * tall, index = item % panels, column = index * width;
      const int64_t count = std::min(tall, c.rows - row);
      const Matrix<const float> rows = used_rows_of(a, row, count);
      const Matrix<float> part{c.data + row * c.stride + column, count, std::min(width, c.columns - column), c.stride};
      const float* shift = bias == nullptr ? nullptr : bias + column;
      if (part.columns % vector != 0) {
        partial_panel(rows, b.panel(index), part, shift, options.accumulate);
      } else {
        HWY_DYNAMIC_DISPATCH(panel_product)(rows, b.panel(index), part, shift, options.accumulate);
      }
    }
  });
}

}  // namespace attune::kernels
#endif  // HWY_ONCE
