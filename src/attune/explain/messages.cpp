#include "attune/explain/messages.h"

#include <fmt/args.h>
#include <fmt/format.h>

#include <array>

#include "attune/base/option_checks.h"

namespace attune::explain {

namespace {

constexpr std::array tables{
    frame_messages,  attention_messages, source_messages,  recurrent_messages, gating_messages,
    sparse_messages, feature_messages,   hashing_messages, topic_messages,     attention_positions_messages};
constexpr std::array<std::string_view, 3> codes{"en", "vi", "ru"};

}  // namespace

const Message& find_message(std::string_view id) {
  for (const auto& table : tables) {
    for (const Message& each : table()) {
      if (each.id == id) {
        return each;
      }
    }
  }
  fail("explain: no message is called ", id);
}

std::string message(std::string_view id, Language language, const std::vector<std::string>& arguments) {
  const Message& found = find_message(id);
  const std::string_view text = language == Language::english      ? found.english
                                : language == Language::vietnamese ? found.vietnamese
                                                                   : found.russian;
  fmt::dynamic_format_arg_store<fmt::format_context> store;
  for (const std::string& argument : arguments) {
    store.push_back(argument);
  }
  return fmt::vformat(text, store);
}

Language language_of_name(const std::string& name) {
  for (size_t i = 0; i < codes.size(); ++i) {
    if (codes[i] == name) {
      return static_cast<Language>(i);
    }
  }
  refuse_word("language", name, codes);
}

std::string_view code_of(Language language) {
  return codes[static_cast<size_t>(language)];
}

std::vector<Message> all_messages() {
  std::vector<Message> all;
  for (const auto& table : tables) {
    all.insert(all.end(), table().begin(), table().end());
  }
  return all;
}

}  // namespace attune::explain
