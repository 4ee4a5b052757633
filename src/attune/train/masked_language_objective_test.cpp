#include "attune/train/masked_language_objective.h"

#include <gtest/gtest.h>

#include <cmath>

#include "attune/autograd/tape.h"
#include "attune/models/architecture.h"
#include "attune/nn/initialise.h"
#include "attune/train/bigram_model_test.h"
#include "attune/train/trainer.h"

namespace attune {
namespace {

std::unique_ptr<Tokenizer> words() {
  std::string lines = "<unk>\n<s>\n</s>\n[CLS]\n[SEP]\n[MASK]\n";
  for (char c = 'a'; c <= 'z'; ++c) {
    lines += std::string(1, c) + "\n";
  }
  return Tokenizer::from_bytes(lines, {.kind = TokenizerKind::words, .mask_pieces = true});
}

// The alphabet, from another letter in each document: what is masked follows from its neighbours.
PackedText alphabet(int documents, bool pairs = false) {
  std::vector<Document> all;
  for (int d = 0; d < documents; ++d) {
    all.emplace_back();
    for (int line = 0; line < 4; ++line) {
      std::string text;
      for (int i = 0; i < 8; ++i) {
        text += static_cast<char>('a' + (7 * d + 8 * line + i) % 26);
        text += ' ';
      }
      all.back().push_back(text);
    }
  }
  return PackedText(all, *words(), {.sequence_length = 20, .pairs = pairs});
}

std::unique_ptr<MaskedLanguageModel> tiny(bool next_sentence = false) {
  ModelConfig config = defaults_of("transformer", "masked_language_model");
  config.encoder_layers = 1;
  config.width = 32, config.heads = 2, config.feed_forward = 32;
  config.dropout = 0;
  config.source_vocabulary = config.target_vocabulary = 32;
  config.next_sentence = next_sentence;
  auto model = std::make_unique<MaskedLanguageModel>(config);
  model->parameters().allocate();
  initialise(model->parameters(), Rng(1));
  return model;
}

TrainOptions options() {
  TrainOptions options = small_options();
  options.batch_tokens = 200;
  options.label_smoothing = 0;
  return options;
}

TEST(MaskedLanguageObjective, learns_what_follows_from_the_neighbours) {
  for (const bool next_sentence : {false, true}) {
    const TemporaryDirectory directory;
    const auto model = tiny(next_sentence);
    const PackedText text = alphabet(60, next_sentence), valid = alphabet(10, next_sentence);
    TrainOptions many = options();
    many.max_update = 700;
    many.lr = 0.01;
    MaskedLanguageObjective objective(*model, text, &valid, many);
    TrainRun run;
    run.directory = directory.path;
    const TrainResult result = train(objective, many, run);
    ASSERT_TRUE(result.baseline.has_value());
    EXPECT_NEAR(result.baseline->nll, std::log(26), 0.1);
    EXPECT_LT(*result.valid_nll, 0.5 * result.baseline->nll);
    EXPECT_EQ(result.valid_score.has_value(), next_sentence);
    if (next_sentence) {
      EXPECT_EQ(result.valid_score->key, "next_sentence_accuracy");
      EXPECT_LE(result.valid_score->value, 1);
    }
  }
}

TEST(MaskedLanguageObjective, masks_are_drawn_anew_each_epoch_and_are_the_same_for_the_same_seed) {
  const auto model = tiny();
  const PackedText text = alphabet(4);  // one batch
  TrainOptions one = options();
  one.batch_tokens = 10'000;
  const auto loss = [&](const TrainOptions& with, int64_t epoch) {
    MaskedLanguageObjective objective(*model, text, nullptr, with);
    EXPECT_EQ(objective.batches(epoch), 1);
    return objective.loss(epoch, 0, {}).nll;
  };
  TrainOptions other = one;
  other.seed = 2;
  EXPECT_EQ(loss(one, 0), loss(one, 0));
  EXPECT_NE(loss(one, 0), loss(one, 1));
  EXPECT_NE(loss(one, 0), loss(other, 0));
}

TEST(MaskedLanguageObjective, validations_compare_whatever_the_seed) {
  const auto model = tiny(true);
  const PackedText text = alphabet(4, true), valid = alphabet(6, true);
  TrainOptions one = options(), other = options();
  other.seed = 2;
  MaskedLanguageObjective first(*model, text, &valid, one), second(*model, text, &valid, other);
  EXPECT_EQ(first.validate().nll, first.validate().nll);
  EXPECT_EQ(first.validate().nll, second.validate().nll);
  EXPECT_EQ(first.validate().score->value, second.validate().score->value);
  EXPECT_EQ(first.baseline()->nll, second.baseline()->nll);
}

TEST(MaskedLanguageObjective, the_unigram_is_counted_by_hand) {
  const PackedText text({{"a a a b"}, {"c"}}, *words(), {});
  MaskedBatch masked;
  masked.gold = {6, 7, 31};  // a, b, z
  const double all = 5 + 32;
  const double expected = -(std::log(4 / all) + std::log(2 / all) + std::log(1 / all)) / 3;
  EXPECT_NEAR(unigram_nll(text, 32, std::span(&masked, 1)), expected, 1e-12);
}

TEST(MaskedLanguageObjective, next_sentences_weigh_as_their_mean_beside_the_mean_of_the_masked) {
  const auto model = tiny(true);
  const PackedText text = alphabet(4, true);
  const std::vector<int> all{0, 1, 2, 3};
  const MaskedBatch batch = make_masked_batch(text, all, {.next_sentence = true, .vocabulary = 32}, Rng(1));
  const BatchLoss loss = masked_language_loss(*model, batch, 0, {}).batch;
  EXPECT_EQ(loss.counted, static_cast<int64_t>(batch.rows.size()));
  EXPECT_EQ(loss.tokens, static_cast<int64_t>(batch.ids.size()));
  // Two classes that a model not yet trained does not tell apart well: about log 2 more than the masked pieces.
  const double more = (loss.loss.item() - loss.nll) / static_cast<double>(loss.counted);
  EXPECT_NEAR(more, std::log(2), 0.4);
}

}  // namespace
}  // namespace attune
