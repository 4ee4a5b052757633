#include "attune/train/bag_of_words.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <functional>
#include <numeric>

#include "attune/base/check.h"
#include "attune/base/profile.h"
#include "attune/ops/softmax.h"
#include "attune/text/unicode.h"

namespace attune {
namespace {

using Vector = std::vector<double>;
using Objective = std::function<double(const Vector& x, Vector& gradient)>;

double dot(const Vector& a, const Vector& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

void add_scaled(Vector& into, double factor, const Vector& x) {
  for (size_t i = 0; i < into.size(); ++i) {
    into[i] += factor * x[i];
  }
}

// The last steps and how the gradient changed over them: an approximation of the inverse Hessian.
struct Curvature {
  struct Pair {
    Vector step, change;
    double product;
  };
  std::deque<Pair> pairs;

  void add(Vector step, Vector change) {
    constexpr size_t kept = 10;
    const double product = dot(step, change);
    if (product > 0) {
      pairs.push_back({std::move(step), std::move(change), product});
    }
    if (pairs.size() > kept) {
      pairs.pop_front();
    }
  }

  // The two loops of L-BFGS.
  Vector direction(const Vector& gradient) const {
    Vector d(gradient.size());
    add_scaled(d, -1, gradient);
    Vector shares(pairs.size());
    for (size_t i = pairs.size(); i-- > 0;) {
      shares[i] = dot(pairs[i].step, d) / pairs[i].product;
      add_scaled(d, -shares[i], pairs[i].change);
    }
    const double scale = pairs.empty() ? 1 / std::sqrt(dot(gradient, gradient))
                                       : pairs.back().product / dot(pairs.back().change, pairs.back().change);
    std::for_each(d.begin(), d.end(), [&](double& value) { value *= scale; });
    for (size_t i = 0; i < pairs.size(); ++i) {
      add_scaled(d, shares[i] - dot(pairs[i].change, d) / pairs[i].product, pairs[i].step);
    }
    return d;
  }
};

// Of a smooth convex function; backtracks until each step has done a share of what its slope promises.
void minimise(Vector& x, const Objective& objective) {
  constexpr int most_steps = 500, most_halvings = 40;
  constexpr double promised = 1e-4, small = 1e-6;  // small: against the first gradient
  Vector gradient(x.size());
  double value = objective(x, gradient);
  const double enough = small * std::sqrt(dot(gradient, gradient));
  Curvature curvature;
  for (int step = 0; step < most_steps && std::sqrt(dot(gradient, gradient)) > enough; ++step) {
    const Vector direction = curvature.direction(gradient);
    const double slope = dot(direction, gradient);
    Vector next, next_gradient(x.size());
    double next_value = 0, rate = 1;
    bool fell = false;
    for (int halving = 0; halving < most_halvings && !fell; ++halving, rate /= 2) {
      next = x;
      add_scaled(next, rate, direction);
      next_value = objective(next, next_gradient);
      fell = next_value <= value + promised * rate * slope;
    }
    if (!fell) {
      return;  // as low as rounding lets it
    }
    Vector moved = next, change = next_gradient;
    add_scaled(moved, -1, x);
    add_scaled(change, -1, gradient);
    curvature.add(std::move(moved), std::move(change));
    x = std::move(next);
    gradient = std::move(next_gradient);
    value = next_value;
  }
}

void keep_once(std::vector<int>& ids) {
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
}

// Of each text, whose words are `rows`: the logarithms of its classes' probabilities, [rows, classes].
Tensor log_probabilities_of(std::span<const std::vector<int>> rows, const Vector& weights, size_t classes) {
  Tensor scores = Tensor::empty({std::ssize(rows), static_cast<int64_t>(classes)}, DType::float64);
  auto row = scores.data<double>();
  for (size_t i = 0; i < rows.size(); ++i, row = row.subspan(classes)) {
    std::copy(weights.end() - static_cast<std::ptrdiff_t>(classes), weights.end(), row.begin());
    for (const int id : rows[i]) {
      for (size_t c = 0; c < classes; ++c) {
        row[c] += weights[static_cast<size_t>(id) * classes + c];
      }
    }
  }
  return log_softmax(scores);
}

struct Regression {
  size_t classes;
  double l2;
};

// The loss of all texts, whose words are `rows`, and its gradient.
double loss_of(std::span<const std::vector<int>> rows, std::span<const int> labels, const Regression& regression,
               const Vector& weights, Vector& gradient) {
  const size_t classes = regression.classes, biases = weights.size() - classes;
  double loss = 0;
  for (size_t i = 0; i < biases; ++i) {
    loss += regression.l2 / 2 * weights[i] * weights[i];
    gradient[i] = regression.l2 * weights[i];
  }
  std::fill(gradient.begin() + static_cast<std::ptrdiff_t>(biases), gradient.end(), 0);
  const Tensor logs = log_probabilities_of(rows, weights, classes);
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto row = logs.data<double>().subspan(i * classes, classes);
    const auto gold = static_cast<size_t>(labels[i]);
    loss -= row[gold];
    for (size_t c = 0; c < classes; ++c) {
      const double error = std::exp(row[c]) - (c == gold ? 1 : 0);
      gradient[biases + c] += error;
      for (const int id : rows[i]) {
        gradient[static_cast<size_t>(id) * classes + c] += error;
      }
    }
  }
  return loss;
}

}  // namespace

BagOfWords::BagOfWords(std::span<const std::string> texts, std::span<const int> labels, int classes,
                       const BagOfWordsOptions& options)
    : options_(options), classes_(static_cast<size_t>(classes)) {
  const ProfileScope scope("bag_of_words");
  check(texts.size() == labels.size() && !texts.empty(), "bag of words: ", texts.size(), " texts and ", labels.size(),
        " labels; expected as many of both, at least 1");
  check(options.l2 > 0, "bag of words: l2 must be above 0, got ", options.l2);
  for (const int label : labels) {
    check(label >= 0 && label < classes, "bag of words: label ", label, " of ", classes, " classes");
  }
  std::vector<std::vector<int>> rows;
  for (const std::string& text : texts) {
    const std::string lowered = options.lowercase ? lowercase(text) : text;
    rows.emplace_back();
    for (const std::string_view word : split_whitespace(lowered)) {
      rows.back().push_back(words_.try_emplace(std::string(word), static_cast<int>(words_.size())).first->second);
    }
    keep_once(rows.back());
  }
  weights_.resize((words_.size() + 1) * classes_);
  const auto objective = [&](const Vector& weights, Vector& gradient) {
    return loss_of(rows, labels, {classes_, options.l2}, weights, gradient);
  };
  minimise(weights_, objective);
}

std::vector<int> BagOfWords::ids(std::string_view text) const {
  const std::string prepared = options_.lowercase ? lowercase(text) : std::string(text);
  std::vector<int> known;
  for (const std::string_view word : split_whitespace(prepared)) {
    const auto found = words_.find(std::string(word));
    if (found != words_.end()) {
      known.push_back(found->second);
    }
  }
  keep_once(known);
  return known;
}

std::vector<double> BagOfWords::log_probabilities(std::string_view text) const {
  const std::vector<int> known = ids(text);
  const Tensor logs = log_probabilities_of(std::span(&known, 1), weights_, classes_);
  const auto row = logs.data<double>();
  return {row.begin(), row.end()};
}

}  // namespace attune
