// The numbers that an explanation starts from: given ones, those of the built-in example, or drawn ones.
#pragma once

#include "attune/explain/explain.h"
#include "attune/explain/mechanism_page.h"

namespace attune::explain {

struct Example {
  Setting setting;
  std::vector<std::string> tokens, states, memory;
  Quantities inputs;
};

// target: what the loss is given beside the mechanism's result, "T" or "dY".
Example make_example(const ExplainOptions& options, const Given& given, const MechanismPage& page,
                     const std::string& target);

}  // namespace attune::explain
