#include "attune/ops/arithmetic.h"

#include <algorithm>
#include <vector>

#include "attune/autograd/tape.h"
#include "attune/base/parallel.h"
#include "attune/base/profile.h"
#include "attune/kernels/elementwise.h"
#include "attune/ops/arithmetic_cpu.h"
#include "attune/ops/row_layout.h"

namespace attune {

namespace {

constexpr int64_t grain = 1 << 15;  // elements worth a thread

void check_operands(const char* op, const Tensor& x, const Tensor& y) {
  check(x.dtype() == y.dtype(), op, ": ", name_of(x.dtype()), " with ", name_of(y.dtype()), ", expected the same type");
  const bool one_row = y.rank() == 1 && x.rank() >= 1 && y.size(0) == x.columns();
  check(x.shape() == y.shape() || one_row, op, ": shapes ", x.shape(), " and ", y.shape(),
        ", expected equal ones or one row [", x.columns(), "] as the second");
}

// Calls rows(row, first element of x, of y, rows, columns, y_stride) on disjoint parts; all tensors contiguous.
template <class Rows>
void each_part(const Tensor& x, const Tensor& y, Rows&& part) {
  if (x.shape() == y.shape()) {
    parallel_for(x.elements(), grain, [&](int64_t begin, int64_t end) { part(begin, begin, 1, end - begin, 0); });
    return;
  }
  const int64_t columns = x.columns();
  parallel_for(x.rows(), std::max<int64_t>(1, grain / (columns + 1)),
               [&](int64_t begin, int64_t end) { part(begin * columns, 0, end - begin, columns, 0); });
}

// a x + b y
Tensor combined(double a, const Tensor& x_given, double b, const Tensor& y_given) {
  const Tensor x = x_given.compact(), y = y_given.compact();
  Tensor z = Tensor::empty(x.shape(), x.dtype());
  dispatch_floating(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    each_part(x, y, [&](int64_t at, int64_t y_at, int64_t rows, int64_t columns, int64_t y_stride) {
      cpu::combine_rows(z.pointer<T>() + at, static_cast<T>(a), x.pointer<T>() + at, static_cast<T>(b),
                        y.pointer<T>() + y_at, rows, columns, y_stride);
    });
  });
  return z;
}

Tensor multiplied(const Tensor& x_given, const Tensor& y_given) {
  const Tensor x = x_given.compact(), y = y_given.compact();
  Tensor z = Tensor::empty(x.shape(), x.dtype());
  dispatch_floating(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    each_part(x, y, [&](int64_t at, int64_t y_at, int64_t rows, int64_t columns, int64_t y_stride) {
      cpu::multiply_rows(z.pointer<T>() + at, x.pointer<T>() + at, y.pointer<T>() + y_at, rows, columns, y_stride);
    });
  });
  return z;
}

Tensor scaled(const Tensor& x, double factor) {
  Tensor y = Tensor::empty(x.shape(), x.dtype());
  dispatch_floating(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const Tensor from = x.compact();
    kernels::scale_add<T>(y.data<T>(), static_cast<T>(factor), from.data<T>(), T{0});
  });
  return y;
}

Tensor scaled_rows(const Tensor& given, std::span<const double> factors) {
  const Tensor x = given.compact();
  Tensor y = Tensor::empty(x.shape(), x.dtype());
  const int64_t columns = x.columns();
  dispatch_floating(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    parallel_for(x.rows(), std::max<int64_t>(1, grain / (columns + 1)), [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        const T factor = static_cast<T>(factors[static_cast<size_t>(row)]);
        const T* from = x.pointer<T>() + row * columns;
        std::transform(from, from + columns, y.pointer<T>() + row * columns, [=](T value) { return factor * value; });
      }
    });
  });
  return y;
}

// What arrives at the second operand: dy itself, or its column sums when the operand was one row.
void add_to_second(const Tensor& dy, const Shape& shape, Adjoints& into) {
  if (!into.wants(1)) {
    return;
  }
  if (dy.shape() == shape) {
    into.add(1, dy);
    return;
  }
  auto [sums, accumulate] = into.destination(1);
  column_sums(dy, sums, {.accumulate = accumulate});
}

double sum_of(const Tensor& given) {
  const Tensor x = given.compact();
  constexpr int64_t chunk = 65536;
  std::vector<double> parts(static_cast<size_t>((x.elements() + chunk - 1) / chunk));
  dispatch_floating(x.dtype(), [&](auto zero) {
    const auto* from = x.pointer<decltype(zero)>();
    parallel_for(static_cast<int64_t>(parts.size()), 1, [&](int64_t begin, int64_t end) {
      for (int64_t p = begin; p < end; ++p) {
        parts[static_cast<size_t>(p)] = cpu::sum_range(from + p * chunk, std::min(chunk, x.elements() - p * chunk));
      }
    });
  });
  double total = 0;
  for (double part : parts) {
    total += part;
  }
  return total;
}

}  // namespace

