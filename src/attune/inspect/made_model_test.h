// For tests: a model with random weights over the words of given sentences.
#pragma once

#include <string>
#include <vector>

#include "attune/models/forms_test.h"
#include "attune/models/model_directory.h"

namespace attune::testing {

inline LoadedModel made_model(ModelConfig config, const std::vector<std::string>& sentences) {
  config.tokenizer = "words";
  config.vocab_size = 1000;
  LoadedModel loaded;
  loaded.tokenizers = train_tokenizers(config, sentences, sentences);
  config.source_vocabulary = config.target_vocabulary = loaded.tokenizers.source->vocab_size();
  loaded.model = ready(config);
  return loaded;
}

inline std::string sentence_of(int words, const std::string& word = "w") {
  std::string text;
  for (int i = 0; i < words; ++i) {
    text += (i == 0 ? "" : " ") + word + std::to_string(i % 30);
  }
  return text;
}

}  // namespace attune::testing
