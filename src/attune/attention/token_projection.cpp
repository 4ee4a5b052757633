// float32: a sequence and head is a product [k, L] x [L, D], in stretches of tokens. dX = W' dY takes a transposed copy
// of W that is kept with the parameter until it changes; dW = sum dY X' runs through sequences and heads in order, a
// stretch of its columns at a time. Every sum is one chain, however it is cut.
#include "attune/attention/token_projection.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "attune/attention/products-inl.h"
#include "attune/autograd/tape.h"
#include "attune/base/parallel.h"
#include "attune/base/profile.h"
#include "attune/tensor/derived.h"

namespace attune::attention {

namespace {

template <class T>
using Matrix = kernels::Matrix<T>;

struct Call {
  Tensor x, weight;  // detached
  Segments segments;

  int64_t heads() const { return x.size(1); }
  int64_t projected() const { return weight.size(1); }
  int64_t longest() const { return weight.size(2); }
  Shape result() const { return {segments.count() * projected(), heads(), x.size(2)}; }
  int64_t weights_of(int64_t head) const { return weight.size(0) == 1 ? 0 : head; }
};

// Tokens whose rows of a head, packed, stay in the second cache; of W's columns as well.
constexpr int64_t stretch = 512;

// Of one sequence and head: `count` of its rows of x, or all, and those of y.
template <class X>
auto tokens(const Call& call, X& x, int s, int64_t head, int64_t begin, int64_t count) {
  using T = std::remove_pointer_t<decltype(x.template pointer<float>())>;
  return Matrix<T>{x.template pointer<float>() + (call.segments.begin(s) + begin) * x.stride(0) + head * x.stride(1),
                   count, x.size(2), x.stride(0)};
}
template <class X>
auto projections(const Call& call, X& y, int s, int64_t head) {
  using T = std::remove_pointer_t<decltype(y.template pointer<float>())>;
  return Matrix<T>{y.template pointer<float>() + s * call.projected() * y.stride(0) + head * y.stride(1),
                   call.projected(), y.size(2), y.stride(0)};
}

// fn(sequence, head, products), several at a time
template <class Fn>
void over_heads(const Call& call, Fn&& fn) {
  parallel_items(call.segments.count() * call.heads(), [&](int64_t item) {
    Products products;
    fn(static_cast<int>(item / call.heads()), item % call.heads(), products);
  });
}

Tensor forward(const Call& call) {
  Tensor y = Tensor::empty(call.result());
  const int64_t n = call.longest();
  const float* w = call.weight.pointer<float>();
  over_heads(call, [&](int s, int64_t head, Products& products) {
    const float* of_head = w + call.weights_of(head) * call.projected() * n;
    const int64_t length = call.segments.length(s);
    int64_t begin = 0;
    do {  // once without tokens, too
      const auto x = tokens(call, call.x, s, head, begin, std::min(stretch, length - begin));
      products({of_head + begin, call.projected(), x.rows, n}, x, projections(call, y, s, head),
               {.accumulate = begin > 0});
      begin += stretch;
    } while (begin < length);
  });
  return y;
}

struct Turned {
  Tensor weight;  // [H or 1, n, k]
};

Tensor turned(const Tensor& weight) {
  return derived<Turned>(weight,
                         [&] {
                           const int64_t heads = weight.size(0), k = weight.size(1), n = weight.size(2);
                           Tensor result = Tensor::empty({heads, n, k});
                           float* to = result.pointer<float>();
                           const float* from = weight.pointer<float>();
                           for (int64_t row = 0; row < heads * k; ++row) {
                             for (int64_t j = 0; j < n; ++j) to[(row / k * n + j) * k + row % k] = from[row * n + j];
                           }
                           return std::make_shared<const Turned>(Turned{result});
                         })
      ->weight;
}

Tensor tokens_backward(const Call& call, const Tensor& dy) {
  Tensor dx = call.segments.packed() ? Tensor::empty(call.x.shape()) : Tensor::zeros(call.x.shape());
  const Tensor weight = turned(call.weight);
  const int64_t k = call.projected(), n = call.longest();
  over_heads(call, [&](int s, int64_t head, Products& products) {
    const auto to = tokens(call, dx, s, head, 0, call.segments.length(s));
    products({weight.pointer<float>() + call.weights_of(head) * n * k, to.rows, k, k}, projections(call, dy, s, head),
             to);
  });
  return dx;
}

Tensor weight_backward(const Call& call, const Tensor& dy) {
  Tensor dw = Tensor::zeros(call.weight.shape());
  const int64_t k = call.projected(), n = call.longest(), sharing = call.heads() / call.weight.size(0);
  const int64_t stretches = (n + stretch - 1) / stretch;
  parallel_items(call.weight.size(0) * stretches, [&](int64_t part) {
    const int64_t index = part / stretches, begin = part % stretches * stretch;
    Products products;
    for (int64_t item = 0; item < call.segments.count() * sharing; ++item) {
      const int s = static_cast<int>(item / sharing);
      const int64_t head = index + item % sharing, count = std::min(stretch, call.segments.length(s) - begin);
      if (count <= 0) continue;
      auto x = tokens(call, call.x, s, head, begin, count);
      x.transposed = true;
      products(projections(call, dy, s, head), x, {dw.pointer<float>() + index * k * n + begin, k, count, n},
               {.accumulate = true});
    }
  });
  return dw;
}

// ---- The definition -------------------------------------------------------------------------------------------------

// fn(element of y, of W, of x) for every product that the sums are made of
template <class Fn>
void each_product(const Call& call, Fn&& fn) {
  const int64_t heads = call.heads(), depth = call.x.size(2), k = call.projected(), n = call.longest();
  for (int s = 0; s < call.segments.count(); ++s) {
    for (int64_t h = 0; h < heads; ++h) {
      for (int64_t t = 0; t < k; ++t) {
        for (int64_t j = 0; j < call.segments.length(s); ++j) {
          for (int64_t c = 0; c < depth; ++c) {
            fn(((s * k + t) * heads + h) * depth + c, (call.weights_of(h) * k + t) * n + j,
               ((call.segments.begin(s) + j) * heads + h) * depth + c);
          }
        }
      }
    }
  }
}

Tensor defined(const Call& call) {
  Tensor y = Tensor::zeros(call.result(), DType::float64);
  double* to = y.pointer<double>();
  const double *w = call.weight.pointer<double>(), *x = call.x.pointer<double>();
  each_product(call, [&](int64_t out, int64_t of_w, int64_t of_x) { to[out] += w[of_w] * x[of_x]; });
  return y;
}

struct Gradients {
  Tensor x, weight;
};

Gradients defined_backward(const Call& call, const Tensor& dy) {
  Gradients d{Tensor::zeros(call.x.shape(), DType::float64), Tensor::zeros(call.weight.shape(), DType::float64)};
  double *dx = d.x.pointer<double>(), *dw = d.weight.pointer<double>();
  const double *w = call.weight.pointer<double>(), *x = call.x.pointer<double>(), *from = dy.pointer<double>();
  each_product(call, [&](int64_t out, int64_t of_w, int64_t of_x) {
    dx[of_x] += w[of_w] * from[out];
    dw[of_w] += x[of_x] * from[out];
  });
  return d;
}

void check_projection(const Tensor& x, const Tensor& weight, const Segments& segments) {
  check(x.rank() == 3 && x.size(0) == segments.rows(), "token_projection: x ", x.shape(), ", expected [",
        segments.rows(), ", heads, depth] to fit the segments");
  check(weight.rank() == 3 && (weight.size(0) == 1 || weight.size(0) == x.size(1)) && weight.size(1) >= 1,
        "token_projection: the projection is ", weight.shape(), ", expected [1 or ", x.size(1),
        ", k, n]: heads, projected tokens, longest sequence");
  check(weight.dtype() == x.dtype(), "token_projection: x holds ", name_of(x.dtype()), ", the projection ",
        name_of(weight.dtype()), ": expected one type");
  check(segments.longest() <= weight.size(2), "token_projection: a sequence has ", segments.longest(),
        " tokens, but the projection was made for ", weight.size(2),
        "; train with a larger number of positions or leave out longer sequences");
  check(segments.disjoint() || !recording({&x, &weight}), "token_projection: the backward needs disjoint segments");
}

}  // namespace

Tensor token_projection(const Tensor& x, const Tensor& weight, const Segments& segments) {
  const ProfileScope scope("token_projection");
  check_projection(x, weight, segments);
  const Call call{detach(x), detach(weight.compact()), segments};
  if (x.dtype() == DType::float64) {
    const Call compact{call.x.compact(), call.weight, segments};
    return differentiable("token_projection", defined(compact), {x, weight},
                          [compact](const Tensor& dy, Adjoints& into) {
                            const Gradients d = defined_backward(compact, dy.compact());
                            into.add(0, d.x);
                            into.add(1, d.weight);
                          });
  }
  return differentiable("token_projection", forward(call), {x, weight}, [call](const Tensor& dy, Adjoints& into) {
    const Tensor compact = dy.compact();
    if (into.wants(0)) into.add(0, tokens_backward(call, compact));
    if (into.wants(1)) into.add(1, weight_backward(call, compact));
  });
}

}  // namespace attune::attention
