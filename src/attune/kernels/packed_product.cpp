#include "attune/kernels/packed_product.h"

#include <algorithm>
#include <cstdlib>
#include <new>
#include <vector>

#include "attune/base/parallel.h"
#include "attune/base/profile.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "attune/kernels/packed_product.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace attune::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr int64_t width = PackedWeight::panel_width;

// A tile is `row_count` rows by `vectors` vectors, all of its sums in registers: 6 x 4 of 32, or 6 x 2 of 16.
using D = hn::CappedTag<float, 16>;
constexpr int tallest = 6;
HWY_INLINE constexpr size_t vectors() {
  return hn::MaxLanes(D()) >= 16 ? 4 : 2;
}

struct Tile {
  const float* x;
  int64_t x_stride;
  const float* panel;  // [depth][width], from the tile's first column on
  int64_t depth;
  float* y;
  int64_t y_stride;
  bool first, last;   // of the blocks of k: start from 0, add the bias
  const float* bias;  // of the tile's columns
};

template <int row_count>
HWY_INLINE void tile(const Tile& t) {
  const D d;
  const size_t lanes = hn::Lanes(d);
  hn::Vec<D> sum[row_count][vectors()];
  for (int r = 0; r < row_count; ++r) {
    for (size_t v = 0; v < vectors(); ++v) {
      sum[r][v] = t.first ? hn::Zero(d) : hn::LoadU(d, t.y + r * t.y_stride + v * lanes);
    }
  }
  const float* w = t.panel;
  for (int64_t k = 0; k < t.depth; ++k, w += width) {
    hn::Vec<D> column[vectors()];
    for (size_t v = 0; v < vectors(); ++v) {
      column[v] = hn::Load(d, w + v * lanes);
    }
    for (int r = 0; r < row_count; ++r) {
      const auto factor = hn::Set(d, t.x[r * t.x_stride + k]);
      for (size_t v = 0; v < vectors(); ++v) {
        sum[r][v] = hn::MulAdd(factor, column[v], sum[r][v]);
      }
    }
  }
  for (int r = 0; r < row_count; ++r) {
    for (size_t v = 0; v < vectors(); ++v) {
      const auto shift = t.last && t.bias != nullptr ? hn::LoadU(d, t.bias + v * lanes) : hn::Zero(d);
      hn::StoreU(hn::Add(sum[r][v], shift), d, t.y + r * t.y_stride + v * lanes);
    }
  }
}

void rows_of_tile(const Tile& t, int row_count) {
  switch (row_count) {
    case 1:
      return tile<1>(t);
    case 2:
      return tile<2>(t);
    case 3:
      return tile<3>(t);
    case 4:
      return tile<4>(t);
    case 5:
      return tile<5>(t);
    default:
      return tile<tallest>(t);
  }
}

// All rows of x with one panel into y [count][width], `y_stride` apart. Blocks of k keep what is read of the panel for
// all rows in the second-level cache.
void panel_product(const Rows& x, const float* panel, int64_t depth, const float* bias, float* y, int64_t y_stride) {
  constexpr int64_t deepest = 1024;
  const auto step = static_cast<int64_t>(vectors() * hn::Lanes(D()));
  for (int64_t k = 0; k == 0 || k < depth; k += deepest) {  // a sum over nothing is 0, and gets its bias
    const int64_t block = std::min(deepest, depth - k);
    for (int64_t row = 0; row < x.count; row += tallest) {
      for (int64_t column = 0; column < width; column += step) {
        rows_of_tile(
            {x.data + row * x.stride + k, x.stride, panel + k * width + column, block, y + row * y_stride + column,
             y_stride, k == 0, k + block == depth, bias == nullptr ? nullptr : bias + column},
            static_cast<int>(std::min<int64_t>(tallest, x.count - row)));
      }
    }
  }
}

}  // namespace attune::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attune::kernels {

HWY_EXPORT(panel_product);

namespace {

// The last panel where it reaches beyond the outputs: through a buffer as wide as the panel.
void partial_panel(const Rows& x, const PackedWeight& weight, const float* bias, float* y, int64_t panel) {
  constexpr int64_t width = PackedWeight::panel_width;
  const int64_t begin = panel * width, valid = weight.out() - begin;
  std::vector<float> wide(static_cast<size_t>(x.count * width)), shift(width);
  if (bias != nullptr) {
    std::copy_n(bias + begin, valid, shift.begin());
  }
  HWY_DYNAMIC_DISPATCH(panel_product)
  (x, weight.panel(panel), weight.in(), bias == nullptr ? nullptr : shift.data(), wide.data(), width);
  for (int64_t row = 0; row < x.count; ++row) {
    std::copy_n(wide.data() + row * width, valid, y + row * weight.out() + begin);
  }
}

}  // namespace

void PackedWeight::Free::operator()(float* data) const {
  std::free(data);
}

PackedWeight::PackedWeight(const float* weight, int64_t out, int64_t in, int64_t stride) : out_(out), in_(in) {
  const ProfileScope scope("pack_weight");
  const int64_t size = std::max<int64_t>(1, panels() * in) * panel_width;  // a multiple of the alignment
  data_.reset(static_cast<float*>(std::aligned_alloc(64, static_cast<size_t>(size) * sizeof(float))));
  if (!data_) {
    throw std::bad_alloc();
  }
  parallel_for(panels(), 4, [&](int64_t begin, int64_t end) {
    for (int64_t index = begin; index < end; ++index) {
      float* to = data_.get() + index * in * panel_width;
      for (int64_t column = 0; column < panel_width; ++column) {
        const int64_t row = index * panel_width + column;
        for (int64_t k = 0; k < in; ++k) {
          to[k * panel_width + column] = row < out ? weight[row * stride + k] : 0.0F;
        }
      }
    }
  });
}

void product(const Rows& x, const PackedWeight& weight, const float* bias, float* y) {
  const ProfileScope scope("product");
  const auto m = static_cast<double>(x.count), n = static_cast<double>(weight.out()),
             k = static_cast<double>(weight.in());
  ProfileScope::count(2 * m * n * k, sizeof(float) * (m * k + k * n + m * n));
  constexpr int64_t worth_a_thread = 32'768;  // multiply-adds: some microseconds
  const int64_t per_panel = std::max<int64_t>(1, x.count * weight.in() * PackedWeight::panel_width);
  parallel_for(weight.panels(), (worth_a_thread + per_panel - 1) / per_panel, [&](int64_t begin, int64_t end) {
    for (int64_t index = begin; index < end; ++index) {
      const int64_t column = index * PackedWeight::panel_width;
      if (column + PackedWeight::panel_width > weight.out()) {
        partial_panel(x, weight, bias, y, index);
      } else {
        HWY_DYNAMIC_DISPATCH(panel_product)
        (x, weight.panel(index), weight.in(), bias == nullptr ? nullptr : bias + column, y + column, weight.out());
      }
    }
  });
}

}  // namespace attune::kernels
#endif  // HWY_ONCE
