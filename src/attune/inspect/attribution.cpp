#include "attune/inspect/attribution.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "attune/autograd/tape.h"
#include "attune/inspect/attention_module.h"
#include "attune/inspect/attention_statistics.h"
#include "attune/ops/arithmetic.h"
#include "attune/ops/cross_entropy.h"
#include "attune/ops/linear.h"
#include "attune/ops/matmul.h"
#include "attune/ops/softmax.h"

namespace attune {

namespace {

// One attention of multi-head attention: values [keys, heads, depth], mixed [queries, heads, depth].
struct Attending {
  AttentionKind kind;
  int layer;
  Tensor values, mixed;
};

AttentionKind gradient_of(AttentionKind attention) {
  return attention == AttentionKind::encoder   ? AttentionKind::encoder_gradient
         : attention == AttentionKind::decoder ? AttentionKind::decoder_gradient
                                               : AttentionKind::cross_gradient;
}

// One forward under a tape that remembers the source's embeddings and what every head mixed.
class Recorded {
 public:
  Recorded(const Model& model, const Example& pair) : batch_(make_batch(std::span(&pair, 1), std::array{0})) {
    const Probe probe([&](const std::string& name, const Tensor& value) { receive(name, value); });
    hidden_ = model.hidden(batch_, {.probe = &probe});
    const NoTape pause;
    const OutputLayer output = model.output();
    // d log p_t / d logits = onehot - softmax
    Tensor slopes = scale(softmax(linear(hidden_, output.weight, output.bias)), -1);
    for (int64_t t = 0; t < slopes.size(0); ++t) {
      add_one(slopes, t * slopes.size(1) + batch_.target_output[static_cast<size_t>(t)]);
    }
    slopes_ = matmul(slopes, output.weight);  // [written, width]
  }

  const Tensor& embedding() const { return embedding_; }
  const std::vector<Attending>& attending() const { return attending_; }
  int written() const { return static_cast<int>(slopes_.size(0)); }

  // Of log p of the whole translation, or of one written piece.
  Gradients whole() { return tape_.backward(std::span(&hidden_, 1), std::span(&slopes_, 1)); }
  Gradients of_piece(int t) {
    Tensor seed = Tensor::zeros(slopes_.shape(), slopes_.dtype());
    dispatch_floating(seed.dtype(), [&](auto zero) {
      using T = decltype(zero);
      const auto from = std::as_const(slopes_).template data<T>();
      const auto to = seed.template data<T>();
      const auto width = static_cast<size_t>(slopes_.size(1)), begin = static_cast<size_t>(t) * width;
      std::copy_n(from.begin() + static_cast<std::ptrdiff_t>(begin), width,
                  to.begin() + static_cast<std::ptrdiff_t>(begin));
    });
    return tape_.backward(std::span(&hidden_, 1), std::span(&seed, 1));
  }

 private:
  static void add_one(Tensor& values, int64_t at) {
    dispatch_floating(values.dtype(), [&](auto zero) {
      values.template data<decltype(zero)>()[static_cast<size_t>(at)] += decltype(zero)(1);
    });
  }

  void receive(std::string_view name, const Tensor& value) {
    if (name == "encoder.embedding.rows") {
      embedding_ = value;
      tape_.watch(value);
      return;
    }
    const size_t dot = name.rfind('.');
    const auto where = dot == std::string_view::npos ? std::nullopt : attention_module_of(name.substr(0, dot));
    if (where && name.ends_with(".values")) {
      attending_.push_back({gradient_of(where->kind), where->layer, value, {}});
    } else if (where && name.ends_with(".mixed")) {
      attending_.back().mixed = value;
      tape_.watch(value);
    }
  }

