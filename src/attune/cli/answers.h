// Commands that read standard input line by line and answer each line before the next one is read.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace attune::cli {

// answer: what is printed for a line; where: "standard input:3", for errors. what: the lines are ("texts"), said to a
// terminal.
void answer_lines(std::string_view what,
                  const std::function<std::string(const std::string& line, const std::string& where)>& answer);

// The value on one line of its own. Text that is not UTF-8 does not keep it from being written.
std::string line_of(const nlohmann::ordered_json& json);

}  // namespace attune::cli
