#include "attune/data/labels.h"

#include <algorithm>
#include <charconv>
#include <numeric>
#include <optional>

#include "attune/base/check.h"
#include "attune/data/corpus.h"
#include "attune/tensor/atomic_file.h"

namespace attune {
namespace {

std::optional<int64_t> whole_number(const std::string& text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

}  // namespace

Labels::Labels(std::vector<std::string> names, const std::string& where) : names_(std::move(names)) {
  by_name_.resize(names_.size());
  std::iota(by_name_.begin(), by_name_.end(), 0);
  std::sort(by_name_.begin(), by_name_.end(), [&](int a, int b) { return name(a) < name(b); });
  for (size_t i = 0; i < by_name_.size(); ++i) {
    const std::string& name = this->name(by_name_[i]);
    check(!name.empty() && name.find('\n') == std::string::npos, where,
          ": a label must be text within one line, got \"", name, "\"");
    check(i == 0 || name != this->name(by_name_[i - 1]), where, ": the label \"", name, "\" occurs twice");
  }
}

Labels Labels::of(std::span<const std::string> used) {
  std::vector<std::string> names(used.begin(), used.end());
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  if (std::all_of(names.begin(), names.end(), [](const std::string& name) { return whole_number(name); })) {
    std::stable_sort(names.begin(), names.end(),
                     [](const std::string& a, const std::string& b) { return *whole_number(a) < *whole_number(b); });
  }
  return Labels(std::move(names), "labels");
}

int Labels::find(std::string_view wanted) const {
  const auto found = std::lower_bound(by_name_.begin(), by_name_.end(), wanted,
                                      [&](int id, std::string_view text) { return name(id) < text; });
  return found != by_name_.end() && name(*found) == wanted ? *found : -1;
}

int Labels::find(std::string_view wanted, const std::string& where) const {
  constexpr int shown = 20;
  const int id = find(wanted);
  if (id < 0) {
    std::string known;
    for (int i = 0; i < std::min(count(), shown); ++i) {
      known += (i == 0 ? "" : ", ") + name(i);
    }
    fail(where, ": the label \"", wanted, "\" does not occur in the training data, whose labels are ", known,
         count() > shown ? ", ..." : "");
  }
  return id;
}

void save_labels(const std::string& path, const Labels& labels) {
  std::string text;
  for (const std::string& name : labels.names()) {
    text += name + "\n";
  }
  write_file_atomically(path, text);
}

Labels load_labels(const std::string& path) {
  return Labels(read_lines(path), path);
}

}  // namespace attune
