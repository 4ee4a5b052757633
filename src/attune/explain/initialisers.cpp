// What an initialiser does to signals: the variance of activations from layer to layer, and of gradients on the way
// back, through tanh and ReLU (Glorot and Bengio 2010; He et al. 2015).
#include <fmt/format.h>

#include <array>
#include <cmath>

#include "attune/autograd/gradient_check.h"
#include "attune/autograd/tape.h"
#include "attune/base/option_checks.h"
#include "attune/explain/topics.h"
#include "attune/nn/initialise.h"
#include "attune/ops/activation.h"
#include "attune/ops/arithmetic.h"
#include "attune/ops/matmul.h"

namespace attune::explain {

namespace {

constexpr std::array<const char*, 7> words{"lecun_normal", "xavier_uniform", "he_normal",  "orthogonal",
                                           "small_init",   "normal(0.02)",   "normal(0.2)"};
constexpr int kinds = static_cast<int>(words.size()), bins = 11;

double mean_square(const Tensor& x) {
  return mean(multiply(x, x)).item();
}

std::vector<Tensor> weights_of(const std::string& word, const InitialisersOptions& options) {
  std::vector<Parameter> weights(static_cast<size_t>(options.layers));
  Parameters list;
  for (size_t i = 0; i < weights.size(); ++i) {
    weights[i] = Parameter({options.width, options.width}, initialiser_of_name(word));
    list.add(fmt::format("layer.{}.weight", i), weights[i]);
  }
  list.allocate(DType::float64);
  initialise(list, Rng(options.seed));
  std::vector<Tensor> result;
  for (const Parameter& weight : weights) result.push_back(detach(weight.clone()));
  return result;
}

// Columns: initialisers. Rows: layers from the input on, or bins.
struct Figures {
  Tensor histogram, spread;
  std::array<Tensor, 2> forward, backward;  // tanh, ReLU
};

void set(Tensor& table, int64_t row, int64_t column, double value) {
  table.data<double>()[static_cast<size_t>(row * table.columns() + column)] = value;
}

// Shares in per cent of bins of half a standard deviation around 0; the outer ones hold all that lies beyond.
void add_histogram(Figures& figures, int kind, const Tensor& weight) {
  const double deviation = std::sqrt(mean_square(weight));
  std::array<int64_t, bins> counts{};
  for (int64_t i = 0; i < weight.elements(); ++i) {
    const double place = std::round(weight.at(i) / (0.5 * deviation)) + bins / 2;
    ++counts[static_cast<size_t>(std::clamp(place, 0.0, double{bins - 1}))];
  }
  for (int bin = 0; bin < bins; ++bin) {
    const double share = static_cast<double>(counts[static_cast<size_t>(bin)]) / static_cast<double>(weight.elements());
    set(figures.histogram, bin, kind, 100 * share);
  }
  set(figures.spread, 0, kind, deviation);
}

void add_layers(Figures& figures, int kind, const std::vector<Tensor>& weights, const InitialisersOptions& options) {
  for (size_t which = 0; which < 2; ++which) {
    const auto activation = which == 0 ? Activation::tanh : Activation::relu;
    const Rng rng(options.seed);
    Tape tape;
    std::vector<Tensor> signals{random_tensor({options.rows, options.width}, rng.stream("input"))};
    tape.watch(signals[0]);
    for (const Tensor& weight : weights) {
      signals.push_back(activate(matmul(signals.back(), weight, {.transpose_b = true}), activation));
      tape.watch(signals.back());
    }
    const Tensor seed = random_tensor(signals.back().shape(), rng.stream("gradient"));
    const Gradients gradients = tape.backward(std::span(&signals.back(), 1), std::span(&seed, 1));
    for (size_t layer = 0; layer < signals.size(); ++layer) {
      set(figures.forward[which], static_cast<int64_t>(layer), kind, mean_square(detach(signals[layer])));
      set(figures.backward[which], static_cast<int64_t>(layer), kind, mean_square(gradients.of(signals[layer])));
    }
  }
}

}  // namespace

Explanation explain_initialisers(const InitialisersOptions& options) {
  check_whole("width", options.width, {2, 512});
  check_whole("layers", options.layers, {1, 50});
  check_whole("rows", options.rows, {2, 512});
  const Shape by_layer{options.layers + 1, kinds};
  Figures figures{Tensor::zeros({bins, kinds}, DType::float64), Tensor::zeros({1, kinds}, DType::float64), {}, {}};
  for (size_t which = 0; which < 2; ++which) {
    figures.forward[which] = Tensor::zeros(by_layer, DType::float64);
    figures.backward[which] = Tensor::zeros(by_layer, DType::float64);
  }
  Labels shares, layers;
  for (int kind = 0; kind < kinds; ++kind) {
    const auto weights = weights_of(words[static_cast<size_t>(kind)], options);
    add_histogram(figures, kind, weights.front());
    add_layers(figures, kind, weights, options);
    shares.columns.emplace_back(words[static_cast<size_t>(kind)]);
  }
  for (int bin = 0; bin < bins; ++bin) shares.rows.push_back(fmt::format("{:+.1f} σ", 0.5 * (bin - bins / 2)));
  for (int layer = 0; layer <= options.layers; ++layer) layers.rows.push_back(std::to_string(layer));
  layers.columns = shares.columns;
  Section section{"section.initialisers", {}};
  const auto add = [&](const char* name, const char* equation, const char* text, const Tensor& value,
                       const Labels& labels) {
    section.steps.push_back(
        {.name = name, .equation = equation, .text = text, .value = value, .labels = labels, .all_rows = true});
  };
  add("deviation", "sqrt(Var(W))", "initialisers.deviation", figures.spread, {{}, shares.columns});
  add("histogram", "W", "initialisers.histogram", figures.histogram, shares);
  add("forward.tanh", "mean(h²),  h = tanh({h W'})", "initialisers.forward", figures.forward[0], layers);
  add("forward.relu", "mean(h²),  h = relu({h W'})", "initialisers.forward", figures.forward[1], layers);
  add("backward.tanh", "mean(dh²),  h = tanh({h W'})", "initialisers.backward", figures.backward[0], layers);
  add("backward.relu", "mean(dh²),  h = relu({h W'})", "initialisers.backward", figures.backward[1], layers);
  return {"title.initialisers", "initialisers.introduction", {std::to_string(options.width)}, {section}};
}

}  // namespace attune::explain
