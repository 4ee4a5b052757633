#include "attune/inspect/attribution.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <optional>
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

// One attention: weights [heads, queries, keys], values [keys, heads, depth], mixed [queries, heads, depth]; of a
// recurrent decoder, which has one head, values [keys, depth] and mixed [1, depth] of every step.
struct Attending {
  AttentionKind kind;
  int layer;
  Tensor weights, values;
  std::vector<Tensor> mixed;
};

AttentionKind gradient_of(AttentionKind attention) {
  return attention == AttentionKind::encoder   ? AttentionKind::encoder_gradient
         : attention == AttentionKind::decoder ? AttentionKind::decoder_gradient
                                               : AttentionKind::cross_gradient;
}

// One forward under a tape that remembers the source's embeddings, the weights and what every head mixed.
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
    const auto of_part = [&](std::string_view part) {
      const auto found =
          name.ends_with(part) ? attention_module_of(name.substr(0, name.size() - part.size())) : std::nullopt;
      return found && found->kind <= AttentionKind::cross ? found : std::nullopt;  // no tiny attention
    };
    if (const auto weighs = of_part(".weights.0")) {
      attending_of(*weighs).weights = value.clone();
    } else if (const auto reads = of_part(".values")) {
      attending_of(*reads).values = value;
    } else if (const auto mixes = of_part(".mixed")) {
      attending_of(*mixes).mixed.push_back(value);
      tape_.watch(value);
    }
  }

  Attending& attending_of(const AttentionModule& module) {
    const auto known = std::find_if(attending_.begin(), attending_.end(), [&](const Attending& each) {
      return each.kind == module.kind && each.layer == module.layer;
    });
    return known != attending_.end() ? *known
                                     : attending_.emplace_back(Attending{module.kind, module.layer, {}, {}, {}});
  }

  Tape tape_;
  Batch batch_;
  Tensor embedding_, hidden_, slopes_;
  std::vector<Attending> attending_;
};

AttentionMap made_map(AttentionKind kind, int layer, int head, int queries, int keys) {
  AttentionMap map{kind, layer, head, queries, keys, {}, {}, {}, {}};
  map.weights.resize(static_cast<size_t>(queries) * static_cast<size_t>(keys));
  return map;
}

std::vector<double> numbers_of(const Tensor& x) {
  std::vector<double> numbers(static_cast<size_t>(x.elements()));
  for (size_t i = 0; i < numbers.size(); ++i) {
    numbers[i] = x.at(static_cast<int64_t>(i));
  }
  return numbers;
}

