#include "attune/base/json.h"

#include <gtest/gtest.h>

#include "attune/base/error_of_test.h"

namespace attune {
namespace {

using testing::error_of;
using Json = nlohmann::json;

TEST(Json, reads_values_of_the_type_that_is_wanted) {
  EXPECT_EQ(read_value<int>(Json(-5), "x"), -5);
  EXPECT_EQ(read_value<uint64_t>(Json(18446744073709551615ULL), "x"), 18446744073709551615ULL);
  EXPECT_EQ(read_value<int64_t>(Json(-9223372036854775807LL), "x"), -9223372036854775807LL);
  EXPECT_EQ(read_value<double>(Json(7), "x"), 7);
  EXPECT_EQ(read_value<bool>(Json(true), "x"), true);
  EXPECT_EQ(read_value<std::string>(Json("a"), "x"), "a");
}

TEST(Json, refuses_values_that_do_not_fit) {
  EXPECT_EQ(error_of([] { read_value<int>(Json(2147483648), "f: x"); }),
            "f: x is 2147483648, expected a whole number of 32 bits");
  EXPECT_EQ(error_of([] { read_value<uint64_t>(Json(6e73), "x"); }), "x is 6e+73, expected a whole number of 64 bits");
  for (const Json& odd : {Json(-1), Json(1.5), Json("1"), Json(true), Json(nullptr)}) {
    EXPECT_NE(error_of([&] { read_value<uint32_t>(odd, "x"); }), "no error") << odd;
  }
  EXPECT_NE(error_of([] { read_value<int64_t>(Json(9223372036854775808ULL), "x"); }), "no error");
  EXPECT_NE(error_of([] { read_value<double>(Json("1"), "x"); }), "no error");
  EXPECT_NE(error_of([] { read_value<bool>(Json(1), "x"); }), "no error");
  EXPECT_EQ(error_of([] { read_value_of<int>(Json::object(), "key", "f"); }), "f: key is missing");
  EXPECT_EQ(error_of([] { read_value_of<int>(Json::array(), "key", "f"); }), "f: key is missing");
}

TEST(Json, refuses_depth_equal_keys_and_what_is_no_object) {
  EXPECT_EQ(parse_json_object(R"({"a": {"b": 1}})", "f", 2)["a"]["b"], 1);
  EXPECT_EQ(error_of([] { parse_json_object(R"({"a": {"b": 1}})", "f", 1); }), "f: values are nested more than 1 deep");
  EXPECT_EQ(error_of([] { parse_json_object(R"({"a": {"b": 1, "b": 2}})", "f", 2); }), "f: the key \"b\" occurs twice");
  EXPECT_EQ(parse_json_object(R"({"a": {"b": 1}, "c": {"b": 2}})", "f", 2).size(), 2U);
  EXPECT_EQ(error_of([] { parse_json_object("[1]", "f", 2); }), "f: expected a JSON object");
  EXPECT_EQ(error_of([] { parse_json_object("{", "f", 2); }).rfind("f: not valid JSON: ", 0), 0U);
}

}  // namespace
}  // namespace attune
