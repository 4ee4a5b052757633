// The steps of an explanation, for tests.
#pragma once

#include <string>
#include <vector>

#include "attune/base/check.h"
#include "attune/explain/explanation.h"

namespace attune::explain {

inline std::vector<Step> steps_of(const Explanation& explanation) {
  std::vector<Step> steps;
  for (const Section& section : explanation.sections) {
    steps.insert(steps.end(), section.steps.begin(), section.steps.end());
  }
  return steps;
}

inline const Step& step_named(const std::vector<Step>& steps, const std::string& name) {
  for (const Step& step : steps) {
    if (step.name == name) {
      return step;
    }
  }
  fail("no step is called ", name);
}

}  // namespace attune::explain
