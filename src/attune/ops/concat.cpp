#include "attune/ops/concat.h"

#include <algorithm>

#include "attune/autograd/tape.h"
#include "attune/base/profile.h"
#include "attune/ops/row_layout.h"

namespace attune {

namespace {

const char* name_of(Along axis) {
  return axis == Along::rows ? "first" : "last";
}

int64_t length(const Tensor& x, Along axis) {
  return axis == Along::rows ? x.size(0) : x.columns();
}

Shape resized(const Shape& shape, Along axis, int64_t size) {
  std::vector<int64_t> sizes(shape.sizes().begin(), shape.sizes().end());
  (axis == Along::rows ? sizes.front() : sizes.back()) = size;
  return Shape(sizes);
}

Tensor part_of(const Tensor& x, Along axis, int64_t begin, int64_t size) {
  return axis == Along::rows ? x.rows_view(begin, size) : x.columns_view(begin, size);
}

// Copies `part` to where it begins on the axis of the contiguous `whole`.
void place(const Tensor& part, Tensor& whole, Along axis, int64_t begin) {
  const Tensor target = part_of(whole, axis, begin, length(part, axis));
  copy_rows(part, target.storage()->data() + target.offset() * bytes_of(target.dtype()),
            std::max<int64_t>(1, whole.columns()));
}

}  // namespace

Tensor concat(std::span<const Tensor> parts, Along axis) {
  const ProfileScope scope("concat");
  check(!parts.empty(), "concat: no parts were given");
  check(parts[0].rank() >= 1, "concat: a scalar has no axis to join along");
  int64_t total = 0;
  std::vector<int64_t> sizes;
  for (size_t i = 0; i < parts.size(); ++i) {
    const bool fits = parts[i].rank() == parts[0].rank() && parts[i].dtype() == parts[0].dtype() &&
                      parts[i].rank() >= 1 && resized(parts[i].shape(), axis, 0) == resized(parts[0].shape(), axis, 0);
    check(fits, "concat: part ", i, " is ", name_of(parts[i].dtype()), " ", parts[i].shape(), ", part 0 is ",
          name_of(parts[0].dtype()), " ", parts[0].shape(), "; they may differ only in their ", name_of(axis), " axis");
    sizes.push_back(length(parts[i], axis));
    total += sizes.back();
  }
  Tensor y = Tensor::empty(resized(parts[0].shape(), axis, total), parts[0].dtype());
  scope.count(0, 2 * y.bytes());
  int64_t begin = 0;
  for (const Tensor& part : parts) {
    place(part, y, axis, begin);
    begin += length(part, axis);
  }
  return differentiable("concat", y, std::vector<Tensor>(parts.begin(), parts.end()),
                        [sizes, axis](const Tensor& dy, Adjoints& into) {
                          int64_t from = 0;
                          for (size_t i = 0; i < sizes.size(); ++i) {
                            into.add(i, part_of(dy, axis, from, sizes[i]));
                            from += sizes[i];
                          }
                        });
}

std::vector<Tensor> split(const Tensor& x, std::span<const int64_t> sizes, Along axis) {
  check(x.rank() >= 1, "split: a scalar has no axis to cut along");
  std::vector<int64_t> begins;
  int64_t total = 0;
  for (int64_t size : sizes) {
    check(size >= 0, "split: a part of size ", size);
    begins.push_back(total);
    total += size;
  }
  check(total == length(x, axis), "split: the parts sum to ", total, ", the ", name_of(axis), " axis of ",
        x.shape().text(), " has ", length(x, axis));
  std::vector<Tensor> parts;
  for (size_t i = 0; i < sizes.size(); ++i) {
    parts.push_back(part_of(x, axis, begins[i], sizes[i]));
  }
  return differentiable(
      "split", std::move(parts), {x},
      [begins, axis, shape = x.shape(), dtype = x.dtype()](std::span<const Tensor> dys, Adjoints& into) {
        const bool whole = std::all_of(dys.begin(), dys.end(), [](const Tensor& dy) { return !!dy; });
        Tensor dx = whole ? Tensor::empty(shape, dtype) : Tensor::zeros(shape, dtype);
        ProfileScope::count(0, 2 * dx.bytes());
        for (size_t i = 0; i < dys.size(); ++i) {
          if (dys[i]) {
            place(dys[i], dx, axis, begins[i]);
          }
        }
        into.add(0, dx);
      });
}

}  // namespace attune
