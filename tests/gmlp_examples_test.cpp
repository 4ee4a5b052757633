// The paper's gMLPs (Liu et al. 2021, table 1), as examples/ has them.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "program.h"

namespace attune {
namespace {

using testing::Ran;
using testing::Workplace;

struct Published {
  const char* name;
  int64_t parameters;    // exactly
  double multiply_adds;  // as printed in the paper, in G
};

TEST(Gmlp, examples_have_the_papers_parameters_and_multiply_adds) {
  const Workplace place;
  for (const Published& model : {Published{"gmlp-ti", 5'867'328, 1.4}, Published{"gmlp-s", 19'422'656, 4.5},
                                 Published{"gmlp-b", 73'075'392, 15.8}}) {
    const Ran ran = place.run(std::string("describe --config " ATTUNE_SOURCE_DIR "/examples/") + model.name +
                              ".toml --format json");
    ASSERT_EQ(ran.code, 0) << ran.err;
    const auto json = nlohmann::json::parse(ran.out);
    EXPECT_EQ(json["parameters"], model.parameters) << model.name;
    EXPECT_NEAR(json["image_multiply_adds"].get<double>() / 1e9, model.multiply_adds, 0.06 * model.multiply_adds)
        << model.name;
  }
}

TEST(Gmlp, the_models_of_mnist_are_of_one_size_and_below_a_million) {
  const Workplace place;
  std::vector<int64_t> sizes;
  for (const char* name : {"mnist-gmlp", "mnist-vit"}) {
    const Ran ran = place.run(std::string("describe --config " ATTUNE_SOURCE_DIR "/examples/") + name +
                              ".toml --image-size 28 --image-channels 1 --labels 10 --format json");
    ASSERT_EQ(ran.code, 0) << ran.err;
    sizes.push_back(nlohmann::json::parse(ran.out)["parameters"].get<int64_t>());
    EXPECT_LT(sizes.back(), 1'000'000) << name;
  }
  EXPECT_NEAR(static_cast<double>(sizes[0]) / static_cast<double>(sizes[1]), 1, 0.1);
}

}  // namespace
}  // namespace attune
