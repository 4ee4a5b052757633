#include <fmt/format.h>

#include <algorithm>

#include "attune/base/option_checks.h"
#include "attune/decode/search.h"
#include "attune/explain/topics.h"
#include "attune/text/control_characters.h"

namespace attune::explain {

namespace {

constexpr int longest_label = 60;

// "→ ein Hund"
std::string label_of(const SearchStep::Candidate& candidate, const Tokenizer& tokenizer) {
  const char* mark = candidate.fate == SearchStep::Fate::lives      ? "→"
                     : candidate.fate == SearchStep::Fate::finished ? "■"
                                                                    : "×";
  const bool ends = candidate.ids.back() == eos_id;
  return fmt::format("{} {}{}", mark, tokenizer.decode(candidate.ids), ends ? " </s>" : "");
}

Step step_of(const SearchStep& search, int number, const Tokenizer& tokenizer, int most) {
  const size_t shown = std::min(search.candidates.size(), static_cast<size_t>(most));
  Step step{.name = fmt::format("step_{}", number),
            .equation = fmt::format("log p(y_(1...{}) | x)", number),
            .text = "beam.step",
            .arguments = {std::to_string(shown), std::to_string(search.candidates.size())},
            .value = Tensor::empty({static_cast<int64_t>(shown), 1}, DType::float64),
            .all_rows = true};
  step.labels.longest = longest_label;
  for (size_t i = 0; i < shown; ++i) {
    step.value.data<double>()[i] = search.candidates[i].log_probability;
    step.labels.rows.push_back(label_of(search.candidates[i], tokenizer));
  }
  return step;
}

Step results_of(const std::vector<Hypothesis>& found, const Tokenizer& tokenizer) {
  Step step{.name = "results",
            .equation = "log p,  score",
            .text = "beam.results",
            .value = Tensor::empty({static_cast<int64_t>(found.size()), 2}, DType::float64),
            .all_rows = true};
  step.labels.longest = longest_label;
  step.labels.columns = {"log p", "score"};
  for (size_t i = 0; i < found.size(); ++i) {
    step.value.data<double>()[2 * i] = found[i].log_probability;
    step.value.data<double>()[2 * i + 1] = found[i].score;
    step.labels.rows.push_back(tokenizer.decode(found[i].ids));
  }
  return step;
}

}  // namespace

Explanation explain_beam(const LoadedModel& model, const BeamOptions& options) {
  check_whole("candidates", options.candidates, {1, 12});
  const std::vector<int> source = model.tokenizers.source->encode(options.sentence);
  check(!source.empty(), "explain beam: the sentence has no pieces");
  const Tokenizer& tokenizer = *model.tokenizers.target;
  Section tree{"section.beam", {}};
  const auto found = search(*model.model, std::span(&source, 1), options.search, [&](const SearchStep& step) {
    tree.steps.push_back(step_of(step, static_cast<int>(tree.steps.size()) + 1, tokenizer, options.candidates));
  });
  return {"title.beam",
          "beam.introduction",
          {std::to_string(options.search.beam_size), with_visible_controls(options.sentence)},
          {tree, {"section.beam.results", {results_of(found.front(), tokenizer)}}}};
}

}  // namespace attune::explain
