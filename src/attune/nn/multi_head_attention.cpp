#include "attune/nn/multi_head_attention.h"

#include <algorithm>
#include <vector>

#include "attune/base/profile.h"
#include "attune/ops/reshape.h"

namespace attune {

namespace {

// Keys and values of what each row has read so far: [rows * capacity, heads, head width], row i's tokens from
// i * capacity on. The capacity doubles when it is used up.
struct GrowingState : MixerState {
  int rows = 0, length = 0, capacity = 0;
  Tensor keys, values;

  void reorder(std::span<const int> from) override {
    const ProfileScope scope("reorder_cache");
    if (keys) {
      move_to(from, capacity);
    }
    rows = static_cast<int>(from.size());
  }
  void reserve(const Shape& token) {
    if (!keys || length == capacity) {
      const ProfileScope scope("grow_cache");
      std::vector<int> same(static_cast<size_t>(rows));
      for (int i = 0; i < rows; ++i) {
        same[static_cast<size_t>(i)] = i;
      }
      if (!keys) {
        keys = Tensor::empty({0, token[1], token[2]});
        values = keys;
      }
      move_to(same, std::max(16, 2 * capacity));
    }
  }
  void move_to(std::span<const int> from, int new_capacity) {
    for (Tensor* cache : {&keys, &values}) {
      const int64_t token = cache->size(1) * cache->size(2);
      Tensor moved = Tensor::empty({static_cast<int64_t>(from.size()) * new_capacity, cache->size(1), cache->size(2)});
      for (size_t i = 0; i < from.size() && length > 0; ++i) {
        ProfileScope::count(0, static_cast<double>(2 * length * token * int64_t{sizeof(float)}));
        std::copy_n(cache->pointer<float>() + from[i] * int64_t{capacity} * token, length * token,
                    moved.pointer<float>() + static_cast<int64_t>(i) * new_capacity * token);
      }
      *cache = moved;
    }
    capacity = new_capacity;
  }
};

// Keys and values of a fixed memory; beams of one source read the same rows.
struct FixedState : MixerState {
  Tensor keys, values;
  Segments memory;
  std::vector<int> source_of;

  void reorder(std::span<const int> from) override {
    std::vector<int> moved;
    for (int row : from) {
      moved.push_back(source_of[static_cast<size_t>(row)]);
    }
    source_of = std::move(moved);
  }
};

}  // namespace

MultiHeadAttention::MultiHeadAttention(const MixerOptions& options)
    : options_(options),
      normaliser_(attention::normaliser_of_name(options.normaliser)),
      query_({options.width, options.width, options.biases}, options.initialiser),
      key_({options.width, options.width, options.biases}, options.initialiser),
      value_({options.width, options.width, options.biases}, options.initialiser),
      output_({options.width, options.width, options.biases}, options.initialiser) {}

Tensor MultiHeadAttention::in_heads(const Tensor& x) const {
  return reshape(x, {x.size(0), options_.heads, options_.width / options_.heads});
}

attention::Options MultiHeadAttention::attention_options(const Pass& pass) const {
  attention::Options result;
  result.mask.causal = options_.causal;
  result.normaliser = normaliser_;
  if (pass.dropout && options_.dropout > 0) {
    result.dropout = {options_.dropout, pass.dropout};
  }
  return result;
}

Tensor MultiHeadAttention::operator()(const Tensor& x, const Segments& queries, const Tensor& memory,
                                      const Segments& keys, const Pass& pass) const {
  const Tensor q = in_heads(query_(x, pass)), k = in_heads(key_(memory, pass)), v = in_heads(value_(memory, pass));
  const attention::Options options = attention_options(pass);
  if (pass.probe != nullptr) {
    for (int s = 0; s < queries.count(); ++s) {
      pass.offer("weights." + std::to_string(s), attention::scaled_dot_weights(q, k, queries, keys, s, options));
    }
  }
  const Tensor mixed = attention::scaled_dot(q, k, v, queries, keys, options).out;
  return output_(reshape(mixed, {x.size(0), options_.width}), pass);
}

std::unique_ptr<MixerState> MultiHeadAttention::begin(int rows) const {
  auto state = std::make_unique<GrowingState>();
  state->rows = rows;
  return state;
}

std::unique_ptr<MixerState> MultiHeadAttention::begin(const Tensor& memory, const Segments& keys,
                                                      std::span<const int> source_of, const Pass& pass) const {
  auto state = std::make_unique<FixedState>();
  state->keys = in_heads(key_(memory, pass));
  state->values = in_heads(value_(memory, pass));
  state->memory = keys;
  state->source_of.assign(source_of.begin(), source_of.end());
  return state;
}

Tensor MultiHeadAttention::step(const Tensor& x, MixerState& state, const Pass& pass) const {
  const auto rows = static_cast<int>(x.size(0));
  const Segments queries = Segments::equal(rows, 1);
  const Tensor q = in_heads(query_(x, pass));
  attention::Options options = attention_options(pass);
  options.mask.causal = false;  // all that has been read is the past
  Tensor mixed;
  if (auto* fixed = dynamic_cast<FixedState*>(&state)) {
    std::vector<int64_t> begins;
    std::vector<int> lengths;
    for (int source : fixed->source_of) {
      begins.push_back(fixed->memory.begin(source));
      lengths.push_back(fixed->memory.length(source));
    }
    const Segments keys = Segments::at(std::move(begins), std::move(lengths), fixed->keys.size(0));
    mixed = attention::scaled_dot(q, fixed->keys, fixed->values, queries, keys, options).out;
  } else {
    auto& growing = dynamic_cast<GrowingState&>(state);
    const Tensor k = in_heads(key_(x, pass)), v = in_heads(value_(x, pass));
    growing.reserve(k.shape());
    std::vector<int64_t> begins;
    for (int64_t row = 0; row < rows; ++row) {
      const int64_t at = (row * growing.capacity + growing.length) * options_.width;
      std::copy_n(k.pointer<float>() + row * options_.width, options_.width, growing.keys.pointer<float>() + at);
      std::copy_n(v.pointer<float>() + row * options_.width, options_.width, growing.values.pointer<float>() + at);
      begins.push_back(row * growing.capacity);
    }
    ++growing.length;
    const Segments keys = Segments::at(std::move(begins), std::vector<int>(static_cast<size_t>(rows), growing.length),
                                       growing.keys.size(0));
    mixed = attention::scaled_dot(q, growing.keys, growing.values, queries, keys, options).out;
  }
  return output_(reshape(mixed, {x.size(0), options_.width}), pass);
}

void MultiHeadAttention::collect(Parameters& list, const std::string& name) {
  visit(*this, [&](const char* part, auto& module) { detail::collect(list, name + "." + part, module); });
}

}  // namespace attune
