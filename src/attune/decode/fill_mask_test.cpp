#include "attune/decode/fill_mask.h"

#include <gtest/gtest.h>

#include "attune/models/architecture.h"
#include "attune/nn/initialise.h"

namespace attune {
namespace {

std::unique_ptr<Tokenizer> words() {
  return Tokenizer::from_bytes("<unk>\n<s>\n</s>\n[CLS]\n[SEP]\n[MASK]\nthe\ncat\nsat\n",
                               {.kind = TokenizerKind::words, .mask_pieces = true});
}

std::unique_ptr<MaskedLanguageModel> tiny(bool next_sentence = false) {
  ModelConfig config = defaults_of("transformer", "masked_language_model");
  config.encoder_layers = 1;
  config.width = 8, config.heads = 2, config.feed_forward = 12;
  config.source_vocabulary = config.target_vocabulary = 9;
  config.next_sentence = next_sentence;
  auto model = std::make_unique<MaskedLanguageModel>(config);
  model->parameters().allocate();
  initialise(model->parameters(), Rng(1));
  return model;
}

// With a bias that decides all: p is what the bias says.
TEST(FillMask, gives_the_best_ordinary_pieces_with_their_probabilities) {
  const auto model = tiny();
  Parameters& parameters = model->parameters();
  Tensor flat = parameters.flat();
  flat.fill(0);
  const auto at = static_cast<size_t>(parameters.find("head.output.bias")->offset);
  for (int i = 0; i < 9; ++i) {
    flat.data<float>()[at + static_cast<size_t>(i)] = std::log(static_cast<float>(i + 1));  // shares of 45
  }
  const auto filled = fill_masks(*model, *words(), "the [MASK] sat [MASK]", 2);
  ASSERT_EQ(filled.size(), 2U);
  EXPECT_EQ(filled[0].position, 1);
  EXPECT_EQ(filled[1].position, 3);
  for (const FilledMask& mask : filled) {
    ASSERT_EQ(mask.guesses.size(), 2U);
    EXPECT_EQ(mask.guesses[0].word, "sat");
    EXPECT_EQ(mask.guesses[1].word, "cat");
    EXPECT_NEAR(mask.guesses[0].probability, 9.0 / 45, 1e-6);
    EXPECT_NEAR(mask.guesses[1].probability, 8.0 / 45, 1e-6);
  }
  EXPECT_EQ(fill_masks(*model, *words(), "[MASK]", 100).front().guesses.size(), 3U) << "special pieces are no words";
  EXPECT_TRUE(fill_masks(*model, *words(), "the cat", 2).empty());
  EXPECT_TRUE(fill_masks(*model, *words(), "", 2).empty());
}

TEST(FillMask, reads_the_text_around_the_mask) {
  for (const bool next_sentence : {false, true}) {
    const auto model = tiny(next_sentence);
    const auto one = fill_masks(*model, *words(), "the [MASK] sat", 1),
               other = fill_masks(*model, *words(), "cat [MASK] sat", 1);
    EXPECT_NE(one[0].guesses[0].probability, other[0].guesses[0].probability);
  }
}

TEST(FillMask, shows_a_piece_that_goes_on_with_a_word_as_one) {
  std::vector<std::string> lines(50, "unbelievable unthinkable lovable the the the");
  const auto tokenizer = Tokenizer::train(lines, {.kind = TokenizerKind::bpe, .vocab_size = 28, .mask_pieces = true});
  ModelConfig config = tiny()->config();
  config.source_vocabulary = config.target_vocabulary = tokenizer->vocab_size();
  MaskedLanguageModel model(config);
  model.parameters().allocate();
  const auto guesses = fill_masks(model, *tokenizer, "[MASK]", 100).front().guesses;
  ASSERT_EQ(guesses.size(), static_cast<size_t>(tokenizer->vocab_size() - first_ordinary_id));
  int beginning = 0, going_on = 0;
  for (const MaskGuess& guess : guesses) {
    const std::string& piece = tokenizer->piece(guess.piece);
    const bool begins = piece.starts_with("▁");
    EXPECT_EQ(guess.word, piece == "▁" ? piece : begins ? piece.substr(3) : "##" + piece);
    (begins ? beginning : going_on) += 1;
  }
  EXPECT_GT(beginning, 0);
  EXPECT_GT(going_on, 0);
}

}  // namespace
}  // namespace attune
