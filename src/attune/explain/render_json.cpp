#include <cmath>
#include <nlohmann/json.hpp>

#include "attune/explain/equation.h"
#include "attune/explain/grid.h"
#include "attune/explain/render.h"

namespace attune::explain {

namespace {

using Json = nlohmann::ordered_json;

Json nested(const Tensor& value, int axis, int64_t& element) {
  if (axis == value.rank()) {
    const double number = value.at(element++);
    return std::isfinite(number) ? Json(number) : Json();
  }
  Json list = Json::array();
  for (int64_t i = 0; i < value.size(axis); ++i) {
    list.push_back(nested(value, axis + 1, element));
  }
  return list;
}

Json nested(const Tensor& value, Convention convention) {
  int64_t element = 0;
  return nested(transposed_if_columns(value, convention).compact(), 0, element);
}

void add_labels(Json& step, const char* key, const std::vector<std::string>& labels) {
  if (!labels.empty()) {
    step[key] = labels;
  }
}

}  // namespace

std::string as_json(const Explanation& explanation, const RenderOptions& options) {
  Json steps = Json::array();
  for (const Section& section : explanation.sections) {
    for (const Step& step : section.steps) {
      Json json;
      json["name"] = step.name;
      json["equation"] = plain_equation(equation_of(step, options), options.convention);
      json["shape"] = Json::array();
      const Tensor value = transposed_if_columns(step.value, options.convention);
      for (const int64_t extent : value.shape().sizes()) {
        json["shape"].push_back(extent);
      }
      json["value"] = nested(step.value, options.convention);
      if (step.finite_difference) {
        json["finite_difference"] = nested(step.finite_difference, options.convention);
      }
      const bool columns = options.convention == Convention::column;
      add_labels(json, "rows", columns ? step.labels.columns : step.labels.rows);
      add_labels(json, "columns", columns ? step.labels.rows : step.labels.columns);
      steps.push_back(std::move(json));
    }
  }
  return Json{{"steps", steps}}.dump(1) + "\n";
}

}  // namespace attune::explain
