#include "attune/data/completions.h"

#include <algorithm>

#include "attune/base/check.h"
#include "attune/base/profile.h"
#include "attune/data/corpus.h"
#include "attune/text/unicode.h"

namespace attune {

std::vector<std::string> Completions::lines() const {
  std::vector<std::string> all = prompts;
  all.insert(all.end(), completions.begin(), completions.end());
  return all;
}

Completions read_completions(const std::vector<std::string>& paths) {
  const ProfileScope scope("read_corpus");
  constexpr const char* form = ": expected prompt<TAB>completion, got ";
  Completions result;
  for (const std::string& path : paths) {
    LineReader reader(path);
    while (const auto line = reader.next()) {
      const auto tabs = std::count(line->begin(), line->end(), '\t');
      check(tabs == 1, reader.name(), ":", reader.line(), form, tabs == 0 ? "no tab" : "more than one tab");
      const size_t tab = line->find('\t');
      std::string completion = line->substr(tab + 1);
      check(!split_whitespace(completion).empty(), reader.name(), ":", reader.line(), form, "nothing behind the tab");
      result.prompts.push_back(line->substr(0, tab));
      result.completions.push_back(std::move(completion));
    }
    check(reader.line() > 0, reader.name(), form, "an empty file");
  }
  return result;
}

}  // namespace attune
