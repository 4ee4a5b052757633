// Commands come from the table; a command's flags from its own --help when the key is pressed, which is quick and
// always true. Where no flag is begun, bash completes file names.
#include "attune/cli/completion.h"

#include "attune/cli/command.h"

namespace attune::cli {

std::string bash_completion() {
  std::string names;
  for (const Command& command : commands()) {
    names += command.name + std::string(" ");
  }
  return R"bash(# Completion of attune's commands and flags in bash; written by attune --completion bash.
_attune() {
  local word=${COMP_WORDS[COMP_CWORD]} words=
  COMPREPLY=()
  if [ "$COMP_CWORD" = 1 ]; then
    words=')bash" +
         names + R"bash(--help --version'
  elif [ "${word#-}" != "$word" ]; then
    words="--help $("$1" "${COMP_WORDS[1]}" --help 2>/dev/null | sed -n 's/^  \(--[a-z0-9-]*\).*/\1/p')"
  fi
  if [ -n "$words" ]; then
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
  fi
}
complete -o bashdefault -o default -F _attune attune
)bash";
}

}  // namespace attune::cli
