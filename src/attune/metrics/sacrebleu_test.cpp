// BLEU and chrF against the numbers that tests/goldens/make_metrics_golden.py got from sacreBLEU.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "attune/metrics/bleu.h"
#include "attune/metrics/chrf.h"

namespace attune {
namespace {

using Lines = std::vector<std::string>;
using Json = nlohmann::json;

const Json& golden() {
  static const Json json = [] {
    std::ifstream file(ATTUNE_SOURCE_DIR "/tests/goldens/metrics_golden.json");
    return Json::parse(file);
  }();
  return json;
}

void expect_case(const Json& expected, const Lines& hypotheses, const std::vector<Lines>& references) {
  SCOPED_TRACE(expected.dump());
  const bool lowercase = expected["lowercase"].get<bool>();
  if (expected["metric"] == "chrf") {
    const Chrf got = chrf(hypotheses, references, {.lowercase = lowercase});
    EXPECT_NEAR(got.score, expected["score"].get<double>(), 1e-9);
    EXPECT_EQ(got.signature, expected["signature"]);
    return;
  }
  const Tokenization tokenization = tokenization_from_name(expected["tokenize"].get<std::string>());
  const Bleu got = bleu(hypotheses, references, {.tokenization = tokenization, .lowercase = lowercase});
  EXPECT_NEAR(got.score, expected["score"].get<double>(), 1e-9);
  for (size_t n = 0; n < 4; ++n) EXPECT_NEAR(got.precisions[n], expected["precisions"][n].get<double>(), 1e-9);
  EXPECT_NEAR(got.brevity_penalty, expected["brevity_penalty"].get<double>(), 1e-12);
  EXPECT_EQ(got.hypothesis_length, expected["hypothesis_length"]);
  EXPECT_EQ(got.reference_length, expected["reference_length"]);
  EXPECT_EQ(details(got), expected["details"]);
  EXPECT_EQ(got.signature, expected["signature"]);
}

// As damaged() of the golden script.
Lines damaged(const Lines& sentences) {
  Lines lines;
  for (size_t i = 0; i < sentences.size(); ++i) {
    Lines words;
    size_t index = 0;
    std::istringstream sentence(sentences[i]);
    for (std::string word; std::getline(sentence, word, ' '); ++index) {
      if ((index + i) % 7 != 0) words.push_back(word);
    }
    if (i % 5 == 0 && words.size() > 3) std::swap(words[1], words[2]);
    std::string line;
    for (const std::string& word : words) line += (line.empty() ? "" : " ") + word;
    if (i % 7 == 0) {
      std::transform(line.begin(), line.end(), line.begin(),
                     [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
    }
    lines.push_back(line);
  }
  return lines;
}

TEST(SacreBleu, scores_of_single_sentences_are_equal) {
  ASSERT_GE(golden()["groups"].size(), 40U);
  for (const Json& group : golden()["groups"]) {
    SCOPED_TRACE(group.dump());
    const Lines hypothesis = {group["hypothesis"].get<std::string>()};
    std::vector<Lines> references;
    for (const Json& reference : group["references"]) references.push_back({reference.get<std::string>()});
    size_t next = 0;
    for (const Tokenization tokenization : {Tokenization::mteval_13a, Tokenization::none}) {
      for (const bool lowercase : {false, true}) {
        EXPECT_NEAR(bleu(hypothesis, references, {.tokenization = tokenization, .lowercase = lowercase}).score,
                    group["scores"][next++].get<double>(), 1e-9);
      }
    }
    for (const bool lowercase : {false, true}) {
      EXPECT_NEAR(chrf(hypothesis, references, {.lowercase = lowercase}).score, group["scores"][next++].get<double>(),
                  1e-9);
    }
  }
}

TEST(SacreBleu, corpus_scores_with_one_two_and_three_references_are_equal) {
  for (const Json& corpus : golden()["corpora"]) {
    Lines hypotheses;
    std::vector<Lines> references(corpus["references"].get<size_t>());
    for (const Json& group : golden()["groups"]) {
      hypotheses.push_back(group["hypothesis"].get<std::string>());
      for (size_t r = 0; r < references.size(); ++r) {
        references[r].push_back(group["references"][r % group["references"].size()].get<std::string>());
      }
    }
    for (const Json& expected : corpus["cases"]) expect_case(expected, hypotheses, references);
  }
}

TEST(SacreBleu, scores_of_a_real_test_set_are_equal) {
  const std::string path = ATTUNE_SOURCE_DIR "/../shared/data/multi30k/test_2016.en";
  std::ifstream file(path);
  if (!file) GTEST_SKIP() << "needs Multi30k's English test set at " << path;
  Lines sentences;
  for (std::string line; std::getline(file, line);) sentences.push_back(line);
  Lines rotated = sentences;
  std::rotate(rotated.begin(), rotated.begin() + 1, rotated.end());
  const Lines hypotheses = damaged(sentences);
  for (const Json& expected : golden()["multi30k"]["one"]) expect_case(expected, hypotheses, {sentences});
  for (const Json& expected : golden()["multi30k"]["two"]) expect_case(expected, hypotheses, {sentences, rotated});
}

}  // namespace
}  // namespace attune
