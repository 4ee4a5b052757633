#include "attune/train/language_objective.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "attune/models/architecture.h"
#include "attune/nn/initialise.h"
#include "attune/ops/cross_entropy.h"
#include "attune/ops/linear.h"
#include "attune/train/bigram_model_test.h"
#include "attune/train/ngram_baseline.h"
#include "attune/train/trainer.h"

namespace attune {
namespace {

std::unique_ptr<Tokenizer> characters() {
  return Tokenizer::from_bytes("\nabcdefghijklmnop", {.kind = TokenizerKind::characters});
}

TextStream stream_of(const std::vector<std::string>& lines) {
  return {{lines}, *characters()};
}

// Each letter is followed by the one behind it or the one behind that: a bigram tells all there is to tell.
std::vector<std::string> walk(int lines, uint64_t seed) {
  std::vector<std::string> all;
  const Rng rng(seed);
  for (int line = 0; line < lines; ++line) {
    std::string text;
    uint64_t at = 0;
    for (int i = 0; i < 30; ++i) {
      at = (at + 1 + rng.below(static_cast<uint64_t>(line * 30 + i), 2)) % 16;
      text += static_cast<char>('a' + at);
    }
    all.push_back(text);
  }
  return all;
}

std::unique_ptr<LanguageModel> tiny(const char* tokenizer = "characters") {
  ModelConfig config = defaults_of("transformer", "language_model");
  config.tokenizer = tokenizer;
  config.decoder_layers = 1;
  config.width = 32, config.heads = 2, config.feed_forward = 32;
  config.dropout = 0;
  config.source_vocabulary = config.target_vocabulary = 20;
  auto model = std::make_unique<LanguageModel>(config);
  model->parameters().allocate();
  initialise(model->parameters(), Rng(1));
  return model;
}

TrainOptions options() {
  TrainOptions options = small_options();
  options.batch_tokens = 256;
  options.sequence_length = 16;
  options.label_smoothing = 0;
  return options;
}

TEST(LanguageObjective, learns_what_a_bigram_tells) {
  const TemporaryDirectory directory;
  const auto model = tiny();
  const TextStream text = stream_of(walk(150, 1)), valid = stream_of(walk(20, 2));
  TrainOptions many = options();
  many.max_update = 400;
  LanguageObjective objective(*model, text, &valid, many);
  TrainRun run;
  run.directory = directory.path;
  const TrainResult result = train(objective, many, run);
  ASSERT_EQ(objective.ngrams().size(), 5U);
  EXPECT_EQ(result.baseline->nll, std::min(objective.ngrams()[1].nll, objective.ngrams()[2].nll));
  EXPECT_GT(objective.ngrams()[0].nll, 2.5);
  EXPECT_NEAR(*result.valid_nll, objective.ngrams()[1].nll, 0.05);
}

// By hand, in order, sequence after sequence: the mean over all pieces of the text.
TEST(LanguageObjective, validates_on_every_piece_once_whatever_the_batches) {
  const auto model = tiny();
  const TextStream text = stream_of(walk(10, 1)), valid = stream_of(walk(3, 2));  // 93 pieces: 5 sequences and 13
  const OutputLayer output = model->output();
  double nll = 0;
  for (int64_t begin = 0; begin < 93; begin += 16) {
    const int length = static_cast<int>(std::min<int64_t>(16, 93 - begin));
    const std::array lengths{length};
    const auto ids = valid.pieces().subspan(static_cast<size_t>(begin), static_cast<size_t>(length));
    const auto gold = valid.pieces().subspan(static_cast<size_t>(begin) + 1, static_cast<size_t>(length));
    const Tensor hidden = model->hidden(ids, Segments::of_lengths(lengths), {});
    for (const float log_p : token_log_probabilities(hidden, output.weight, output.bias, gold)) {
      nll -= static_cast<double>(log_p);
    }
  }
  for (const int batch_tokens : {1, 32, 40, 10'000}) {
    TrainOptions with = options();
    with.batch_tokens = batch_tokens;
    LanguageObjective objective(*model, text, &valid, with);
    EXPECT_NEAR(objective.validate().nll, nll / 93, 1e-5) << batch_tokens;
  }
}

// By hand: a completion's pieces and the line's end behind them, each given all of its line that stands before it.
TEST(LanguageObjective, of_completions_counts_what_stands_behind_the_prompt) {
  const auto model = tiny();
  const Completions lines{{"ab", "", "abcdefgh", "ponm"}, {"cde", "p", "ijk", "lkj"}};
  const TextStream text = TextStream::of(lines, *characters());
  const OutputLayer output = model->output();
  double nll = 0;
  int counted = 0, right = 0;
  for (size_t line = 0; line < 4; ++line) {
    const TextStream whole = stream_of({lines.prompts[line] + lines.completions[line]});
    const std::vector<int32_t> ids(whole.pieces().begin(), whole.pieces().end() - 1);
    const std::array lengths{static_cast<int>(ids.size())};
    const Tensor logits = linear(model->hidden(ids, Segments::of_lengths(lengths), {}), output.weight, output.bias);
    for (size_t i = lines.prompts[line].size(); i < ids.size(); ++i, ++counted) {
      const auto row = logits.data<float>().subspan(i * 20, 20);
      double sum = 0;
      for (const float x : row) {
        sum += std::exp(static_cast<double>(x));
      }
      const auto gold = static_cast<size_t>(whole.pieces()[i + 1]);
      nll += std::log(sum) - static_cast<double>(row[gold]);
      const bool best = std::max_element(row.begin(), row.end()) == row.begin() + static_cast<std::ptrdiff_t>(gold);
      right += best && i + 1 < ids.size() ? 1 : 0;
    }
  }
  EXPECT_EQ(counted, 14);
  for (const int batch_tokens : {1, 16, 10'000}) {
    const LanguageScore score = language_score(*model, text, {.batch_tokens = batch_tokens, .sequence_length = 8});
    EXPECT_NEAR(score.nll, nll / 14, 1e-5);
    EXPECT_EQ(score.accuracy, right / 10.0);
    TrainOptions with = options();
    with.batch_tokens = batch_tokens;
    LanguageObjective objective(*model, text, &text, with);
    EXPECT_NEAR(objective.validate().nll, nll / 14, 1e-5);
    double in_training = 0;
    int64_t tokens = 0, told = 0;
    for (int i = 0; i < objective.batches(0); ++i) {
      const BatchLoss loss = objective.loss(0, i, {});
      in_training += loss.nll;
      tokens += loss.tokens, told += loss.counted;
    }
    EXPECT_NEAR(in_training, nll, 1e-4);
    EXPECT_EQ(told, 14);
    EXPECT_EQ(tokens, 28);
  }
}

// A model of one layer that has learnt by heart which letter comes next.
TEST(LanguageObjective, accuracy_is_the_share_of_pieces_that_are_most_probable) {
  const TemporaryDirectory directory;
  const auto model = tiny();
  Completions lines;
  for (const char* line : {"abcd", "bcda", "cdab", "dabc"}) {
    lines.prompts.emplace_back(line, 1);
    lines.completions.emplace_back(line + 1);
  }
  const TextStream text = TextStream::of(lines, *characters());
  TrainOptions many = options();
  many.max_update = 60;
  LanguageObjective objective(*model, text, &text, many);
  EXPECT_LT(objective.validate().score->value, 0.5);
  TrainRun run;
  run.directory = directory.path;
  train(objective, many, run);
  EXPECT_EQ(objective.validate().score->value, 1);
  ASSERT_EQ(objective.ngrams().size(), 5U);
  EXPECT_NEAR(objective.ngrams()[0].nll, std::log(5.0), 0.1) << "letters and the end alike";
  EXPECT_NE(objective.identity(),
            LanguageObjective(*model, stream_of({"abcd", "bcda", "cdab", "dabc"}), nullptr, many).identity());
}

TEST(LanguageObjective, an_epoch_reads_all_of_the_text_cut_at_other_places_than_the_last_one) {
  const auto model = tiny();
  const TextStream text = stream_of(walk(40, 1));
  const auto tokens = [&](const TrainOptions& with, int64_t epoch) {
    LanguageObjective objective(*model, text, nullptr, with);
    EXPECT_FALSE(objective.baseline().has_value());
    int64_t counted = 0;
    std::vector<int64_t> sizes;
    for (int i = 0; i < objective.batches(epoch); ++i) {
      const BatchLoss loss = objective.loss(epoch, i, {});
      EXPECT_LE(loss.counted, with.batch_tokens);
      EXPECT_EQ(loss.counted, loss.tokens);
      counted += loss.counted;
      sizes.push_back(static_cast<int64_t>(loss.nll * 1e6));
    }
    EXPECT_EQ(counted, text.predicted());
    return sizes;
  };
  TrainOptions other = options();
  other.seed = 2;
  EXPECT_EQ(tokens(options(), 0), tokens(options(), 0));
  EXPECT_NE(tokens(options(), 0), tokens(options(), 1));
  EXPECT_NE(tokens(options(), 0), tokens(other, 0));
}

TEST(NgramBaseline, is_counted_by_hand) {
  const TextStream text = stream_of({"aab"}), valid = stream_of({"abc"});  // with the line's end in front: \n a a b \n
  const std::vector<double> nlls = ngram_nlls(text, valid, 3);
  const double v = 4;  // a, b, c and the line's end
  const auto p = [&](double count, double all) { return std::log((count + 0.1) / (all + 0.1 * v)); };
  ASSERT_EQ(nlls.size(), 3U);
  EXPECT_NEAR(nlls[0], -(p(2, 4) + p(1, 4) + p(0, 4) + p(1, 4)) / 4, 1e-12);
  const double a = p(1, 1);  // behind the line's end in front; the one at the end is followed by nothing
  EXPECT_NEAR(nlls[1], -(a + p(1, 2) + p(0, 1) + p(0, 0)) / 4, 1e-12);
  EXPECT_NEAR(nlls[2], -(a + p(0, 1) + p(0, 1) + p(0, 0)) / 4, 1e-12);
}

// Each n-gram looked for in the text anew.
TEST(NgramBaseline, equals_counting_in_the_open) {
  const std::vector<std::string> lines = walk(60, 1), valid_lines = walk(2, 3);
  const auto joined = [](const std::vector<std::string>& all) {
    std::string text = "\n";
    for (const std::string& line : all) {
      text += line + "\n";
    }
    return text;
  };
  const std::string text = joined(lines), valid = joined(valid_lines);
  const std::vector<double> nlls = ngram_nlls(stream_of(lines), stream_of(valid_lines), 5);
  for (size_t n = 1; n <= 5; ++n) {
    double nll = 0;
    for (size_t i = 1; i < valid.size(); ++i) {
      const size_t order = std::min(n, i + 1);
      double grams = 0, histories = 0;
      for (size_t j = std::max<size_t>(order - 1, 1); j < text.size(); ++j) {
        const bool same = text.substr(j - order + 1, order - 1) == valid.substr(i - order + 1, order - 1);
        histories += same ? 1 : 0;
        grams += same && text[j] == valid[i] ? 1 : 0;
      }
      nll -= std::log((grams + 0.1) / (histories + 1.7));
    }
    EXPECT_NEAR(nlls[n - 1], nll / static_cast<double>(valid.size() - 1), 1e-12) << n;
  }
}

TEST(LanguageObjective, compares_pieces_and_words_with_their_unigram_alone) {
  const auto model = tiny("words");
  const TextStream text = stream_of(walk(4, 1)), valid = stream_of(walk(3, 2));
  const LanguageObjective objective(*model, text, &valid, options());
  ASSERT_EQ(objective.ngrams().size(), 1U);
  EXPECT_EQ(objective.baseline()->title, "unigram");
}

}  // namespace
}  // namespace attune
