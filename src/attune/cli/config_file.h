// Config files: the part of TOML that flat settings need.
//   key = value      # comment
// A value is a string ("..." with \" \\ \n \t escapes, or '...' as it stands), a number, true or false, or a list of
// these in brackets on one line. [section] headers order a file for its reader; keys are one flat list all the same.
#pragma once

#include <string>
#include <vector>

namespace attune::cli {

struct ConfigItem {
  std::string key;
  std::vector<std::string> values;  // as text; numbers without the underscores TOML allows
  bool is_list = false;
  std::string where;  // "examples/a.toml:12"
};

// Throws a UsageError naming file and line. A key may occur once.
std::vector<ConfigItem> read_config_file(const std::string& path);
std::vector<ConfigItem> parse_config(const std::string& text, const std::string& name);

}  // namespace attune::cli
