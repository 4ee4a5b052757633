// What language models learn to go on with: lines of prompt<TAB>completion, each a text of its own, of which the
// completion alone is to be told. Plain or gzip, UTF-8.
#pragma once

#include <string>
#include <vector>

namespace attune {

struct Completions {
  std::vector<std::string> prompts, completions;  // of equal size

  std::vector<std::string> lines() const;  // all of both, for a tokenizer to be trained on
};

// The lines of all files. One without exactly one tab, or with nothing but blanks behind it, is an error that names
// file and line; a prompt may be empty.
Completions read_completions(const std::vector<std::string>& paths);

}  // namespace attune