double dot(std::span<const double> a, std::span<const double> b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

// The rows of one attention as plain numbers.
class Rows {
 public:
  explicit Rows(const Attending& attending)
      : attending_(attending),
        heads_(attending.weights.size(0)),
        queries_(attending.weights.size(1)),
        keys_(attending.weights.size(2)),
        depth_(attending.values.elements() / (keys_ * heads_)),
        weights_(numbers_of(attending.weights)),
        values_(numbers_of(attending.values)) {}

  const Attending& attending() const { return attending_; }
  int heads() const { return static_cast<int>(heads_); }
  int queries() const { return static_cast<int>(queries_); }
  int keys() const { return static_cast<int>(keys_); }
  double weight(int head, int query, int key) const {
    return weights_[static_cast<size_t>((head * queries_ + query) * keys_ + key)];
  }
  std::span<const double> value(int key, int head) const { return row(values_, key, head); }
  // Of what a query's head mixed; `mixed` as mixed_gradients() gives them.
  std::span<const double> row(std::span<const double> mixed, int at, int head) const {
    return mixed.subspan(static_cast<size_t>((at * heads_ + head) * depth_), static_cast<size_t>(depth_));
  }

  // [queries, heads, depth], 0 where nothing depends on a step.
  std::vector<double> mixed_gradients(const Gradients& gradients) const {
    std::vector<double> all;
    for (const Tensor& mixed : attending_.mixed) {
      const Tensor gradient = gradients.of(mixed);
      const std::vector<double> some =
          gradient ? numbers_of(gradient) : std::vector<double>(static_cast<size_t>(mixed.elements()));
      all.insert(all.end(), some.begin(), some.end());
    }
    return all;
  }

 private:
  const Attending& attending_;
  int64_t heads_, queries_, keys_, depth_;
  std::vector<double> weights_, values_;
};

void add_weight_gradients(const Rows& rows, const Gradients& whole, const ModelConfig& config,
                          std::vector<AttentionMap>& maps) {
  const std::vector<double> gradients = rows.mixed_gradients(whole);
  for (int head = 0; head < rows.heads(); ++head) {
    AttentionMap map = made_map(rows.attending().kind, rows.attending().layer, head, rows.queries(), rows.keys());
    const auto fill = [&](auto&& value) {
      for (int i = 0, cell = 0; i < map.queries; ++i) {
        for (int j = 0; j < map.keys; ++j, ++cell) {
          map.weights[static_cast<size_t>(cell)] = map.is_hidden(i, j) ? 0.0F : static_cast<float>(value(i, j));
        }
      }
    };
    fill([&](int i, int j) { return rows.weight(head, i, j); });
    map.hidden = hidden_cells(map, config);
    fill([&](int i, int j) { return dot(rows.row(gradients, i, head), rows.value(j, head)); });
    map.kind = gradient_of(map.kind);
    maps.push_back(std::move(map));
  }
}

// Adds sum_i A_ij d log p_t / d A_ij of every head to row t.
void add_weights_times_gradient(const Rows& rows, const Gradients& of_piece, int t, AttentionMap& into) {
  const std::vector<double> gradients = rows.mixed_gradients(of_piece);
  for (int head = 0; head < rows.heads(); ++head) {
    for (int j = 0; j < into.keys; ++j) {
      double sum = 0;
      for (int i = 0; i <= t; ++i) {  // log p_t depends on no later query
        const double weight = rows.weight(head, i, j);
        sum += weight == 0 ? 0 : weight * dot(rows.row(gradients, i, head), rows.value(j, head));
      }
      into.weights[static_cast<size_t>(t) * static_cast<size_t>(into.keys) + static_cast<size_t>(j)] +=
          static_cast<float>(sum);
    }
  }
}

// Row t: x_j . d log p_t / d x_j
void add_input_times_gradient(const Tensor& x, const Gradients& of_piece, int t, AttentionMap& into) {
  const Tensor gradient = of_piece.of(x);
  const auto width = static_cast<size_t>(x.size(1));
  const std::vector<double> numbers = numbers_of(x), slopes = gradient ? numbers_of(gradient) : numbers;
  for (size_t j = 0; gradient && j < static_cast<size_t>(into.keys); ++j) {
    into.weights[static_cast<size_t>(t) * static_cast<size_t>(into.keys) + j] = static_cast<float>(
        dot(std::span(slopes).subspan(j * width, width), std::span(numbers).subspan(j * width, width)));
  }
}

// The views that differentiate each written piece's log-probability by itself.
void add_pieces(Recorded& recorded, const std::vector<Rows>& rows, std::vector<AttentionMap>& maps) {
  std::optional<AttentionMap> by_attention, by_input;
  std::vector<const Rows*> cross;
  for (const Rows& each : rows) {
    if (each.attending().kind == AttentionKind::cross) {
      cross.push_back(&each);
      by_attention = made_map(AttentionKind::attention_gradient, -1, -1, recorded.written(), each.keys());
    }
  }
  const Tensor& x = recorded.embedding();
  if (x) {
    by_input = made_map(AttentionKind::input_gradient, -1, -1, recorded.written(), static_cast<int>(x.size(0)));
  }
  for (int t = 0; t < recorded.written() && (by_attention || by_input); ++t) {
    const Gradients of_piece = recorded.of_piece(t);
    for (const Rows* each : cross) {
      add_weights_times_gradient(*each, of_piece, t, *by_attention);
    }
    if (by_input) {
      add_input_times_gradient(x, of_piece, t, *by_input);
    }
  }
  for (auto* map : {&by_attention, &by_input}) {
    if (*map) {
      maps.push_back(std::move(**map));
    }
  }
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
    std::vector<Rows> rows;
    for (const Attending& attending : recorded.attending()) {
      if (!attending.mixed.empty()) {  // else it only averages
        rows.emplace_back(attending);
      }
    }
    if (!rows.empty()) {
      const Gradients whole = recorded.whole();
      for (const Rows& each : rows) {
        add_weight_gradients(each, whole, model.config(), maps);
      }
    }
    add_pieces(recorded, rows, maps);
  }
  maps.push_back(removal(model, pair));
  std::stable_sort(maps.begin(), maps.end(), [](const auto& a, const auto& b) { return a.kind < b.kind; });
  for (AttentionMap& map : maps) {
    map.statistics = statistics_of(map);
  }
  return maps;
}

}  // namespace attune
