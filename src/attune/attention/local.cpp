#include "attune/attention/local.h"

#include <algorithm>

#include "attune/ops/arithmetic.h"
#include "attune/ops/reshape.h"

namespace attune::attention {

namespace {

// fn(sequence, query's place in it) for every query
template <class Fn>
Tensor for_each_query(const Segments& queries, DType dtype, Fn&& fn) {
  Tensor values = Tensor::zeros({queries.rows()}, dtype);
  dispatch_floating(dtype, [&](auto zero) {
    auto into = values.data<decltype(zero)>();
    for (int s = 0; s < queries.count(); ++s) {
      for (int i = 0; i < queries.length(s); ++i) {
        into[static_cast<size_t>(queries.begin(s) + i)] = static_cast<decltype(zero)>(fn(s, i));
      }
    }
  });
  return values;
}

}  // namespace

Tensor monotonic_centre(const Segments& queries, const Segments& keys, int first, DType dtype) {
  return for_each_query(queries, dtype, [&](int s, int i) { return std::min(first + i, keys.length(s) - 1); });
}

Tensor predicted_centre(const Tensor& share, const Segments& queries, const Segments& keys) {
  const Tensor lengths = for_each_query(queries, share.dtype(), [&](int s, int) { return keys.length(s); });
  return multiply(reshape(share, {queries.rows()}), lengths);
}

}  // namespace attune::attention
