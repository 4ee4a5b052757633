#include "attune/ops/permute_rows.h"

#include <algorithm>
#include <cstring>

#include "attune/autograd/tape.h"
#include "attune/base/parallel.h"
#include "attune/base/profile.h"
#include "attune/ops/row_layout.h"

namespace attune {

namespace {

Tensor gathered(const Tensor& x, std::span<const int32_t> from) {
  const Tensor even = with_even_rows(x);
  Tensor y = Tensor::empty({static_cast<int64_t>(from.size()), even.columns()}, x.dtype());
  ProfileScope::count(0, 2 * y.bytes());
  const int64_t element = bytes_of(x.dtype()), row = even.columns() * element, stride = row_stride(even) * element;
  const std::byte* source = even.storage()->data() + even.offset() * element;
  std::byte* target = y.storage()->data();
  parallel_for(y.rows(), std::max<int64_t>(1, 131072 / (row + 1)), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      std::memcpy(target + i * row, source + from[static_cast<size_t>(i)] * stride, static_cast<size_t>(row));
    }
  });
  return y;
}

}  // namespace

Tensor permute_rows(const Tensor& x, std::span<const int32_t> from, std::span<const int32_t> to) {
  const ProfileScope scope("permute_rows");
  check(x.rank() == 2 && x.size(0) == static_cast<int64_t>(from.size()) && from.size() == to.size(),
        "permute_rows: ", from.size(), " rows there and ", to.size(), " back for a tensor ", x.shape());
  for (size_t i = 0; i < from.size(); ++i) {
    const bool inside = from[i] >= 0 && static_cast<size_t>(from[i]) < to.size();
    check(inside && to[static_cast<size_t>(from[i])] == static_cast<int32_t>(i), "permute_rows: row ", i,
          " comes from row ", from[i], ", which does not lead back to it");
  }
  return differentiable("permute_rows", gathered(x, from), {x},
                        [back = std::vector<int32_t>(to.begin(), to.end())](const Tensor& dy, Adjoints& into) {
                          into.add(0, gathered(dy, back));
                        });
}

}  // namespace attune
