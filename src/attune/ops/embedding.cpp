#include "attune/ops/embedding.h"

#include <algorithm>
#include <numeric>

#include "attune/autograd/tape.h"
#include "attune/base/parallel.h"
#include "attune/base/profile.h"
#include "attune/kernels/elementwise.h"
#include "attune/ops/row_layout.h"

namespace attune {

namespace {

// Occurrences of one id are neighbours, in their order: a thread owns whole ids, so the sums do not depend on threads.
template <class T>
void add_rows_by_id(const Tensor& dy, std::span<const int32_t> ids, Tensor& table) {
  std::vector<size_t> order(ids.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return ids[a] < ids[b]; });
  std::vector<size_t> starts;
  for (size_t i = 0; i < order.size(); ++i) {
    if (i == 0 || ids[order[i]] != ids[order[i - 1]]) {
      starts.push_back(i);
    }
  }
  const int64_t groups = static_cast<int64_t>(starts.size());
  starts.push_back(order.size());
  const auto width = static_cast<size_t>(table.columns());
  parallel_for(groups, 16, [&](int64_t begin, int64_t end) {
    for (auto group = static_cast<size_t>(begin); group < static_cast<size_t>(end); ++group) {
      for (size_t i = starts[group]; i < starts[group + 1]; ++i) {
        T* row = table.pointer<T>() + static_cast<size_t>(ids[order[i]]) * width;
        kernels::add_into<T>({row, width}, {dy.pointer<T>() + order[i] * width, width});
      }
    }
  });
}

// G: the type of its gradients.
template <class T, class G>
Tensor rows_of(const Tensor& table, std::span<const int32_t> ids) {
  const int64_t width = table.columns(), count = static_cast<int64_t>(ids.size());
  const Tensor even = with_even_rows(table);
  const int64_t stride = row_stride(even);
  Tensor y = Tensor::empty({count, width}, table.dtype());
  ProfileScope::count(0, 2 * y.bytes());
  parallel_for(count, std::max<int64_t>(1, 32768 / (width + 1)), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      std::copy_n(even.pointer<T>() + ids[static_cast<size_t>(i)] * stride, width, y.pointer<T>() + i * width);
    }
  });
  return differentiable("embedding", y, {table},
                        [ids = std::vector<int32_t>(ids.begin(), ids.end())](const Tensor& dy, Adjoints& into) {
                          auto [rows, accumulate] = into.destination(0);
                          ProfileScope::count(0, 3 * dy.bytes() + (accumulate ? 0 : rows.bytes()));
                          if (!accumulate) {
                            rows.fill(0);
                          }
                          add_rows_by_id<G>(dy.compact(), ids, rows);
                        });
}

}  // namespace

Tensor embedding(const Tensor& table, std::span<const int32_t> ids) {
  const ProfileScope scope("embedding");
  check(table.rank() == 2, "embedding: table ", table.shape(), " must be [vocabulary, width]");
  for (size_t i = 0; i < ids.size(); ++i) {
    check(ids[i] >= 0 && ids[i] < table.size(0), "embedding: id ", ids[i], " at position ", i,
          " is outside the table of ", table.size(0), " rows");
  }
  switch (table.dtype()) {
    case DType::float32:
      return rows_of<float, float>(table, ids);
    case DType::float64:
      return rows_of<double, double>(table, ids);
    case DType::bfloat16:
      return rows_of<BFloat16, float>(table, ids);
    default:
      fail("embedding: the table holds ", name_of(table.dtype()), ", expected floating-point numbers");
  }
}

}  // namespace attune
