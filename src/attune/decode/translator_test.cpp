#include "attune/decode/translator.h"

#include <gtest/gtest.h>

#include <numeric>

#include "attune/base/check.h"
#include "attune/decode/toy_model_test.h"

namespace attune {
namespace {

const std::vector<std::string> lines = {"a b c", "", "d", "e d c b a a b c d e", "  ", "b a", "a b c", "c c c c"};

std::unique_ptr<Tokenizer> words() {
  return Tokenizer::train(std::span<const std::string>(lines), {.kind = TokenizerKind::words, .vocab_size = 100});
}

ToyModel toy(const Tokenizer& tokenizer) {
  return ToyModel(tokenizer.vocab_size(), 1.0);
}

TEST(Translator, answers_in_input_order_with_an_empty_line_for_an_empty_one) {
  const auto tokenizer = words();
  const ToyModel model = toy(*tokenizer);
  const Translator translator(model, *tokenizer, *tokenizer);
  TranslateOptions options{.search = {.n_best = 3}, .batch_size = 2};
  int64_t last = 0;
  const auto translations = translator.translate(lines, options, [&](int64_t done, int64_t total) {
    EXPECT_GT(done, last);
    EXPECT_EQ(total, 8);
    last = done;
  });
  EXPECT_EQ(last, 8);
  ASSERT_EQ(translations.size(), lines.size());
  for (size_t i = 0; i < lines.size(); ++i) {
    const auto& candidates = translations[i].candidates;
    if (i == 1 || i == 4) {
      ASSERT_EQ(candidates.size(), 1U);
      EXPECT_EQ(candidates[0].text, "");
      EXPECT_EQ(candidates[0].score, 0);
      continue;
    }
    const std::vector<int> source = tokenizer->encode(lines[i]);
    const auto expected = search(model, std::vector<std::vector<int>>{source}, options.search).front();
    EXPECT_EQ(translations[i].source_ids, source);
    ASSERT_EQ(candidates.size(), 3U);
    for (size_t k = 0; k < 3; ++k) {
      EXPECT_EQ(candidates[k].ids, expected[k].ids);
      EXPECT_EQ(candidates[k].text, tokenizer->decode(expected[k].ids));
      EXPECT_EQ(candidates[k].score, expected[k].score);
      EXPECT_EQ(candidates[k].log_probability, expected[k].log_probability);
    }
  }
  EXPECT_TRUE(translator.translate({}, options).empty());
}

TEST(Translator, streams_every_line_in_order_and_counts_what_is_cut_short) {
  const auto tokenizer = words();
  const ToyModel model(tokenizer->vocab_size(), -50);
  const Translator translator(model, *tokenizer, *tokenizer);
  const TranslateOptions options{.search = {.beam_size = 1, .max_decoding_length = 4}, .batch_size = 1};
  for (const int64_t count : {0, 1, 15, 16, 17, 40}) {  // 16 batches of one line are read at a time
    int64_t given = 0, seen = 0;
    const auto next = [&]() -> std::optional<std::string> {
      return given < count ? std::optional(lines[static_cast<size_t>(given++ % 8)]) : std::nullopt;
    };
    const auto summary = translator.translate_stream(next, options, [&](const std::string& line, const Translation& t) {
      EXPECT_EQ(line, lines[static_cast<size_t>(seen % 8)]);
      EXPECT_EQ(t.source_ids, tokenizer->encode(line));
      ++seen;
    });
    EXPECT_EQ(seen, count);
    EXPECT_EQ(summary.lines, count);
    const int64_t full = count - 2 * (count / 8) - (count % 8 > 1 ? 1 : 0) - (count % 8 > 4 ? 1 : 0);
    EXPECT_EQ(summary.cut_short, full);
    EXPECT_EQ(summary.pieces, 4 * full);
  }
}

TEST(Translator, aligns_each_output_word_with_the_source_word_it_looked_at_most) {
  const auto tokenizer = words();
  ToyModel model = toy(*tokenizer);
  // Two heads: the mean of layer 0 is highest at the query's own place, of layer 1 at the mirrored one; both put most
  // on </s>, which is no word.
  model.attention = [](int layer, int queries, int keys) {
    Tensor weights = Tensor::zeros({2, queries, keys});
    for (int head = 0; head < 2; ++head) {
      for (int i = 0; i < queries; ++i) {
        const int sources = keys - 1, at = layer == 0 ? i % sources : sources - 1 - i % sources;
        float* row = weights.data<float>().data() + (head * queries + i) * keys;
        row[keys - 1] = 0.5F;
        row[head == 0 ? at : (at + 1) % sources] += 0.3F;
        row[at] += 0.2F;
      }
    }
    return weights;
  };
  const Translator translator(model, *tokenizer, *tokenizer);
  for (const int layer : {0, 1, -2}) {
    const auto translations = translator.translate(
        lines, {.search = {.n_best = 2}, .batch_size = 3, .alignment = true, .alignment_layer = layer});
    for (const Translation& translation : translations) {
      for (const Candidate& candidate : translation.candidates) {
        const int sources = static_cast<int>(translation.source_ids.size());
        ASSERT_EQ(candidate.alignment.size(), candidate.ids.size());
        for (int i = 0; i < static_cast<int>(candidate.ids.size()); ++i) {
          const int place = layer == 1 ? sources - 1 - i % sources : i % sources;
          EXPECT_EQ(candidate.alignment[static_cast<size_t>(i)], (Link{place, i}));
        }
      }
    }
  }
  EXPECT_THROW(translator.translate(lines, {.alignment = true, .alignment_layer = 2}), UsageError);
  model.config().cross_mixer = "mean";
  EXPECT_THROW(translator.translate(lines, {.alignment = true}), UsageError);
  model.config().cross_mixer = "scaled_dot";
  model.attention = {};
  EXPECT_THROW(translator.translate(lines, {.alignment = true}), Error);
}

TEST(Alignment, sums_what_is_looked_at_in_the_pieces_of_a_word) {
  ToyModel model(9);
  // Source pieces 0 and 1 make word 0, piece 2 is word 1; target pieces 0 and 2 are words 0 and 1, piece 1 goes to word
  // 0.
  const std::vector<float> rows = {0.3F, 0.3F, 0.4F, 0, 0, 0.1F, 0.2F, 0.7F, 0.1F, 0.1F, 0.6F, 0.2F, 0, 0, 0, 1};
  model.attention = [&](int layer, int, int) {
    return layer == 0 ? Tensor::of<float>({1, 4, 4}, std::span<const float>(rows)) : Tensor::zeros({1, 4, 4});
  };
  const std::vector<Example> pairs = {{{3, 4, 5}, {6, 7, 8}}};
  const std::vector<WordsOfPieces> of_pieces = {{{0, 0, 1}, {0, 0, 1}}};
  for (const int layer : {0, -1}) {
    EXPECT_EQ(align_words(model, pairs, of_pieces, {.layer = layer}).front(), (Alignment{{0, 0}, {1, 1}}));
  }
  const WordAttention between = attend_words(model, pairs, of_pieces, {.layer = 0}).front();
  ASSERT_EQ(between.weights.size(), 4U);
  for (int word = 0; word < 2; ++word) {  // the mean over a word's pieces of what they gave each source word
    double expected[2] = {}, whole = 0;
    for (int piece = word == 0 ? 0 : 2; piece < (word == 0 ? 2 : 3); ++piece) {
      for (int column = 0; column < 4; ++column) {
        const auto weight = static_cast<double>(rows[piece * 4 + column]);
        whole += weight;
        expected[column < 2 ? 0 : 1] += column < 3 ? weight : 0;
      }
    }
    for (int source = 0; source < 2; ++source) {
      EXPECT_NEAR(between.weights[static_cast<size_t>(2 * word + source)], expected[source] / whole, 1e-6);
    }
  }
  const std::vector<WordsOfPieces> blanks = {{{0, -1, 1}, {-1, 0, 1}}};
  EXPECT_EQ(align_words(model, pairs, blanks, {.layer = 0}).front(), (Alignment{{1, 0}, {1, 1}}));
}

TEST(Scorer, agrees_with_the_search_and_ignores_what_a_pair_is_batched_with) {
  const ToyModel model(20, 1.0);
  std::vector<std::vector<int>> sources;
  for (int i = 0; i < 12; ++i) {
    sources.emplace_back(static_cast<size_t>(i * 5 % 7), 3 + i);
  }
  const auto found = search(model, sources, {.length_penalty = "none"});
  std::vector<Example> pairs;
  for (size_t i = 0; i < sources.size(); ++i) {
    pairs.push_back({sources[i], found[i].front().ids});
  }
  int64_t last = 0;
  const auto scores = score_pairs(model, pairs, {.batch_tokens = 16}, [&](int64_t done, int64_t) { last = done; });
  EXPECT_EQ(last, 12);
  ASSERT_EQ(scores.size(), pairs.size());
  for (size_t i = 0; i < pairs.size(); ++i) {
    EXPECT_NEAR(scores[i].log_probability, found[i].front().log_probability, 1e-4);
    ASSERT_EQ(scores[i].log_probabilities.size(), pairs[i].target.size() + 1);
    double sum = 0;
    for (const float x : scores[i].log_probabilities) sum += static_cast<double>(x);
    EXPECT_EQ(scores[i].log_probability, sum);
    const auto alone = score_pairs(model, std::span(pairs).subspan(i, 1)).front();
    EXPECT_EQ(alone.log_probabilities, scores[i].log_probabilities);
  }
  EXPECT_TRUE(score_pairs(model, {}).empty());
}

}  // namespace
}  // namespace attune
