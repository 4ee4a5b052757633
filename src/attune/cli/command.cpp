#include "attune/cli/command.h"

#include "attune/base/check.h"
#include "attune/cli/suggest.h"

namespace attune::cli {

int run_named(std::span<const Command> list, const Arguments& arguments, const Called& called) {
  std::vector<std::string> names;
  for (const Command& command : list) {
    if (arguments.front() == command.name) {
      return command.run({arguments.begin() + 1, arguments.end()});
    }
    names.emplace_back(command.name);
  }
  check_usage(false, called.unknown, " ", arguments.front(),
              suggestion(arguments.front(), names, called.prefix, "; " + called.prefix + "--help lists them"));
  return usage_failure;
}

}  // namespace attune::cli
