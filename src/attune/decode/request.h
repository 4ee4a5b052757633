// One line of `attune translate --input-format json`: {"text": "a sentence", "id": "7"}.
#pragma once

#include <string>
#include <string_view>

namespace attune {

struct TranslationRequest {
  std::string text;  // one line of UTF-8
  std::string id;    // as JSON, to be given back as it came: a string or a whole number; empty when there is none
};

// Throws an Error that begins with `where`: not a JSON object, another key, a text that is missing or no line of text.
TranslationRequest read_request(std::string_view json, const std::string& where);

}  // namespace attune
