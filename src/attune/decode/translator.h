// Lines of text to translations in the same order: encodes, batches lines of like length, searches, decodes, and aligns
// words when asked. An empty or blank line gives an empty translation.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "attune/decode/alignment.h"
#include "attune/decode/scorer.h"
#include "attune/decode/search.h"
#include "attune/metrics/alignment.h"
#include "attune/text/tokenizer.h"

namespace attune {

struct TranslateOptions {
  SearchOptions search = {};
  int batch_size = 32;           // sentences
  int max_source_length = 1024;  // pieces; longer lines get an empty translation and are counted; 0: no limit
  bool alignment = false;
  int alignment_layer = AlignmentOptions{}.layer, alignment_head = AlignmentOptions{}.head;

  template <class Self, class Each>
  static void visit(Self& self, Each&& each) {
    SearchOptions::visit(self.search, each);
    each("batch-size", self.batch_size, "sentences translated together; the output does not depend on it");
    each("max-source-length", self.max_source_length,
         "lines of more pieces are not translated: they give an empty line and are reported; 0: no limit");
    each("alignment", self.alignment, "also give which source word each output word looked at most (Pharaoh: 0-0 1-2)");
    each("alignment-layer", self.alignment_layer,
         "decoder layer whose cross-attention aligns, from 0; -1: the mean of all; -2: the last but one");
    each("alignment-head", self.alignment_head, "the head of it that aligns, from 0; -1: the mean of all");
  }
};

// Throws a UsageError; the second form also when the model cannot do what is asked.
void check_options(const TranslateOptions& options);
void check_options(const TranslateOptions& options, const ModelConfig& config);

struct Candidate {
  std::string text;
  double score = 0;            // log_probability / length penalty
  double log_probability = 0;  // of the pieces and </s>, natural logarithm
  std::vector<int> ids;        // without </s>
  bool cut_short = false;      // the longest output was reached before the model's own </s>
  Alignment alignment = {};    // of whitespace words, only when asked for
};

struct Translation {
  std::vector<Candidate> candidates;  // 1 ... n_best, the best first
  std::vector<int> source_ids;        // without </s>
  bool too_long = false;              // above max_source_length: not translated
};

class Translator {
 public:
  // Borrows all three.
  Translator(const Model& model, const Tokenizer& source, const Tokenizer& target)
      : model_(model), source_(source), target_(target) {}

  // In the order of the lines.
  std::vector<Translation> translate(std::span<const std::string> lines, const TranslateOptions& options,
                                     const SentenceProgress& progress = {}) const;

  // For streams: takes lines from `next` until it has none, some batches at a time, and hands over each translation in
  // the order of the lines. Returns what should be reported.
  struct Summary {
    int64_t lines = 0;
    int64_t pieces = 0;     // of the best candidates, without </s>
    int64_t cut_short = 0;  // best candidates cut short at the longest output
    int64_t too_long = 0;   // lines above max_source_length, which were not translated
  };
  Summary translate_stream(const std::function<std::optional<std::string>()>& next, const TranslateOptions& options,
                           const std::function<void(const std::string& line, const Translation&)>& emit) const;

 private:
  void align(std::span<Translation> translations, const TranslateOptions& options) const;

  const Model& model_;
  const Tokenizer& source_;
  const Tokenizer& target_;
};

}  // namespace attune
