#include "attune/decode/request.h"

#include <gtest/gtest.h>

#include "attune/base/error_of_test.h"

namespace attune {
namespace {

TEST(Request, keeps_the_text_and_the_id_as_they_came) {
  const TranslationRequest plain = read_request(R"({"text": "ein \"Haus\" \u00e4"})", "here");
  EXPECT_EQ(plain.text, "ein \"Haus\" ä");
  EXPECT_EQ(plain.id, "");
  EXPECT_EQ(read_request(R"({"id": 9223372036854775807, "text": ""})", "here").id, "9223372036854775807");
  EXPECT_EQ(read_request(R"({"id": "a\nb", "text": ""})", "here").id, R"("a\nb")");
}

struct BadRequest {
  const char* json;
  const char* says;
};

TEST(Request, refuses_what_is_no_request) {
  for (const BadRequest& bad : std::initializer_list<BadRequest>{
           {"", "not valid JSON"},
           {"ein Haus", "not valid JSON"},
           {"[]", "expected a JSON object"},
           {"{}", "expected \"text\" with a string, got no such key"},
           {R"({"text": 7})", "expected \"text\" with a string, got number"},
           {R"({"text": "a", "text": "b"})", "the key \"text\" occurs twice"},
           {R"({"text": "a", "beam": 3})", "unknown key \"beam\""},
           {R"({"text": "a", "id": 1.5})", "expected \"id\" with a string or a whole number, got number"},
           {R"({"text": "a", "id": [[[[]]]]})", "nested more than 1 deep"},
           {R"({"text": "a\u0000b"})", "holds a NUL at byte 1"},
           {R"({"text": "a\nb"})", "holds a line break at byte 1"},
           {"{\"text\": \"\xff\"}", "not valid JSON"}}) {
    const std::string message = testing::error_of([&] { read_request(bad.json, "here:3"); });
    EXPECT_EQ(message.rfind("here:3: ", 0), 0U) << message;
    EXPECT_NE(message.find(bad.says), std::string::npos) << message;
  }
}

}  // namespace
}  // namespace attune