Tensor add(const Tensor& x, const Tensor& y) {
  const ProfileScope scope("add");
  scope.count(0, 2 * x.bytes() + y.bytes());
  check_operands("add", x, y);
  return differentiable("add", combined(1, x, 1, y), {x, y}, [shape = y.shape()](const Tensor& dz, Adjoints& into) {
    into.add(0, dz);
    add_to_second(dz, shape, into);
  });
}

Tensor subtract(const Tensor& x, const Tensor& y) {
  const ProfileScope scope("subtract");
  scope.count(0, 2 * x.bytes() + y.bytes());
  check_operands("subtract", x, y);
  return differentiable("subtract", combined(1, x, -1, y), {x, y},
                        [shape = y.shape()](const Tensor& dz, Adjoints& into) {
                          into.add(0, dz);
                          if (into.wants(1)) {
                            add_to_second(scaled(dz, -1), shape, into);
                          }
                        });
}

Tensor multiply(const Tensor& x, const Tensor& y) {
  const ProfileScope scope("multiply");
  scope.count(0, 2 * x.bytes() + y.bytes());
  check_operands("multiply", x, y);
  return differentiable("multiply", multiplied(x, y), {x, y},
                        [x = detach(x), y = detach(y)](const Tensor& dz, Adjoints& into) {
                          if (into.wants(0)) {
                            into.add(0, multiplied(dz, y));
                          }
                          if (into.wants(1)) {
                            add_to_second(multiplied(dz, x), y.shape(), into);
                          }
                        });
}

Tensor scale(const Tensor& x, double factor) {
  const ProfileScope scope("scale");
  scope.count(0, 2 * x.bytes());
  return differentiable("scale", scaled(x, factor), {x},
                        [factor](const Tensor& dy, Adjoints& into) { into.add(0, scaled(dy, factor)); });
}

Tensor add_scaled(const Tensor& x, const Tensor& y, double factor) {
  const ProfileScope scope("add_scaled");
  scope.count(0, 3 * x.bytes());
  check(x.shape() == y.shape() && x.dtype() == y.dtype(), "add_scaled: ", name_of(x.dtype()), " ", x.shape(), " and ",
        name_of(y.dtype()), " ", y.shape(), ", expected the same shape and type");
  return differentiable("add_scaled", combined(factor, x, factor, y), {x, y},
                        [factor](const Tensor& dz, Adjoints& into) {
                          const Tensor both = scaled(dz, factor);
                          into.add(0, both);
                          into.add(1, both);
                        });
}

Tensor scale_rows(const Tensor& x, std::span<const double> factors) {
  const ProfileScope scope("scale_rows");
  scope.count(0, 2 * x.bytes());
  check(x.rows() == static_cast<int64_t>(factors.size()), "scale_rows: ", factors.size(), " factors for the ", x.rows(),
        " rows of ", x.shape());
  return differentiable("scale_rows", scaled_rows(x, factors), {x},
                        [factors = std::vector<double>(factors.begin(), factors.end())](
                            const Tensor& dy, Adjoints& into) { into.add(0, scaled_rows(dy, factors)); });
}

Tensor scale_gradient(const Tensor& x, double factor) {
  return differentiable("scale_gradient", x, {x},
                        [factor](const Tensor& dy, Adjoints& into) { into.add(0, scaled(dy, factor)); });
}

Tensor sum(const Tensor& x) {
  const ProfileScope scope("sum");
  scope.count(0, x.bytes());
  return differentiable("sum", Tensor::scalar(sum_of(x), x.dtype()), {x},
                        [shape = x.shape()](const Tensor& dy, Adjoints& into) {
                          into.add(0, Tensor::full(shape, dy.item(), dy.dtype()));
                        });
}

Tensor mean(const Tensor& x) {
  const ProfileScope scope("mean");
  scope.count(0, x.bytes());
  check(x.elements() > 0, "mean: tensor ", x.shape(), " has no elements");
  const auto count = static_cast<double>(x.elements());
  return differentiable("mean", Tensor::scalar(sum_of(x) / count, x.dtype()), {x},
                        [shape = x.shape(), count](const Tensor& dy, Adjoints& into) {
                          into.add(0, Tensor::full(shape, dy.item() / count, dy.dtype()));
                        });
}

}  // namespace attune
