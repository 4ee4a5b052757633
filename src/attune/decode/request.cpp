#include "attune/decode/request.h"

#include "attune/base/json.h"

namespace attune {

TranslationRequest read_request(std::string_view json, const std::string& where) {
  const nlohmann::json request = parse_json_object(json, where, 1);
  for (const auto& [key, value] : request.items()) {
    check(key == "text" || key == "id", where, ": unknown key \"", key, "\"; expected \"text\" and, if wanted, \"id\"");
  }
  const auto text = request.find("text"), id = request.find("id");
  check(text != request.end() && text->is_string(), where, ": expected \"text\" with a string, got ",
        text == request.end() ? "no such key" : text->type_name());
  TranslationRequest result{text->get<std::string>(), {}};
  const size_t odd = result.text.find_first_of(std::string_view("\0\n\r", 3));
  check(odd == std::string::npos, where, ": \"text\" holds a ",
        odd != std::string::npos && result.text[odd] == '\0' ? "NUL" : "line break", " at byte ", odd,
        "; expected one line of text");
  if (id != request.end()) {
    check(id->is_string() || id->is_number_integer(), where, ": expected \"id\" with a string or a whole number, got ",
          id->type_name());
    result.id = id->dump();
  }
  return result;
}

}  // namespace attune
