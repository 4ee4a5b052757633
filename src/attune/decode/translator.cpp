#include "attune/decode/translator.h"

#include <algorithm>
#include <utility>

#include "attune/base/option_checks.h"
#include "attune/base/parallel.h"
#include "attune/base/profile.h"

namespace attune {

namespace {

// Batches of a stream that are in memory at a time: enough to find lines of like length.
constexpr int batches_read = 16;

// Lines to translate, the longest first (what needs most memory fails at once), equal ones in input order.
std::vector<size_t> by_length(const std::vector<Translation>& translations) {
  std::vector<size_t> order;
  for (size_t i = 0; i < translations.size(); ++i) {
    if (!translations[i].source_ids.empty() && !translations[i].too_long) {
      order.push_back(i);
    }
  }
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return translations[a].source_ids.size() > translations[b].source_ids.size();
  });
  return order;
}

std::vector<Translation> encoded(std::span<const std::string> lines, const Tokenizer& tokenizer, int longest) {
  const ProfileScope scope("tokenize");
  std::vector<Translation> translations(lines.size());
  parallel_for(static_cast<int64_t>(lines.size()), 64, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      translations[i].source_ids = tokenizer.encode(lines[i]);
      translations[i].too_long = longest > 0 && translations[i].source_ids.size() > static_cast<size_t>(longest);
    }
  });
  return translations;
}

AlignmentOptions alignment_options(const TranslateOptions& options) {
  return {.layer = options.alignment_layer, .head = options.alignment_head, .batch_size = options.batch_size};
}

}  // namespace

void check_options(const TranslateOptions& options) {
  check_options(options.search);
  check_whole("batch-size", options.batch_size, {1, 1'000'000});
  check_whole("max-source-length", options.max_source_length, {0});
}

void check_options(const TranslateOptions& options, const ModelConfig& config) {
  check_options(options);
  const AlignmentOptions alignment = alignment_options(options), otherwise;
  if (options.alignment || alignment.layer != otherwise.layer || alignment.head != otherwise.head) {
    check_options(alignment, config);
  }
}

std::vector<Translation> Translator::translate(std::span<const std::string> lines, const TranslateOptions& options,
                                               const SentenceProgress& progress) const {
  check_options(options, model_.config());
  std::vector<Translation> translations = encoded(lines, source_, options.max_source_length);
  const std::vector<size_t> order = by_length(translations);
  auto done = static_cast<int64_t>(lines.size() - order.size());
  for (size_t begin = 0; begin < order.size(); begin += static_cast<size_t>(options.batch_size)) {
    const auto batch =
        std::span(order).subspan(begin, std::min(static_cast<size_t>(options.batch_size), order.size() - begin));
    std::vector<std::vector<int>> sources;
    for (const size_t i : batch) {
      sources.push_back(translations[i].source_ids);
    }
    std::vector<std::vector<Hypothesis>> found = search(model_, sources, options.search);
    const ProfileScope scope("detokenize");
    for (size_t k = 0; k < batch.size(); ++k) {
      for (Hypothesis& best : found[k]) {
        translations[batch[k]].candidates.push_back(
            {target_.decode(best.ids), best.score, best.log_probability, std::move(best.ids), best.cut_short});
      }
    }
    done += static_cast<int64_t>(batch.size());
    if (progress) {
      progress(done, static_cast<int64_t>(lines.size()));
    }
  }
  if (options.alignment) {
    align(translations, options);
  }
  for (Translation& translation : translations) {
    if (translation.candidates.empty()) {
      translation.candidates.emplace_back();
    }
  }
  return translations;
}

// Reads each source with its finished outputs once more, for the cross-attention.
void Translator::align(std::span<Translation> translations, const TranslateOptions& options) const {
  const ProfileScope scope("align");
  std::vector<Example> pairs;
  std::vector<WordsOfPieces> words;
  for (const Translation& translation : translations) {
    for (const Candidate& candidate : translation.candidates) {
      pairs.push_back({translation.source_ids, candidate.ids});
      words.push_back({source_.word_of_piece(translation.source_ids), target_.word_of_piece(candidate.ids)});
    }
  }
  std::vector<Alignment> alignments = align_words(model_, pairs, words, alignment_options(options));
  size_t pair = 0;
  for (Translation& translation : translations) {
    for (Candidate& candidate : translation.candidates) {
      candidate.alignment = std::move(alignments[pair++]);
    }
  }
}

Translator::Summary Translator::translate_stream(
    const std::function<std::optional<std::string>()>& next, const TranslateOptions& options,
    const std::function<void(const std::string& line, const Translation&)>& emit) const {
  check_options(options, model_.config());
  const size_t most = static_cast<size_t>(options.batch_size) * batches_read;
  Summary summary;
  for (bool more = true; more;) {
    std::vector<std::string> lines;
    while (lines.size() < most) {
      std::optional<std::string> line = next();
      more = line.has_value();
      if (!more) {
        break;
      }
      lines.push_back(std::move(*line));
    }
    const std::vector<Translation> translations = translate(lines, options);
    for (size_t i = 0; i < lines.size(); ++i) {
      const Candidate& best = translations[i].candidates.front();
      summary.lines += 1;
      summary.pieces += static_cast<int64_t>(best.ids.size());
      summary.cut_short += best.cut_short ? 1 : 0;
      summary.too_long += translations[i].too_long ? 1 : 0;
      emit(lines[i], translations[i]);
    }
  }
  return summary;
}

}  // namespace attune