  Tape tape_;
  Batch batch_;
  Tensor embedding_, hidden_, slopes_;
  std::vector<Attending> attending_;
};

double dot(const Tensor& a, int64_t a_begin, const Tensor& b, int64_t b_begin, int64_t count) {
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) {
    sum += a.at(a_begin + i) * b.at(b_begin + i);
  }
  return sum;
}

AttentionMap made_map(AttentionKind kind, int layer, int head, int queries, int keys) {
  AttentionMap map{kind, layer, head, queries, keys, {}, {}, {}, {}};
  map.weights.resize(static_cast<size_t>(queries) * static_cast<size_t>(keys));
  return map;
}

void add_weight_gradients(const Attending& attending, const Tensor& gradient, std::vector<AttentionMap>& maps) {
  const int queries = static_cast<int>(gradient.size(0)), keys = static_cast<int>(attending.values.size(0));
  const int64_t heads = gradient.size(1), depth = gradient.size(2);
  for (int head = 0; head < static_cast<int>(heads); ++head) {
    AttentionMap map = made_map(attending.kind, attending.layer, head, queries, keys);
    for (int i = 0; i < queries; ++i) {
      for (int j = 0; j < keys; ++j) {
        const bool hidden = looks_at_target(attending.kind) && j > i;
        if (looks_at_target(attending.kind)) {
          map.hidden.push_back(hidden);
        }
        if (!hidden) {
          map.weights[static_cast<size_t>(i) * static_cast<size_t>(keys) + static_cast<size_t>(j)] = static_cast<float>(
              dot(gradient, (i * heads + head) * depth, attending.values, (j * heads + head) * depth, depth));
        }
      }
    }
    maps.push_back(std::move(map));
  }
}

AttentionMap gradient_times_input(Recorded& recorded) {
  const Tensor& x = recorded.embedding();
  const auto keys = static_cast<int>(x.size(0));
  AttentionMap map = made_map(AttentionKind::input_gradient, -1, -1, recorded.written(), keys);
  for (int t = 0; t < recorded.written(); ++t) {
    const Tensor gradient = recorded.of_piece(t).of(x);
    for (int j = 0; j < keys && gradient; ++j) {
      map.weights[static_cast<size_t>(t) * static_cast<size_t>(keys) + static_cast<size_t>(j)] =
          static_cast<float>(dot(gradient, j * x.size(1), x, j * x.size(1), x.size(1)));
    }
  }
  return map;
}

AttentionMap removal(const Model& model, const Example& pair) {
  const auto keys = static_cast<int>(pair.source.size()), written = static_cast<int>(pair.target.size()) + 1;
  AttentionMap map = made_map(AttentionKind::removal, -1, -1, written, keys);
  const OutputLayer output = model.output();
  const auto log_probabilities = [&](const Example& each) {
    const Batch batch = make_batch(std::span(&each, 1), std::array{0});
    return token_log_probabilities(model.hidden(batch, {}), output.weight, output.bias, batch.target_output);
  };
  const std::vector<float> whole = log_probabilities(pair);
  for (int j = 0; j < keys; ++j) {
    Example rest = pair;
    rest.source.erase(rest.source.begin() + j);
    const std::vector<float> without = log_probabilities(rest);
    for (int t = 0; t < written; ++t) {
      map.weights[static_cast<size_t>(t) * static_cast<size_t>(keys) + static_cast<size_t>(j)] =
          whole[static_cast<size_t>(t)] - without[static_cast<size_t>(t)];
    }
  }
  return map;
}

}  // namespace

std::vector<AttentionMap> attribute(const Model& model, const Example& pair) {
  std::vector<AttentionMap> maps;
  {
    Recorded recorded(model, pair);
    if (recorded.embedding()) {
      const Gradients whole = recorded.whole();
      for (const Attending& attending : recorded.attending()) {
        if (const Tensor gradient = whole.of(attending.mixed)) {
          add_weight_gradients(attending, gradient, maps);
        }
      }
      maps.push_back(gradient_times_input(recorded));
    }
  }
  maps.push_back(removal(model, pair));
  std::stable_sort(maps.begin(), maps.end(), [](const auto& a, const auto& b) { return a.kind < b.kind; });
  for (AttentionMap& map : maps) {
    map.statistics = statistics_of(map);
  }
  return maps;
}

}  // namespace attune
