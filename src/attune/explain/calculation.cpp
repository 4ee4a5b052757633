#include "attune/explain/calculation.h"

#include <cmath>

#include "attune/autograd/gradient_check.h"
#include "attune/autograd/tape.h"
#include "attune/ops/reshape.h"

namespace attune::explain {

Calculation::Calculation(const Quantities& inputs, std::optional<Nudge> nudge)
    : inputs_(inputs),
      nudge_(std::move(nudge)),
      recorder_([this](const Recorder::Row& row) { receive(row); },
                [this](std::string_view name, const Tensor& value) { return take(name, value); }) {}

Tensor Calculation::input(const std::string& name) {
  const auto found = inputs_.find(name);
  check(found != inputs_.end(), "explain: the input ", name, " is missing");
  return keep(name, found->second);
}

Tensor Calculation::keep(const std::string& name, const Tensor& value) {
  check(values_.count(name) == 0, "explain: two quantities are called ", name);
  Tensor result = value;
  if (nudge_ && nudge_->name == name) {
    result = detach(value.clone());
    result.data<double>()[static_cast<size_t>(nudge_->element)] += nudge_->offset;
  }
  if (Tape* tape = Tape::current()) {
    tape->watch(result);
  }
  values_[name] = detach(result.clone());
  kept_[name] = result;
  return result;
}

void Calculation::expect(const std::string& handed, const std::string& name, const Shape& shape, double hidden) {
  expected_[handed] = name;
  values_[name] = Tensor::full(shape, hidden, DType::float64);
}

void Calculation::receive(const Recorder::Row& row) {
  const auto found = expected_.find(std::string(row.name).append(row.part));
  if (found == expected_.end()) {
    return;
  }
  Tensor& into = values_[found->second];
  const int64_t rows = into.size(-2), columns = into.size(-1);
  const int64_t first = (int64_t{row.head} * rows + row.row) * columns;
  for (size_t n = 0; n < row.values.size(); ++n) {
    const int64_t element = first + (row.columns.empty() ? static_cast<int64_t>(n) : row.columns[n]);
    if (nudge_ && nudge_->name == found->second && nudge_->element == element) {
      row.values[n] += nudge_->offset;
    }
    into.data<double>()[static_cast<size_t>(element)] = row.values[n];
  }
}

Tensor Calculation::take(std::string_view name, const Tensor& value) {
  if (expected_tensors_.count(name) == 0) {
    return value;
  }
  const Shape matrix{value.size(0), value.elements() / value.size(0)};
  return reshape(keep(std::string(name), reshape(value, matrix)), value.shape());
}

Calculated calculate(const Forward& forward, const Quantities& inputs) {
  Tape tape;
  Calculation calculation(inputs);
  const Tensor loss = forward(calculation);
  const Gradients gradients = tape.backward(loss);
  Calculated result;
  result.loss = loss.item();
  for (const auto& [name, tensor] : calculation.kept()) {
    if (const Tensor gradient = gradients.of(tensor)) {
      result.gradients[name] = detach(gradient.clone());
    }
  }
  for (const auto& [name, value] : calculation.values()) {
    const bool of_inside = name.size() > 1 && name[0] == 'd' && calculation.kept().count(name) == 0;
    (of_inside ? result.gradients[name.substr(1)] : result.values[name]) = value;
  }
  return result;
}

Tensor finite_difference(const Forward& forward, const Quantities& inputs, const std::string& name,
                         const Tensor& gradient) {
  Tensor result = Tensor::full(gradient.shape(), NAN, DType::float64);
  for (int64_t element = 0; element < gradient.elements(); ++element) {
    if (std::isnan(gradient.at(element))) {
      continue;
    }
    const auto loss_at = [&](double offset) {
      Calculation calculation(inputs, Calculation::Nudge{name, element, offset});
      return std::vector{forward(calculation).item()};
    };
    constexpr double step = 1e-4;
    result.data<double>()[static_cast<size_t>(element)] = central_difference(loss_at, step)[0];
  }
  return result;
}

}  // namespace attune::explain
