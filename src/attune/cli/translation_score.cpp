#include "attune/cli/translation_score.h"

#include <algorithm>

#include "attune/cli/console.h"

namespace attune::cli {

std::vector<std::string> texts_of(const std::vector<Translation>& translations) {
  std::vector<std::string> texts;
  for (const Translation& translation : translations) {
    texts.push_back(translation.candidates.front().text);
  }
  return texts;
}

std::vector<std::string> translated_texts(const Model& model, const Tokenizers& tokenizers,
                                          const std::vector<std::string>& sources, const SearchOptions& search,
                                          const std::string& purpose) {
  TranslateOptions options;
  options.search = search;
  const auto translations = Translator(model, *tokenizers.source, *tokenizers.target)
                                .translate(sources, options, [&](int64_t done, int64_t total) {
                                  show_progress(fmt::format("{}: {} of {} sentences translated", purpose, done, total));
                                });
  show_progress("");
  const auto too_long =
      std::count_if(translations.begin(), translations.end(), [](const auto& t) { return t.too_long; });
  if (too_long > 0) {
    warn("{}: {} of {} sentences have more than {} pieces and count as empty translations", purpose, too_long,
         translations.size(), options.max_source_length);
  }
  return texts_of(translations);
}

BleuOptions bleu_options(const ModelConfig& config) {
  return {config.tokenizer == "words" ? Tokenization::none : Tokenization::mteval_13a, config.lowercase};
}

Bleu translation_bleu(const Model& model, const Tokenizers& tokenizers, const ParallelCorpus& corpus,
                      const SearchOptions& search, const std::string& purpose) {
  return bleu(translated_texts(model, tokenizers, corpus.source, search, purpose), std::span(&corpus.target, 1),
              bleu_options(model.config()));
}

}  // namespace attune::cli
