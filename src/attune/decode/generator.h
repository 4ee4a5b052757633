// Text that a language model goes on with, piece by piece: each is drawn from what the model says of the next one, and
// fed to it. The mixers carry what was read, so that no piece is computed twice.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "attune/decode/sampling.h"
#include "attune/models/language_model.h"
#include "attune/text/tokenizer.h"

namespace attune {

struct GenerateOptions {
  int max_tokens = 256, max_lines = 0;
  SamplingOptions sampling = {};

  template <class Self, class Each>
  static void visit(Self& self, Each&& each) {
    each("max-tokens", self.max_tokens, "pieces that are generated at most");
    each("max-lines", self.max_lines, "stop behind so many line ends, of completions 1; 0: do not");
    SamplingOptions::visit(self.sampling, each);
  }
};

// Throws a UsageError naming the key, what was expected and what came.
void check_options(const GenerateOptions& options);

struct Generated {
  int64_t prompt = 0, pieces = 0;  // read (the line's end in front of a text included), and generated
  // What of the model ended at max-positions before there was all that was asked for: "positions = learned"; empty:
  // nothing.
  std::string_view cut_short_by = {};
};

// `write` is given the text as it grows, in whole characters, without the prompt. The prompt is the beginning of a
// text: what comes in front of it is a line's end. <unk> and <s> are never written. Throws when the model ends at
// max-positions and the prompt alone is longer.
Generated generate(const LanguageModel& model, const Tokenizer& tokenizer, std::string_view prompt,
                   const GenerateOptions& options, const std::function<void(std::string_view)>& write);

}  // namespace attune
