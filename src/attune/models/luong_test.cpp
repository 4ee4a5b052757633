#include "attune/models/luong.h"

#include <gtest/gtest.h>

#include <cstring>

#include "attune/base/error_of_test.h"
#include "attune/models/forms_test.h"

namespace attune {
namespace {

ModelConfig with(void (*change)(ModelConfig&)) {
  ModelConfig config = testing::tiny("luong");
  change(config);
  return config;
}

std::string refusal(void (*change)(ModelConfig&)) {
  const ModelConfig config = with(change);
  return testing::error_of([&] { check_config(config); });
}

TEST(Luong, shows_a_probe_what_every_sequence_looked_at_and_a_probe_changes_no_bit) {
  for (const auto change : {+[](ModelConfig&) {}, +[](ModelConfig& c) { c.input_feeding = false; },
                            +[](ModelConfig& c) { c.input_feeding = false, c.cross_mixer = "location"; }}) {
    const auto model = testing::ready(with(change));
    const auto all = testing::examples();
    const Batch batch = make_batch(all, std::vector<int>{0, 1, 2, 3});
    int sequences = 0;
    const Probe probe([&](const std::string& name, const Tensor& w) {
      if (name.find(".weights.") == std::string::npos) {
        return;
      }
      EXPECT_EQ(name, "decoder.layers.0.cross_attention.weights." + std::to_string(sequences));
      ASSERT_EQ(w.shape(), Shape({1, batch.targets.length(sequences), batch.sources.length(sequences)}));
      for (int64_t i = 0; i < w.size(1); ++i) {
        double sum = 0;
        for (int64_t j = 0; j < w.size(2); ++j) sum += w.at(i * w.size(2) + j);
        EXPECT_NEAR(sum, 1, 1e-6);
      }
      ++sequences;
    });
    const Tensor looked = model->hidden(batch, {.probe = &probe}), plain = model->hidden(batch, {});
    EXPECT_EQ(sequences, 4);
    EXPECT_EQ(std::memcmp(looked.data<float>().data(), plain.data<float>().data(), plain.data<float>().size_bytes()),
              0);
  }
}

TEST(Luong, refuses_what_it_cannot_be) {
  EXPECT_EQ(refusal([](ModelConfig& c) { c.cross_mixer = "additive"; }),
            "cross-mixer: expected dot, general, concat or location, got \"additive\"");
  EXPECT_EQ(refusal([](ModelConfig& c) { c.attention_window = "local"; }),
            "attention-window: expected global, local-m or local-p, got \"local\"");
  EXPECT_EQ(refusal([](ModelConfig& c) { c.cell = "tanh"; }), "cell: expected lstm, gru or rnn, got \"tanh\"");
  EXPECT_NE(refusal([](ModelConfig& c) { c.decoder_layers = 1; }).find("decoder-layers: expected as many"),
            std::string::npos);
  EXPECT_NE(refusal([](ModelConfig& c) { c.bidirectional = true, c.width = 15; }).find("width: expected an even"),
            std::string::npos);
}

TEST(Luong, says_what_to_do_about_sources_longer_than_location_knows) {
  const auto model = testing::ready(with([](ModelConfig& c) { c.cross_mixer = "location", c.max_positions = 5; }));
  const auto all = testing::examples();
  const Batch batch = make_batch(all, std::vector<int>{3});
  EXPECT_EQ(testing::error_of([&] { model->hidden(batch, {}); }),
            "cross-mixer location: a source has 8 tokens, but the model was made for max-positions = 5; train with a "
            "larger max-positions or leave out longer sentences");
}

}  // namespace
}  // namespace attune
