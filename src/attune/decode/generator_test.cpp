#include "attune/decode/generator.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "attune/base/error_of_test.h"
#include "attune/decode/streamed_text.h"
#include "attune/models/architecture.h"
#include "attune/nn/initialise.h"
#include "attune/ops/linear.h"
#include "attune/text/unicode.h"

namespace attune {
namespace {

using testing::error_of;

Tensor logits_of(const std::vector<float>& probabilities) {
  Tensor logits = Tensor::zeros({1, static_cast<int64_t>(probabilities.size())});
  for (size_t i = 0; i < probabilities.size(); ++i) {
    logits.data<float>()[i] = std::log(probabilities[i]) + 3;
  }
  return logits;
}

// How often each id comes, of draws at even distances.
std::vector<double> shares(const std::vector<float>& probabilities, const SamplingOptions& options,
                           const std::vector<int>& never = {}) {
  constexpr int draws = 20'000;
  const Tensor logits = logits_of(probabilities);
  std::vector<double> shares(probabilities.size());
  for (int i = 0; i < draws; ++i) {
    shares[static_cast<size_t>(sample(logits, options, never, (i + 0.5) / draws))] += 1.0 / draws;
  }
  return shares;
}

void expect_shares(const std::vector<double>& got, const std::vector<double>& expected) {
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(got[i], expected[i], 1e-4) << i;
  }
}

TEST(Sampling, draws_each_piece_as_often_as_the_options_say) {
  const std::vector<float> p{0.1F, 0.4F, 0.2F, 0.3F};
  expect_shares(shares(p, {}), {0.1, 0.4, 0.2, 0.3});
  expect_shares(shares(p, {.temperature = 0.5}), {0.01 / 0.3, 0.16 / 0.3, 0.04 / 0.3, 0.09 / 0.3});
  expect_shares(shares(p, {.temperature = 0}), {0, 1, 0, 0});
  expect_shares(shares(p, {.top_k = 2}), {0, 4.0 / 7, 0, 3.0 / 7});
  expect_shares(shares(p, {.top_k = 100}), {0.1, 0.4, 0.2, 0.3});
  expect_shares(shares(p, {.top_p = 0.69}), {0, 4.0 / 7, 0, 3.0 / 7});
  expect_shares(shares(p, {.top_p = 0.71}), {0, 4.0 / 9, 2.0 / 9, 3.0 / 9});
  expect_shares(shares(p, {.top_p = 1e-9}), {0, 1, 0, 0});
  // Of the first three, renormalised, the first two reach 0.75.
  expect_shares(shares(p, {.top_k = 3, .top_p = 0.75}), {0, 4.0 / 7, 0, 3.0 / 7});
  expect_shares(shares(p, {}, {1, 3}), {1.0 / 3, 0, 2.0 / 3, 0});
  EXPECT_EQ(sample(logits_of({0.2F, 0.4F, 0.4F}), {.temperature = 0}, {}, 0), 1) << "of equal ones the lower id";
}

TEST(Sampling, refuses_what_it_cannot_draw_from) {
  EXPECT_NE(error_of([] { sample(logits_of({0.5F, std::nanf("")}), {}, {}, 0); }).find("NaN"), std::string::npos);
  EXPECT_NE(error_of([] { sample(logits_of({1}), {}, std::vector<int>{0}, 0); }).find("no piece is left"),
            std::string::npos);
  for (const SamplingOptions& wrong :
       {SamplingOptions{.temperature = -1}, {.top_k = -1}, {.top_p = 0}, {.top_p = 1.1}}) {
    EXPECT_THROW(check_options(wrong), UsageError);
  }
}

std::unique_ptr<Tokenizer> bytes() {
  return Tokenizer::train(std::vector<std::string>{}, {.kind = TokenizerKind::bytes});
}

std::string streamed(const Tokenizer& tokenizer, const std::vector<int>& ids, size_t from = 0) {
  StreamedText stream(tokenizer, std::span(ids).first(from));
  std::string text;
  for (size_t i = from; i < ids.size(); ++i) {
    text += stream.add(ids[i]);
    EXPECT_TRUE(valid_utf8(text)) << i;
  }
  return text + stream.end();
}

TEST(StreamedText, holds_back_what_is_no_whole_character_yet) {
  const auto tokenizer = bytes();
  StreamedText stream(*tokenizer, {});
  std::vector<std::string> parts;
  for (const int id : tokenizer->encode("aß€\n")) {
    parts.push_back(stream.add(id));
  }
  EXPECT_EQ(parts, (std::vector<std::string>{"a", "", "ß", "", "", "€", "\n"}));
  const auto raw = [&](std::string_view text) {
    std::vector<int> ids;
    for (const char c : text) {
      ids.push_back(static_cast<unsigned char>(c) + 3);
    }
    return streamed(*tokenizer, ids);
  };
  EXPECT_EQ(raw("x\xE2\x82"), "x\xEF\xBF\xBD\xEF\xBF\xBD") << "cut off in the end";
  EXPECT_EQ(raw("\xE2\x82y"), "\xEF\xBF\xBD\xEF\xBF\xBDy");
  EXPECT_EQ(raw("\xC3\n\xFFz"), "\xEF\xBF\xBD\n\xEF\xBF\xBDz");
}

TEST(StreamedText, is_what_the_pieces_decode_to_wherever_it_begins) {
  const std::vector<std::string> lines(40, "the old cat, sat on  the Straße.");
  std::string long_text;
  for (int i = 0; i < 30; ++i) {
    long_text += "the cat sat. ";
  }
  long_text.pop_back();
  for (const TokenizerKind kind : {TokenizerKind::bpe, TokenizerKind::unigram, TokenizerKind::words,
                                   TokenizerKind::characters, TokenizerKind::bytes}) {
    const auto tokenizer = Tokenizer::train(lines, {.kind = kind, .vocab_size = 21});
    for (const std::string& text : {lines[0], long_text}) {
      const std::vector<int> ids = tokenizer->encode(text);
      const std::string whole = tokenizer->decode(ids);
      EXPECT_EQ(streamed(*tokenizer, ids), whole) << name_of(kind);
      const size_t half = ids.size() / 2;
      EXPECT_EQ(tokenizer->decode(std::span(ids).first(half)) + streamed(*tokenizer, ids, half), whole)
          << name_of(kind);
    }
    std::vector<int> two = tokenizer->encode("the old");
    two.push_back(tokenizer->line_end());
    for (const int id : tokenizer->encode("sat")) {
      two.push_back(id);
    }
    EXPECT_EQ(streamed(*tokenizer, two), "the old\nsat") << name_of(kind);
  }
}

ModelConfig tiny(int vocabulary) {
  ModelConfig config = defaults_of("transformer", "language_model");
  config.decoder_layers = 2;
  config.width = 16, config.heads = 2, config.feed_forward = 24;
  config.source_vocabulary = config.target_vocabulary = vocabulary;
  config.embedding_initialiser = "normal(1)";
  return config;
}

std::unique_ptr<LanguageModel> ready(const ModelConfig& config) {
  auto model = std::make_unique<LanguageModel>(config);
  model->parameters().allocate();
  initialise(model->parameters(), Rng(1));
  return model;
}

std::string generated(const LanguageModel& model, const Tokenizer& tokenizer, std::string_view prompt,
                      const GenerateOptions& options) {
  std::string text;
  generate(model, tokenizer, prompt, options, [&](std::string_view part) { text += part; });
  return text;
}

// Without a carried state: every piece from the whole text before it.
TEST(Generator, writes_what_the_whole_text_before_it_says) {
  const auto tokenizer = Tokenizer::from_bytes("\nabcdefgh ", {.kind = TokenizerKind::characters});
  for (const char* mixer : {"scaled_dot", "lstm", "convolution", "spatial_gating"}) {
    ModelConfig config = tiny(tokenizer->vocab_size());
    config.decoder_mixer = mixer;
    const auto model = ready(config);
    const OutputLayer output = model->output();
    for (const SamplingOptions& sampling : {SamplingOptions{.temperature = 0}, {.temperature = 0.7, .top_k = 5}}) {
      const std::string prompt = "cab\nfe";
      std::vector<int32_t> ids{tokenizer->line_end()};
      for (const int id : tokenizer->encode(prompt)) {
        ids.push_back(id);
      }
      const size_t begin = ids.size();
      const Rng rng = Rng(sampling.seed).stream("generate");
      for (uint64_t i = 0; i < 30; ++i) {
        const std::array length{static_cast<int>(ids.size())};
        const Tensor hidden = model->hidden(ids, Segments::of_lengths(length), {});
        const Tensor last = linear(hidden.rows_view(hidden.size(0) - 1, 1), output.weight, output.bias);
        ids.push_back(sample(last, sampling, std::vector<int>{0, 1, 2}, rng.uniform(i)));
      }
      const std::vector<int> behind(ids.begin() + static_cast<std::ptrdiff_t>(begin), ids.end());
      EXPECT_EQ(generated(*model, *tokenizer, prompt, {.max_tokens = 30, .sampling = sampling}),
                tokenizer->decode(behind))
          << mixer;
    }
  }
}

TEST(Generator, gives_equal_texts_for_equal_seeds_and_the_beginning_of_a_longer_one_for_fewer_tokens) {
  const auto tokenizer = bytes();
  const auto model = ready(tiny(259));
  const GenerateOptions one{.max_tokens = 40, .sampling = {.temperature = 2, .seed = 1}},
      other{.max_tokens = 40, .sampling = {.temperature = 2, .seed = 2}};
  const std::string text = generated(*model, *tokenizer, "x", one);
  EXPECT_TRUE(valid_utf8(text));
  EXPECT_EQ(generated(*model, *tokenizer, "x", one), text);
  EXPECT_NE(generated(*model, *tokenizer, "x", other), text);
  EXPECT_NE(generated(*model, *tokenizer, "", one), text);
  const auto letters = Tokenizer::from_bytes("\nab", {.kind = TokenizerKind::characters});
  const auto small = ready(tiny(6));
  const std::string longer = generated(*small, *letters, "", {40, {}});
  EXPECT_EQ(longer.size(), 40U);
  EXPECT_EQ(generated(*small, *letters, "", {25, {}}), longer.substr(0, 25));
}

TEST(Generator, ends_where_the_positions_of_the_model_end) {
  const auto letters = Tokenizer::from_bytes("\nab", {.kind = TokenizerKind::characters});
  for (const bool learned : {true, false}) {
    ModelConfig config = tiny(6);
    config.max_positions = 8;
    (learned ? config.positions : config.decoder_mixer) = learned ? "learned" : "spatial_gating";
    const auto model = ready(config);
    const auto nothing = [](std::string_view) {};
    const Generated cut = generate(*model, *letters, "aba", {100, {}}, nothing);  // four pieces with the line's end
    EXPECT_EQ(cut.pieces, 5) << "the last one is not fed any more";
    EXPECT_EQ(cut.cut_short_by, learned ? "positions = learned" : "spatial_gating");
    const Generated whole = generate(*model, *letters, "aba", {5, {}}, nothing);
    EXPECT_EQ(whole.pieces, 5);
    EXPECT_EQ(whole.cut_short_by, "");
    EXPECT_EQ(generate(*model, *letters, "abababa", {1, {}}, nothing).pieces, 1);
    const std::string error = error_of([&] { generate(*model, *letters, "abababab", {1, {}}, nothing); });
    EXPECT_NE(error.find("prompt: 9 pieces, the line's end in front included, but the model reads at most 8"),
              std::string::npos)
        << error;
    EXPECT_NE(error.find(learned ? "positions = learned" : "spatial_gating"), std::string::npos) << error;
  }
}

}  // namespace
}  // namespace attune
