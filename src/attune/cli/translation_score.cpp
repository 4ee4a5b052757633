#include "attune/cli/translation_score.h"

#include "attune/cli/console.h"

namespace attune::cli {

std::vector<std::string> texts_of(const std::vector<Translation>& translations) {
  std::vector<std::string> texts;
  for (const Translation& translation : translations) {
    texts.push_back(translation.candidates.front().text);
  }
  return texts;
}

Bleu translation_bleu(const Model& model, const Tokenizers& tokenizers, const ParallelCorpus& corpus,
                      const SearchOptions& search, const std::string& purpose) {
  TranslateOptions options;
  options.search = search;
  const auto translations = Translator(model, *tokenizers.source, *tokenizers.target)
                                .translate(corpus.source, options, [&](int64_t done, int64_t total) {
                                  show_progress(fmt::format("{}: {} of {} sentences translated", purpose, done, total));
                                });
  show_progress("");
  const bool tokenised = model.config().tokenizer == "words";
  const BleuOptions how{tokenised ? Tokenization::none : Tokenization::mteval_13a, model.config().lowercase};
  return bleu(texts_of(translations), std::span(&corpus.target, 1), how);
}

}  // namespace attune::cli
