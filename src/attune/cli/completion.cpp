// Commands come from the table; a command's flags from its own --help when the key is pressed, which is quick and
// always true. Where no flag is begun, bash completes file names.
#include "attune/cli/completion.h"

#include "attune/cli/bench.h"
#include "attune/cli/command.h"

namespace attune::cli {

namespace {

std::string names_of(std::span<const Command> list) {
  std::string names;
  for (const Command& command : list) {
    names += command.name + std::string(" ");
  }
  return names;
}

}  // namespace

std::string bash_completion() {
  return R"bash(# Completion of attune's commands and flags in bash; written by attune --completion bash.
_attune() {
  local word=${COMP_WORDS[COMP_CWORD]} words= first=1
  COMPREPLY=()
  [ "${COMP_WORDS[1]}" = --profile ] && [ "$COMP_CWORD" -gt 1 ] && first=2
  local command=${COMP_WORDS[first]}
  if [ "$COMP_CWORD" = "$first" ]; then
    words=')bash" +
         names_of(commands()) + R"bash(--help --version --profile'
  elif [ "$command" = bench ] && [ "$COMP_CWORD" = $((first + 1)) ]; then
    words=')bash" +
         names_of(benches()) + R"bash(--help'
  elif [ "${word#-}" != "$word" ]; then
    [ "$command" != bench ] || command="bench ${COMP_WORDS[first + 1]}"
    words="--help $("$1" $command --help 2>/dev/null | sed -n 's/^  \(--[a-z0-9-]*\).*/\1/p')"
  fi
  if [ -n "$words" ]; then
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
  fi
}
complete -o bashdefault -o default -F _attune attune
)bash";
}

}  // namespace attune::cli
