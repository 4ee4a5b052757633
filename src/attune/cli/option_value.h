// The text of an option's value and back.
#pragma once

#include <string>
#include <vector>

#include "attune/cli/option_table.h"

namespace attune::cli {

// `origin` opens the message of the UsageError: "--width", "a.toml:3: width", "ATTUNE_WIDTH".
void read_value(const OptionTable::Field& field, const std::vector<std::string>& values, const std::string& origin);

std::string text_of(const OptionTable::Field& field);
// What stands for the value in the help: N, X, TEXT; nothing for a switch.
std::string placeholder_of(const OptionTable::Field& field, const ListOptions& list);

}  // namespace attune::cli
