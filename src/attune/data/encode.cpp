#include "attune/data/encode.h"

#include "attune/base/parallel.h"
#include "attune/base/profile.h"

namespace attune {

std::vector<Example> encode(const ParallelCorpus& corpus, const Tokenizer& source, const Tokenizer& target) {
  const ProfileScope scope("tokenize");
  std::vector<Example> examples(corpus.source.size());
  parallel_for(static_cast<int64_t>(examples.size()), 64, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      examples[i] = {source.encode(corpus.source[i]), target.encode(corpus.target[i])};
    }
  });
  return examples;
}

}  // namespace attune
