#include "attune/inspect/differences.h"

#include <cmath>
#include <limits>
#include <map>
#include <numeric>

#include "attune/base/check.h"
#include "attune/ops/linear.h"

namespace attune {

namespace {

struct Output {
  std::string module;
  Tensor value;
};

std::vector<Output> outputs_of(const ComparedModel& compared, const Batch& batch) {
  std::vector<Output> outputs;
  const Probe probe([&](const std::string& name, const Tensor& value) {
    if (!name.ends_with(".input")) {  // another module's output, rounded to the type of products
      outputs.push_back({name, value.clone()});
    }
  });
  const Tensor hidden = compared.model->hidden(batch, Pass{.probe = &probe, .compute = compared.compute});
  const OutputLayer output = compared.model->output();
  outputs.push_back({"logits", linear(hidden, output.weight, output.bias, {.compute = compared.compute})});
  return outputs;
}

std::vector<int64_t> place_of(const Shape& shape, int64_t element) {
  std::vector<int64_t> place(static_cast<size_t>(shape.rank()));
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    place[static_cast<size_t>(axis)] = element % shape[axis];
    element /= shape[axis];
  }
  return place;
}

// Not a number differs from everything but itself.
double distance(double a, double b) {
  if (std::isfinite(a) && std::isfinite(b)) {
    return std::abs(a - b);
  }
  return a == b || (std::isnan(a) && std::isnan(b)) ? 0 : std::numeric_limits<double>::infinity();
}

void widen(ModuleDifference& difference, const Tensor& a, const Tensor& b, int pair) {
  for (int64_t i = 0; i < a.elements(); ++i) {
    const double x = a.at(i), y = b.at(i);
    if (std::isfinite(x)) {
      difference.scale = std::max(difference.scale, std::abs(x));
    }
    if (distance(x, y) > difference.largest) {
      difference.largest = distance(x, y);
      difference.a = x, difference.b = y;
      difference.pair = pair;
      difference.at = place_of(a.shape(), i);
    }
  }
}

}  // namespace

double ModuleDifference::relative() const {
  return largest == 0 ? 0 : scale == 0 ? std::numeric_limits<double>::infinity() : largest / scale;
}

Differences find_differences(const ComparedModel& a, const ComparedModel& b, std::span<const Example> pairs,
                             double tolerance) {
  Differences result;
  std::map<std::string, size_t> index;  // of a module; one that runs step by step is offered under one name
  for (size_t pair = 0; pair < pairs.size(); ++pair) {
    const std::vector<int> alone{static_cast<int>(pair)};
    const Batch batch = make_batch(pairs, alone);
    const std::vector<Output> of_a = outputs_of(a, batch), of_b = outputs_of(b, batch);
    for (size_t i = 0; i < std::max(of_a.size(), of_b.size()); ++i) {
      const auto text = [i](const std::vector<Output>& outputs) {
        return i < outputs.size() ? outputs[i].module + " " + outputs[i].value.shape().text() : "nothing more";
      };
      check_usage(text(of_a) == text(of_b), "the models are not made of the same modules: the first has ", text(of_a),
                  " where the second has ", text(of_b));
      const auto [known, added] = index.try_emplace(of_a[i].module, result.modules.size());
      if (added) {
        result.modules.emplace_back().module = of_a[i].module;
      }
      widen(result.modules[known->second], of_a[i].value, of_b[i].value, static_cast<int>(pair));
    }
  }
  for (size_t i = 0; i < result.modules.size() && !result.first; ++i) {
    if (result.modules[i].relative() > tolerance) {
      result.first = i;
    }
  }
  return result;
}

}  // namespace attune
