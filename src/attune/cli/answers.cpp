#include "attune/cli/answers.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "attune/cli/console.h"
#include "attune/data/corpus.h"

namespace attune::cli {

void answer_lines(std::string_view what,
                  const std::function<std::string(const std::string& line, const std::string& where)>& answer) {
  say_what_is_read(what);
  LineReader lines("-");
  while (const auto line = lines.next()) {
    print(answer(*line, fmt::format("{}:{}", lines.name(), lines.line())));
    flush_output();
  }
}

std::string line_of(const nlohmann::ordered_json& json) {
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace attune::cli
