#include "attune/inspect/ablation.h"

#include <gtest/gtest.h>

#include <cstring>
#include <set>

#include "attune/autograd/tape.h"
#include "attune/base/error_of_test.h"
#include "attune/models/forms_test.h"
#include "attune/ops/cross_entropy.h"

namespace attune {
namespace {

using testing::examples;
using testing::Form;
using testing::forms;
using testing::ready;

Batch all_of_them() {
  const auto all = examples();
  return make_batch(all, std::vector<int>{0, 1, 2, 3});
}

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && std::memcmp(a.pointer<float>(), b.pointer<float>(), size_t(a.bytes())) == 0;
}

TEST(AttentionPlaces, are_where_a_probe_is_offered_weights) {
  for (const Form& form : forms()) {
    const auto model = ready(form.config);
    std::set<std::pair<std::string, int64_t>> offered, listed;
    const Probe probe([&](const std::string& name, const Tensor& value) {
      const size_t at = name.find(".weights.");
      if (at != std::string::npos) {
        offered.emplace(name.substr(0, at), value.size(0));
      }
    });
    model->hidden(all_of_them(), {.probe = &probe});
    for (const AttentionPlace& place : attention_places(form.config)) {
      listed.emplace(place.module, place.heads);
    }
    EXPECT_EQ(listed, offered) << form.name;
  }
}

// Independent of how heads are taken away: what a head's values hold must not matter any more.
TEST(Removal, of_a_head_is_the_same_as_a_head_whose_values_are_zero) {
  const ModelConfig config = testing::tiny("transformer");
  const int64_t depth = config.width / config.heads;
  for (const AttentionPlace& place : attention_places(config)) {
    const auto removed = ready(config), zeroed = ready(config);
    remove(*removed, {place, 1});
    for (const char* part : {".value.weight", ".value.bias"}) {
      Tensor parameter = *zeroed->parameters().find(place.module + part)->parameter;
      parameter.rows_view(depth, depth).fill(0);
    }
    const Tensor expected = zeroed->hidden(all_of_them(), {});
    EXPECT_TRUE(same_bits(removed->hidden(all_of_them(), {}), expected)) << place.module;
    EXPECT_FALSE(same_bits(ready(config)->hidden(all_of_them(), {}), expected)) << place.module;
  }
}

// Names of the parameters whose gradient is not zero.
std::set<std::string> felt(Model& model) {
  const Batch batch = all_of_them();
  Tape tape(model.parameters());
  const OutputLayer output = model.output();
  const Gradients gradients = tape.backward(
      linear_cross_entropy(model.hidden(batch, {}), output.weight, output.bias, batch.target_output, {}).loss);
  std::set<std::string> names;
  const auto& entries = model.parameters().entries();
  for (size_t i = 0; i < entries.size(); ++i) {
    const Tensor gradient = model.parameters().view_of(gradients.flat(), i);
    for (int64_t element = 0; element < gradient.elements(); ++element) {
      if (gradient.at(element) != 0) {
        names.insert(entries[i].name);
        break;
      }
    }
  }
  return names;
}

TEST(Removal, of_all_heads_leaves_what_scores_without_a_gradient) {
  for (const Form& form : forms()) {
    for (const AttentionPlace& place : attention_places(form.config)) {
      const auto model = ready(form.config);
      const auto before = felt(*model);
      remove(*model, {place, {}});
      const auto after = felt(*model);
      const bool scores_with_weights = form.config.cross_mixer != "dot" && form.config.cross_mixer != "mean";
      EXPECT_LE(after.size() + (scores_with_weights ? 1 : 0), before.size()) << form.name << " " << place.module;
      for (const std::string& name : before) {
        const bool shared =
            name.find(".projection.") != std::string::npos && form.config.projection_sharing == "layers";
        const bool of_place =
            name.starts_with(place.module + ".") && name.find(".output.") == std::string::npos && !shared;
        EXPECT_FALSE(of_place && after.count(name) == 1) << form.name << " " << name;
      }
    }
  }
}

TEST(Removal, is_named_like_its_module_or_shorter) {
  const ModelConfig config = testing::tiny("transformer");
  const auto name = [&](const std::string& text) { return removal_of_name(config, text, "--without").name(); };
  EXPECT_EQ(name("encoder.layers.1.self_attention.head.1"), "encoder.layers.1.self_attention.head.1");
  EXPECT_EQ(name("encoder.layer.1.head.1"), "encoder.layers.1.self_attention.head.1");
  EXPECT_EQ(name("decoder.layer.0.cross_attention"), "decoder.layers.0.cross_attention");
  for (const char* wrong :
       {"", "encoder", "encoder.layer.2.head.0", "encoder.layer.0.head.2", "encoder.layer.0.head.-1",
        "encoder.layer.0.head.", "encoder.layer.0.head.0x", "decoder.layer.0.cross_attention.head"}) {
    const std::string message = testing::error_of([&] { name(wrong); });
    EXPECT_NE(message.find("encoder.layers.0.self_attention.head.0"), std::string::npos) << message;
    EXPECT_NE(message.find(std::string("\"") + wrong + "\""), std::string::npos) << message;
  }
  const std::string message =
      testing::error_of([&] { removal_of_name(testing::tiny("lstm"), "encoder.layer.0.head.0", "--without"); });
  EXPECT_NE(message.find("attends to nothing"), std::string::npos) << message;
}

TEST(RankHeads, says_what_each_costs_and_leaves_the_model_as_it_was) {
  const auto model = ready(testing::tiny("transformer"));
  const Tensor before = model->parameters().flat().clone();
  const auto pairs = examples();
  int calls = 0, measured = 0;
  const HeadCosts costs = rank_heads(*model, pairs,
                                     {.progress = [&](int, int total) { calls += total == 12 ? 1 : 0; },
                                      .bleu = [&] { return static_cast<double>(++measured); }});
  EXPECT_TRUE(same_bits(model->parameters().flat(), before));
  EXPECT_EQ(measured, 13);
  EXPECT_EQ(calls, 12);  // 2 layers of 2 heads in the encoder, of 2 + 2 in the decoder
  ASSERT_EQ(costs.heads.size(), 12U);
  for (size_t i = 0; i < costs.heads.size(); ++i) {
    const HeadCost& cost = costs.heads[i];
    EXPECT_TRUE(cost.bleu.has_value());
    EXPECT_TRUE(i == 0 || cost.loss <= costs.heads[i - 1].loss);
    const auto without = ready(testing::tiny("transformer"));
    remove(*without, removal_of_name(without->config(), cost.name, ""));
    EXPECT_EQ(rank_heads(*without, pairs).whole.loss, cost.loss) << cost.name;
  }
}

}  // namespace
}  // namespace attune
