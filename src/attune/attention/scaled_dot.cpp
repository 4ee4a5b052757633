#include "attune/attention/scaled_dot.h"

#include <array>
#include <cmath>
#include <string>

#include "attune/attention/scaled_dot_terms.h"
#include "attune/autograd/tape.h"
#include "attune/base/option_checks.h"
#include "attune/base/profile.h"

namespace attune::attention {

namespace {

struct NormaliserName {
  Normaliser normaliser;
  std::string_view name;
};
constexpr std::array<NormaliserName, 5> normaliser_names{{{Normaliser::softmax, "softmax"},
                                                          {Normaliser::relu, "relu"},
                                                          {Normaliser::relu_mean, "relu_mean"},
                                                          {Normaliser::relu_sum, "relu_sum"},
                                                          {Normaliser::sigmoid, "sigmoid"}}};

// A mask or bias of one entry per (head, query, key).
void check_per_pair(const char* what, const Tensor& x, const Segments& queries, const Segments& keys, int heads) {
  check(x.rank() == 3 && (x.size(0) == 1 || x.size(0) == heads) && x.size(1) >= queries.longest() &&
            x.size(2) >= keys.longest(),
        "scaled_dot: ", what, " has shape ", x.shape(), ", expected [1 or ", heads, ", ", queries.longest(),
        " or more, ", keys.longest(), " or more]: heads, longest query, longest key");
}

void check_per_head(const char* what, const Tensor& x, int rank, int heads) {
  check(x.rank() == rank && x.size(0) == heads, "scaled_dot: ", what, " has shape ", x.shape(), ", expected ", heads,
        rank == 1 ? " slopes, one per head" : " rows, one per head");
}

void check_options(const Options& options, const Segments& queries, const Segments& keys, const Sizes& sizes,
                   DType dtype) {
  const Mask& mask = options.mask;
  check(!mask.left || *mask.left >= 0, "scaled_dot: the mask's left reach is ", mask.left.value_or(0),
        ", expected >= 0");
  check(!mask.right || *mask.right >= 0, "scaled_dot: the mask's right reach is ", mask.right.value_or(0),
        ", expected >= 0");
  if (mask.allowed) {
    check(mask.allowed.dtype() == DType::boolean, "scaled_dot: the explicit mask holds ", name_of(mask.allowed.dtype()),
          ", expected boolean");
    check_per_pair("the explicit mask", mask.allowed, queries, keys, sizes.heads);
  }
  if (mask.pattern) check_pattern(*mask.pattern, mask.causal, sizes.heads, queries, keys);
  check(options.softcap >= 0, "scaled_dot: softcap is ", options.softcap, ", expected 0 (none) or more");
  check(options.dropout.rate >= 0 && options.dropout.rate < 1, "scaled_dot: the dropout rate is ", options.dropout.rate,
        ", expected 0 <= rate < 1");
  const Tensor* bias = nullptr;
  if (const auto* dense = std::get_if<DenseBias>(&options.bias)) {
    bias = &dense->value;
    check_per_pair("the bias", *bias, queries, keys, sizes.heads);
  } else if (const auto* slopes = std::get_if<Slopes>(&options.bias)) {
    bias = &slopes->value;
    check_per_head("the slopes", *bias, 1, sizes.heads);
  } else if (const auto* buckets = std::get_if<Buckets>(&options.bias)) {
    bias = &buckets->value;
    check_per_head("the bucket biases", *bias, 2, sizes.heads);
    const int64_t exact = bias->size(1) / (buckets->bidirectional ? 4 : 2);
    check(exact >= 1 && buckets->max_distance > exact, "scaled_dot: ", bias->size(1), " buckets with max_distance ",
          buckets->max_distance, ": expected at least ", buckets->bidirectional ? 4 : 2, " buckets and max_distance > ",
          exact);
  } else if (const auto* offsets = std::get_if<Offsets>(&options.bias)) {
    bias = &offsets->value;
    check_per_head("the biases by offset", *bias, 2, sizes.heads);
    const int64_t count = bias->size(1);
    check(count >= 1 && (count % 2 == 1 || !offsets->bidirectional), "scaled_dot: ", count,
          " biases by offset, expected ", offsets->bidirectional ? "an odd number, offset 0 in the middle" : "some");
  }
  const DType expected = dtype == DType::bfloat16 ? DType::float32 : dtype;
  check(bias == nullptr || bias->dtype() == expected, "scaled_dot: the bias holds ",
        name_of(bias != nullptr ? bias->dtype() : dtype), ", expected ", name_of(expected), " with queries of ",
        name_of(dtype));
}

}  // namespace

std::string_view name_of(Normaliser normaliser) {
  return normaliser_names[static_cast<size_t>(normaliser)].name;
}

Normaliser normaliser_of_name(std::string_view name) {
  return entry_of_word("normaliser", name, normaliser_names, &NormaliserName::name).normaliser;
}

Sizes checked_sizes(const Tensor& q, const Tensor& k, const Tensor& v, const Segments& queries, const Segments& keys,
                    const Options& options) {
  check(q.rank() == 3 && k.rank() == 3 && v.rank() == 3, "scaled_dot: expected q, k, v of [rows, heads, depth], came ",
        q.shape().text(), ", ", k.shape(), ", ", v.shape());
  check(q.dtype() == k.dtype() && q.dtype() == v.dtype(), "scaled_dot: q, k, v hold ", attune::name_of(q.dtype()), ", ",
        attune::name_of(k.dtype()), ", ", attune::name_of(v.dtype()), ": expected one type");
  check(q.size(2) == k.size(2), "scaled_dot: the queries' depth (", q.size(2), ") differs from the keys' (", k.size(2),
        ")");
  check(k.size(0) == v.size(0) && k.size(1) == v.size(1), "scaled_dot: keys ", k.shape(), " and values ",
        v.shape().text(), " differ in rows or heads");
  check(k.size(1) > 0 && q.size(1) % k.size(1) == 0, "scaled_dot: kv heads (", k.size(1), ") must divide heads (",
        q.size(1), ")");
  check(queries.count() == keys.count(), "scaled_dot: ", queries.count(), " query sequences but ", keys.count(),
        " key sequences");
  check(queries.rows() == q.size(0), "scaled_dot: the query segments cover ", queries.rows(), " rows, q has ",
        q.size(0));
  check(keys.rows() == k.size(0), "scaled_dot: the key segments cover ", keys.rows(), " rows, k has ", k.size(0));
  check(queries.disjoint(), "scaled_dot: query segments overlap; only keys may coincide");
  const Sizes sizes{q.size(0),
                    k.size(0),
                    static_cast<int>(q.size(1)),
                    static_cast<int>(k.size(1)),
                    static_cast<int>(q.size(2)),
                    static_cast<int>(v.size(2))};
  check(sizes.depth > 0 || options.scale, "scaled_dot: depth 0 needs an explicit scale");
  check_options(options, queries, keys, sizes, q.dtype());
  return sizes;
}

double scale_of(const Options& options, const Sizes& sizes) {
  return options.scale.value_or(1.0 / std::sqrt(static_cast<double>(sizes.depth)));
}

cpu::BlockMask block_mask_of(const Sizes& sizes, const Segments& queries, const Segments& keys,
                             const Options& options) {
  if (!options.mask.pattern) return {};
  const bool may_reorder = std::holds_alternative<std::monostate>(options.bias) && !options.mask.allowed;
  return {options.mask, queries, keys, sizes.heads, sizes.kv_heads, may_reorder};
}

double forward_flops(const Sizes& sizes, const Segments& queries, const Segments& keys, const Mask& mask) {
  const double each = 2.0 * (sizes.depth + sizes.value_depth);
  if (mask.pattern) {
    return each * static_cast<double>(block_mask_of(sizes, queries, keys, {.mask = mask}).pairs());
  }
  double pairs = 0;
  for (int s = 0; s < queries.count(); ++s) {
    for (int i = 0; i < queries.length(s); ++i) {
      const KeyRange range = visible_keys(mask, i, queries.length(s), keys.length(s));
      pairs += range.end - range.begin;
    }
  }
  return each * pairs * sizes.heads;
}

const Tensor* bias_of(const Options& options) {
  if (const auto* dense = std::get_if<DenseBias>(&options.bias)) return &dense->value;
  if (const auto* slopes = std::get_if<Slopes>(&options.bias)) return &slopes->value;
  if (const auto* buckets = std::get_if<Buckets>(&options.bias)) return &buckets->value;
  if (const auto* offsets = std::get_if<Offsets>(&options.bias)) return &offsets->value;
  return nullptr;
}

Attended scaled_dot(const Tensor& q, const Tensor& k, const Tensor& v, const Segments& queries, const Segments& keys,
                    const Options& options) {
  if (q.dtype() == DType::float64) {
    return scaled_dot_definition(q, k, v, queries, keys, options);
  }
  const Sizes sizes = checked_sizes(q, k, v, queries, keys, options);
  const ProfileScope scope("scaled_dot");
  if (scope.recording()) {
    scope.count(forward_flops(sizes, queries, keys, options.mask), 2 * q.bytes() + k.bytes() + v.bytes());
  }
  cpu::Fused inputs{detach(q), detach(k), detach(v), queries,
                    keys,      options,   sizes,     block_mask_of(sizes, queries, keys, options)};
  cpu::FusedForward forward = cpu::fused_forward(inputs);
  std::vector<Tensor> ys{forward.out};
  if (forward.log_sum_exp) {
    ys.push_back(forward.log_sum_exp);
  }
  std::vector<Tensor> xs{q, k, v};
  const Tensor* bias = bias_of(options);
  if (bias != nullptr) {
    xs.push_back(*bias);
  }
  // saved: the statistics of each row, from which the backward rebuilds the weights, and out
  ys = differentiable("scaled_dot", std::move(ys), std::move(xs),
                      [inputs, forward, biased = bias != nullptr](std::span<const Tensor> dys, Adjoints& into) {
                        if (ProfileScope::recording()) {
                          const double once =
                              forward_flops(inputs.sizes, inputs.queries, inputs.keys, inputs.options.mask);
                          ProfileScope::count(backward_per_forward * once,
                                              4 * inputs.q.bytes() + 2 * inputs.k.bytes() + 2 * inputs.v.bytes());
                        }
                        const Tensor dlse = dys.size() > 1 ? dys[1] : Tensor();
                        const bool wants_bias = biased && into.wants(3);
                        auto gradients = cpu::fused_backward(inputs, forward, dys[0], dlse, wants_bias);
                        into.add(0, gradients.q);
                        into.add(1, gradients.k);
                        into.add(2, gradients.v);
                        if (wants_bias) into.add(3, gradients.bias);
                      });
  return {ys[0], ys.size() > 1 ? ys[1] : Tensor()};
}

}  // namespace attune::attention
