#include "attune/data/label_examples.h"

#include "attune/base/parallel.h"
#include "attune/base/profile.h"

namespace attune {

std::vector<Example> encode_texts(std::span<const std::string> texts, const Tokenizer& tokenizer,
                                  const TextOptions& options) {
  const ProfileScope scope("encode_corpus");
  std::vector<Example> examples(texts.size());
  parallel_for(static_cast<int64_t>(texts.size()), 64, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      std::vector<int>& ids = examples[static_cast<size_t>(i)].source;
      ids = tokenizer.encode(texts[static_cast<size_t>(i)]);
      if (options.first_token) {
        ids.insert(ids.begin(), bos_id);
      }
    }
  });
  return examples;
}

WordExamples encode_words(std::span<const std::vector<std::string>> sentences, const Tokenizer& tokenizer) {
  const ProfileScope scope("encode_corpus");
  WordExamples result;
  result.examples.resize(sentences.size());
  result.first_pieces.resize(sentences.size());
  parallel_for(static_cast<int64_t>(sentences.size()), 64, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      std::vector<int>& ids = result.examples[i].source;
      for (const std::string& word : sentences[i]) {
        const std::vector<int> pieces = tokenizer.encode(word);
        result.first_pieces[i].push_back(static_cast<int32_t>(ids.size()));
        ids.insert(ids.end(), pieces.begin(), pieces.end());
        if (pieces.empty()) {
          ids.push_back(unk_id);
        }
      }
    }
  });
  return result;
}

BatchOptions without_targets(BatchOptions options) {
  options.needs_target = false;
  return options;
}

}  // namespace attune
