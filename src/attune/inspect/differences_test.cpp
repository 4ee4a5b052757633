#include "attune/inspect/differences.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "attune/base/error_of_test.h"
#include "attune/models/forms_test.h"

namespace attune {
namespace {

using testing::examples;
using testing::ready;

constexpr double tolerance = 1e-6;

TEST(Differences, of_a_model_and_itself_are_none) {
  for (const testing::Form& form : testing::forms()) {
    const auto model = ready(form.config);
    const Differences found = find_differences({model.get()}, {model.get()}, examples(), 0);
    EXPECT_FALSE(found.first) << form.name;
    EXPECT_GE(found.modules.size(), 5U) << form.name;
    EXPECT_EQ(found.modules.back().module, "logits");
  }
}

TEST(Differences, begin_where_a_weight_was_changed) {
  const ModelConfig config = testing::tiny("transformer");
  const auto a = ready(config), b = ready(config);
  Tensor changed = *b->parameters().find("encoder.layers.1.feed_forward.second.bias")->parameter;
  changed.data<float>()[3] += 0.5F;
  const Differences found = find_differences({a.get()}, {b.get()}, examples(), tolerance);
  ASSERT_TRUE(found.first);
  const ModuleDifference& first = found.modules[*found.first];
  EXPECT_EQ(first.module, "encoder.layers.1.feed_forward.output");
  EXPECT_NEAR(first.largest, 0.5, 1e-6);
  EXPECT_NEAR(first.b - first.a, 0.5, 1e-6);
  ASSERT_EQ(first.at.size(), 2U);
  EXPECT_EQ(first.at[1], 3);
  for (size_t i = 0; i < *found.first; ++i) {
    EXPECT_EQ(found.modules[i].largest, 0) << found.modules[i].module;
  }
}

TEST(Differences, of_bfloat16_products_begin_at_the_first_product) {
  const auto model = ready(testing::tiny("transformer"));
  const Differences found = find_differences({model.get()}, {model.get(), DType::bfloat16}, examples(), tolerance);
  ASSERT_TRUE(found.first);
  EXPECT_EQ(found.modules[0].largest, 0);
  EXPECT_EQ(found.modules[0].module, "encoder.embedding.rows");
  EXPECT_EQ(found.modules[*found.first].module, "encoder.layers.0.self_attention.weights.0");
}

TEST(Differences, not_a_number_differs_from_every_number) {
  const ModelConfig config = testing::tiny("luong");
  const auto a = ready(config), b = ready(config);
  Tensor changed = *b->parameters().find("output.bias")->parameter;
  changed.data<float>()[2] = std::numeric_limits<float>::quiet_NaN();
  const Differences found = find_differences({a.get()}, {b.get()}, examples(), tolerance);
  ASSERT_TRUE(found.first);
  EXPECT_EQ(found.modules[*found.first].module, "logits");
  EXPECT_TRUE(std::isinf(found.modules[*found.first].relative()));
  EXPECT_TRUE(std::isnan(found.modules[*found.first].b));
}

TEST(Differences, models_of_other_modules_are_refused) {
  ModelConfig deeper = testing::tiny("transformer");
  deeper.encoder_layers = 3;
  const auto a = ready(testing::tiny("transformer")), b = ready(deeper);
  const std::string message = testing::error_of([&] { find_differences({a.get()}, {b.get()}, examples(), tolerance); });
  EXPECT_NE(message.find("encoder.layers.2.self_attention"), std::string::npos) << message;
}

}  // namespace
}  // namespace attune
