// Taking heads away and comparing models, through the built program.
#include <gtest/gtest.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "training_place.h"

namespace {

using attune::testing::expect_one_error;
using attune::testing::InOnePlace;
using attune::testing::Ran;
using attune::testing::TrainingPlace;

class Ablation : public InOnePlace<TrainingPlace> {
 protected:
  static void SetUpTestSuite() {
    InOnePlace::SetUpTestSuite();
    trained = place->run(TrainingPlace::command("model", "--tokenizer words --max-update 30"));
    other = place->run(TrainingPlace::command("other", "--tokenizer words --max-update 31"));
  }
  void SetUp() override {
    ASSERT_EQ(trained.code, 0) << trained.err;
    ASSERT_EQ(other.code, 0) << other.err;
  }
  inline static Ran trained, other;
};

TEST_F(Ablation, of_heads_changes_scores_and_translations_and_not_the_files) {
  const std::string score = "score --model model --source test.en --target test.vi --threads 1";
  const Ran whole = place->run(score), without = place->run(score + " --without encoder.layer.0.head.0"),
            both = place->run(score + " --without encoder.layer.0.head.0 encoder.layer.0.head.1"),
            all = place->run(score + " --without encoder.layers.0.self_attention"), again = place->run(score);
  ASSERT_EQ(without.code, 0) << without.err;
  EXPECT_NE(without.out, whole.out);
  EXPECT_NE(without.out, both.out);
  EXPECT_EQ(both.out, all.out);
  EXPECT_EQ(again.out, whole.out);
  const Ran translated = place->run(
      "translate --model model --scores --max-decoding-length 8 --without decoder.layer.0.cross_attention < test.en");
  ASSERT_EQ(translated.code, 0) << translated.err;
  EXPECT_NE(translated.out, place->run("translate --model model --scores --max-decoding-length 8 < test.en").out);
  const Ran wrong = place->run("translate --model model --without encoder.layer.9.head.0 < test.en");
  expect_one_error(wrong, 2);
  EXPECT_NE(wrong.err.find("encoder.layers.0.self_attention (heads 0 to 1)"), std::string::npos) << wrong.err;
}

TEST_F(Ablation, of_heads_gives_the_bleu_without_them) {
  const std::string search = " --beam-size 1 --max-decoding-length 8";
  const Ran ranked = place->run("inspect heads --model model --valid test.en test.vi --bleu --format json" + search);
  ASSERT_EQ(ranked.code, 0) << ranked.err;
  EXPECT_NE(ranked.err.find("20 translations for each head"), std::string::npos) << ranked.err;
  const auto json = nlohmann::json::parse(ranked.out);
  ASSERT_FALSE(json["heads"].empty());
  for (const auto& head : {json["heads"].front(), json["heads"].back()}) {
    const std::string name = head["head"];
    const Ran translated =
        place->run("translate --model model --reference test.vi --without " + name + search + " < test.en");
    ASSERT_EQ(translated.code, 0) << translated.err;
    char bleu[32];
    std::snprintf(bleu, sizeof bleu, " = %.2f ", head["bleu"].get<double>());
    EXPECT_NE(translated.err.find(bleu), std::string::npos) << bleu << translated.err;
    EXPECT_NE(translated.err.find("BLEU|"), std::string::npos);
  }
  EXPECT_TRUE(json["bleu"].is_number());
  const Ran plain = place->run("inspect heads --model model --valid test.en test.vi --format json");
  EXPECT_FALSE(nlohmann::json::parse(plain.out).contains("bleu"));
  expect_one_error(place->run("inspect heads --model model --valid test.en test.vi --beam-size 2"), 2);
  place->write("short.vi", "one line\n");
  const Ran unequal = place->run("translate --model model --reference short.vi" + search + " < test.en");
  EXPECT_EQ(unequal.code, 1);
  EXPECT_NE(unequal.err.find("short.vi has 1 lines but standard input 20"), std::string::npos) << unequal.err;
}

TEST_F(Ablation, diff_names_the_first_module_that_parts) {
  const Ran same = place->run("diff --model model --model model --tolerance 0 --format json < test.en");
  ASSERT_EQ(same.code, 0) << same.err;
  EXPECT_TRUE(nlohmann::json::parse(same.out)["first"].is_null()) << same.out;
  const Ran rounded =
      place->run("diff --model model model --compute-type float32 bfloat16 --tolerance 1e-5 --format json < test.en");
  ASSERT_EQ(rounded.code, 0) << rounded.err;
  const auto first = nlohmann::json::parse(rounded.out)["first"];
  EXPECT_EQ(first["module"], "encoder.layers.0.self_attention.weights.0");
  EXPECT_NE(first["a"], first["b"]);
  const Ran later = place->run("diff --model model --model other --target test.vi --tolerance 1e-9 < test.en");
  ASSERT_EQ(later.code, 0) << later.err;
  EXPECT_NE(later.out.find("they part in encoder.embedding.rows: at sentence "), std::string::npos) << later.out;
}

}  // namespace
