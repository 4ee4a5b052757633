// `attune explain` against PyTorch's autograd (tests/goldens/make_explain_golden.py), and docs/attention-by-hand.md
// against the program that writes it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "training_place.h"

namespace attune {
namespace {

using nlohmann::json;
using testing::Ran;
using testing::Workplace;

std::string file(const std::string& path) {
  std::ifstream stream(ATTUNE_SOURCE_DIR "/" + path, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

std::map<std::string, json> steps_of(const Workplace& place, const std::string& command) {
  const Ran ran = place.run(command + " --format json");
  EXPECT_EQ(ran.code, 0) << ran.err;
  std::map<std::string, json> steps;
  const json all = json::parse(ran.out);
  for (const json& step : all.at("steps")) {
    EXPECT_EQ(steps.count(step.at("name")), 0U) << step.at("name") << " occurs twice";
    steps[step.at("name")] = step;
  }
  return steps;
}

void flatten(const json& value, std::vector<double>& numbers) {
  if (value.is_array()) {
    for (const json& each : value) flatten(each, numbers);
  } else {
    numbers.push_back(value.is_null() ? NAN : value.get<double>());
  }
}

// Hidden cells: none of a definition's numbers; PyTorch's are 0, or a score that is masked afterwards.
double largest_difference(const json& found, const json& expected) {
  std::vector<double> a, b;
  flatten(found, a);
  flatten(expected, b);
  EXPECT_EQ(a.size(), b.size());
  double largest = a.size() == b.size() ? 0 : INFINITY;
  for (size_t i = 0; i < a.size() && i < b.size(); ++i) {
    largest = std::isnan(a[i]) ? largest : std::max(largest, std::fabs(a[i] - b[i]));
  }
  return largest;
}

void expect_golden(const std::map<std::string, json>& steps, const json& golden, double rounding = 1e-12) {
  for (const auto& [name, expected] : golden.items()) {
    ASSERT_EQ(steps.count(name), 1U) << name;
    EXPECT_LT(largest_difference(steps.at(name).at("value"), expected), rounding) << name;
  }
  for (const auto& [name, step] : steps) {
    if (step.contains("finite_difference")) {
      EXPECT_LT(largest_difference(step.at("finite_difference"), step.at("value")), 1e-9) << name;
    }
  }
}

TEST(GoldenExplain, every_number_of_the_built_in_example_is_pytorchs) {
  const Workplace place;
  const json golden = json::parse(file("tests/goldens/explain_golden.json"));
  const auto plain = steps_of(place, "explain");
  EXPECT_EQ(plain.at("X").at("value"), golden.at("X"));
  for (const auto& [name, value] : golden.at("weights").items()) {
    EXPECT_EQ(largest_difference(plain.at(name).at("value"), value), 0) << name;
  }
  for (const char* name : {"dV", "dP", "dS", "dQ", "dK", "dWq", "dWk", "dWv", "dX_q", "dX"}) {
    EXPECT_TRUE(plain.at(name).contains("finite_difference")) << name;
  }
  expect_golden(plain, golden.at("plain"));
  expect_golden(steps_of(place, "explain --causal"), golden.at("causal"));
  expect_golden(steps_of(place, "explain --loss cross-entropy"), golden.at("cross_entropy"));
}

TEST(GoldenExplain, two_heads_from_a_file_are_pytorchs) {
  const Workplace place;
  const json golden = json::parse(file("tests/goldens/explain_golden.json"));
  json matrices = golden.at("weights");
  matrices.update(golden.at("output"));
  matrices["X"] = golden.at("X");
  matrices["T"] = golden.at("T");
  place.write("m.json", matrices.dump());
  expect_golden(steps_of(place, "explain --heads 2 --matrices m.json"), golden.at("heads"));
}

// With biases, and with features and buckets that are given.
TEST(GoldenExplain, pages_of_the_sub_quadratic_family_are_pytorchs) {
  const Workplace place;
  const json golden = json::parse(file("tests/goldens/explain_pages_golden.json"));
  ASSERT_EQ(golden.size(), 13U);
  for (const json& page : golden) {
    const std::string flags = page.at("flags");
    SCOPED_TRACE(flags);
    place.write("m.json", page.at("inputs").dump());
    const auto steps = steps_of(place, "explain --loss none --matrices m.json " + flags);
    expect_golden(steps, page.at("steps"), 1e-8);  // ten digits
    EXPECT_GE(page.at("steps").size(), 17U);
    if (page.contains("shown")) {
      EXPECT_EQ(largest_difference(steps.at("N").at("value"), page.at("shown")), 0);
    }
  }
}

TEST(GoldenExplain, matrices_come_from_csv_as_well_and_a_given_gradient_is_taken) {
  const Workplace place;
  place.write("m.json",
              R"({"tokens": ["a", "b"], "X": [[1, 0.5], [0, -1]], "Wq": [[1, 0], [0, 1]], "Wk": [[2, 0], [0, 1]],
                  "Wv": [[1, 2, 3], [0, 1, 0]], "dY": [[1, -1, 0], [0, 2, 0.25]]})");
  place.write("m.csv", "1, 0.5\n0,-1\n\nWq\n1,0\n0,1\nWk,\n2,0\n0,1\nWv\n1,2,3\n0,1,0\n\ndY\n1,-1,0\n0,2,0.25\n");
  const auto steps = steps_of(place, "explain --loss none --matrices m.json");
  const auto same = steps_of(place, "explain --loss none --matrices m.csv");
  for (const auto& [name, step] : steps) {
    ASSERT_EQ(same.count(name), 1U) << name;
    EXPECT_EQ(same.at(name).at("value"), step.at("value")) << name;
  }
  EXPECT_EQ(steps.at("X").at("rows"), json({"a", "b"}));
  EXPECT_EQ(steps.at("V").at("shape"), json({2, 3}));
  const json given = json::parse("[[1, -1, 0], [0, 2, 0.25]]");
  EXPECT_EQ(largest_difference(steps.at("dY").at("value"), given), 0);
  EXPECT_EQ(largest_difference(steps.at("dO").at("value"), given), 0);
  EXPECT_LT(largest_difference(steps.at("dWv").at("finite_difference"), steps.at("dWv").at("value")), 1e-9);
}

TEST(GoldenExplain, a_beam_search_shows_what_translate_finds) {
  const testing::TrainingPlace place;
  ASSERT_EQ(place.run(testing::TrainingPlace::command("model", "--tokenizer words --max-update 30")).code, 0);
  const std::string search = " --model model --beam-size 2 --max-decoding-length 6";
  const Ran ran = place.run("explain beam 'the cat sleeps' --format json" + search);
  ASSERT_EQ(ran.code, 0) << ran.err;
  const json steps = json::parse(ran.out).at("steps");
  std::vector<std::string> living;
  for (size_t i = 0; i + 1 < steps.size(); ++i) {
    const std::vector<std::string> rows = steps[i].at("rows");
    for (const std::string& row : rows) {
      const std::string written = row.substr(row.find(' ') + 1);
      const bool follows = std::any_of(living.begin(), living.end(),
                                       [&](const std::string& before) { return written.starts_with(before); });
      EXPECT_TRUE(living.empty() || follows) << row;
    }
    living.clear();
    for (const std::string& row : rows) {
      if (row.starts_with("→")) living.push_back(row.substr(row.find(' ') + 1));
    }
    EXPECT_LE(living.size(), 2U);
  }
  const std::vector<std::string> results = steps.back().at("rows");
  place.write("line", "the cat sleeps\n");
  EXPECT_EQ(place.run("translate" + search + " < line").out, results.at(0) + "\n");
}

TEST(GoldenExplain, the_document_is_what_the_program_writes) {
  const Workplace place;
  const Ran ran = place.run("explain --format markdown");
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_TRUE(ran.out == file("docs/attention-by-hand.md"))
      << "docs/attention-by-hand.md is out of date: attune explain --format markdown > docs/attention-by-hand.md";
}

}  // namespace
}  // namespace attune
