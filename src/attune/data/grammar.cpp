#include "attune/data/grammar.h"

#include <algorithm>
#include <sstream>
#include <unordered_set>

#include "attune/base/check.h"
#include "attune/data/grammar_sentence.h"

namespace attune {
namespace {

std::vector<std::string> split(std::string_view text) {
  std::istringstream stream{std::string(text)};
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

}  // namespace

GeneratedPair make_grammar_pair(uint64_t seed, uint64_t index) {
  return grammar::make_sentence(Rng(seed).stream("grammar").stream(index));
}

GeneratedCorpus make_grammar_corpus(const GrammarOptions& options) {
  check(options.train >= 0 && options.valid >= 0 && options.test >= 0,
        "make_grammar_corpus: train, valid and test are counts of sentences, at least 0; got ", options.train, ", ",
        options.valid, ", ", options.test);
  GeneratedCorpus corpus;
  std::unordered_set<std::string> seen;
  uint64_t index = 0;
  for (auto [part, count] : {std::pair{&corpus.test, options.test}, std::pair{&corpus.valid, options.valid},
                             std::pair{&corpus.train, options.train}}) {
    while (part->size() < static_cast<size_t>(count)) {
      GeneratedPair pair = make_grammar_pair(options.seed, index++);
      if (seen.insert(pair.source).second) part->push_back(std::move(pair));
    }
  }
  return corpus;
}

std::map<std::string, std::string> grammar_dictionary(const std::vector<GeneratedPair>& pairs) {
  std::map<std::string, std::map<std::string, int>> counts;
  for (const GeneratedPair& pair : pairs) {
    const std::vector<std::string> source = split(pair.source), target = split(pair.target);
    std::vector<std::string> translations(source.size());
    for (const auto& [i, j] : pair.alignment) {
      std::string& words = translations[static_cast<size_t>(i)];
      words += (words.empty() ? "" : " ") + target[static_cast<size_t>(j)];
    }
    for (size_t i = 0; i < source.size(); ++i) ++counts[source[i]][translations[i]];
  }
  std::map<std::string, std::string> dictionary;
  for (const auto& [word, translations] : counts) {
    dictionary[word] = std::ranges::max_element(translations, {}, [](const auto& item) { return item.second; })->first;
  }
  return dictionary;
}

std::string translate_word_by_word(std::string_view source, const std::map<std::string, std::string>& dictionary) {
  std::string target;
  for (const std::string& word : split(source)) {
    const auto found = dictionary.find(word);
    const std::string& translation = found == dictionary.end() ? word : found->second;
    if (!translation.empty()) target += (target.empty() ? "" : " ") + translation;
  }
  return target;
}

}  // namespace attune
