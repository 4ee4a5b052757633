#include "attune/nn/projected_mixer.h"

#include <array>

#include "attune/autograd/tape.h"
#include "attune/base/check.h"
#include "attune/nn/attention_state.h"
#include "attune/nn/joined_linear.h"
#include "attune/ops/reshape.h"

namespace attune {

namespace {

// [tokens, heads, tokens]: one token's value is 1 in its own place.
Tensor unit_values(int64_t tokens, int64_t heads, DType dtype) {
  Tensor values = Tensor::zeros({tokens, heads * tokens}, dtype);
  for (int64_t i = 0; i < tokens; ++i) {
    for (int64_t h = 0; h < heads; ++h) {
      values.rows_view(i, 1).columns_view(h * tokens + i, 1).fill(1);
    }
  }
  return values.viewed({tokens, heads, tokens});
}

}  // namespace

ProjectedMixer::ProjectedMixer(std::string_view word, const MixerOptions& options, Keys keys)
    : word_(word),
      causal_(options.causal),
      heads_(options.heads),
      depth_(options.width / options.heads),
      query_({options.width, options.width, options.biases}, options.initialiser),
      key_(keys == Keys::own ? Linear({options.width, options.width, options.biases}, options.initialiser) : Linear()),
      value_({options.width, options.width, options.biases}, options.initialiser),
      output_({options.width, options.width, options.biases}, options.initialiser) {}

Tensor ProjectedMixer::in_heads(const Tensor& x) const {
  return reshape(x, {x.size(0), heads_, depth_});
}

Tensor ProjectedMixer::put_out(const Tensor& mixed, const Pass& pass) const {
  return output_(reshape(mixed, {mixed.size(0), heads_ * depth_}), pass);
}

Tensor ProjectedMixer::operator()(const Tensor& x, const Segments& queries, const Tensor&, const Segments&,
                                  const Pass& pass) const {
  pass.offer("input", x);
  const Tensor q = in_heads(query_(x, pass)), k = key_.weight ? in_heads(key_(x, pass)) : q;
  const Tensor v = in_heads(value_(x, pass));
  const Rows rows{x, q, k, v, queries};
  offer_weights(rows, pass);
  const Tensor mixed = attend(rows, pass);
  if (has_one_value_each()) {
    pass.offer("values", v);
    pass.offer("mixed", mixed);
  }
  return put_out(mixed, pass);
}

// A mixture is a sum over values, so that mixing unit values gives its weights.
void ProjectedMixer::offer_weights(const Rows& rows, const Pass& pass) const {
  const NoTape unrecorded;
  for (int s = 0; pass.probe != nullptr && s < rows.segments.count(); ++s) {
    const int64_t begin = rows.segments.begin(s), length = rows.segments.length(s);
    const Tensor x = rows.x.rows_view(begin, length), q = rows.q.rows_view(begin, length),
                 k = rows.k.rows_view(begin, length), v = unit_values(length, heads_, rows.v.dtype());
    const Segments one = Segments::of_lengths(std::array{static_cast<int>(length)});
    const Rows of_one{x, q, k, v, one, true};
    pass.offer("weights." + std::to_string(s), by_head(attend(of_one, {})));
    for (const auto& [name, part] : parts(of_one)) {
      pass.offer("parts." + std::string(name) + "." + std::to_string(s), part);
    }
  }
}

ProjectedMixer::Parts ProjectedMixer::parts(const Rows&) const {
  return {};
}

Tensor ProjectedMixer::by_head(const Tensor& x) {
  const int64_t rows = x.size(0), heads = x.size(1), columns = x.size(2);
  Tensor result = Tensor::zeros({heads, rows, columns});
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t h = 0; h < heads; ++h) {
      for (int64_t j = 0; j < columns; ++j) {
        result.data<float>()[static_cast<size_t>((h * rows + i) * columns + j)] =
            static_cast<float>(x.at((i * heads + h) * columns + j));
      }
    }
  }
  return result;
}

std::unique_ptr<MixerState> ProjectedMixer::begin(int rows) const {
  check(causal_, "the mixer ", word_, " that sees the whole sequence cannot read its own past");
  return start(rows);
}

std::unique_ptr<MixerState> ProjectedMixer::start(int) const {
  fail("the mixer ", word_, " has no causal form");
}

std::unique_ptr<MixerState> ProjectedMixer::begin(const Tensor&, const Segments&, std::span<const int>,
                                                  const Pass&) const {
  fail("the mixer ", word_, " mixes its own sequence, it cannot read another one");
}

Tensor ProjectedMixer::step(const Tensor&, MixerState&, const Pass&) const {
  fail("the mixer ", word_, " has no causal form");
}

ProjectedMixer::Projected ProjectedMixer::project_step(const Tensor& x, const Pass& pass) const {
  const Heads heads{heads_, depth_};
  if (!key_.weight) {
    const Tensor joined = joined_linear(x, std::array<const Linear*, 2>{&query_, &value_}, pass);
    const Tensor q = part_in_heads(joined, 0, heads);
    return {q, q, part_in_heads(joined, 1, heads)};
  }
  const Tensor joined = joined_linear(x, std::array<const Linear*, 3>{&query_, &key_, &value_}, pass);
  return {part_in_heads(joined, 0, heads), part_in_heads(joined, 1, heads), part_in_heads(joined, 2, heads)};
}

void ProjectedMixer::collect(Parameters& list, const std::string& name) {
  detail::collect(list, name + ".query", query_);
  if (key_.weight) {
    detail::collect(list, name + ".key", key_);
  }
  detail::collect(list, name + ".value", value_);
  detail::collect(list, name + ".output", output_);
}

MixerCost projected_cost(const MixerOptions& options) {
  const int64_t width = options.width;
  // Queries, keys, values and the mixture.
  return {.per_query = 2 * width * width,
          .per_key = 2 * width * width,
          .kept = 4 * width,
          .kept_for_products = width,
          .readers = 3};
}

}  // namespace attune
