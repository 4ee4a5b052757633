// For tests: pages of mechanisms, with their defaults and in the forms that their options make.
#pragma once

#include <string>
#include <vector>

#include "attune/explain/explain.h"
#include "attune/explain/mechanism_page.h"

namespace attune::explain {

inline Explanation explained(const std::string& mechanism, const Given& given = {}) {
  ExplainOptions options;
  options.mechanism = mechanism;
  return explain_mechanism(options, given);
}

// The default of a page, and what else its options make of it.
inline std::vector<ExplainOptions> forms_of(const MechanismPage& page) {
  std::vector<ExplainOptions> forms;
  for (const bool causal : {false, true}) {
    for (const int heads : {0, 2}) {
      for (const bool other : {false, true}) {
        if ((causal && !page.form.causal) || (heads > page.form.most_heads) || (other && !page.form.long_example)) {
          continue;
        }
        ExplainOptions& options = forms.emplace_back();
        options.mechanism = page.word;
        options.causal = causal;
        options.heads = heads;
        if (other) {
          options.global_tokens = 0;
          options.sparse_pattern = "fixed";
          options.feature_kernel = "relu";
          options.features = 24;  // so many that no query is without a positive one
          options.value_kernel = 3;
          options.lsh_sees_itself = true;
        }
      }
    }
  }
  return forms;
}

}  // namespace attune::explain
