#include "attune/cli/config_file.h"

#include <algorithm>
#include <cctype>
#include <set>
#include <string_view>

#include "attune/base/check.h"
#include "attune/data/corpus.h"

namespace attune::cli {

namespace {

constexpr int64_t most_lines = 100'000;

// One line, read from left to right.
class LineParser {
 public:
  LineParser(std::string_view line, std::string where) : rest_(line), where_(std::move(where)) {}

  // False for a blank line, a comment and a section header.
  bool item(ConfigItem& item) {
    skip_blanks();
    if (at_end()) {
      return false;
    }
    if (rest_.front() == '[') {
      section();
      return false;
    }
    item.where = where_;
    item.key = key();
    skip_blanks();
    check_usage(take('='), where_, ": expected = after \"", item.key, "\" (key = value)", found());
    skip_blanks();
    item.is_list = take('[');
    if (item.is_list) {
      list(item.values);
    } else {
      item.values.push_back(value());
    }
    finish();
    return true;
  }

 private:
  bool at_end() const { return rest_.empty() || rest_.front() == '#'; }
  void skip_blanks() {
    while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == '\t')) {
      rest_.remove_prefix(1);
    }
  }
  bool take(char c) {
    if (rest_.empty() || rest_.front() != c) {
      return false;
    }
    rest_.remove_prefix(1);
    return true;
  }
  std::string found() const {
    return rest_.empty() ? ", found the end of the line" : ", found \"" + std::string(rest_.substr(0, 40)) + "\"";
  }
  void finish() {
    skip_blanks();
    check_usage(at_end(), where_, ": expected the end of the line after the value", found());
  }

  std::string_view bare(bool (*belongs)(unsigned char)) {
    size_t end = 0;
    while (end < rest_.size() && belongs(static_cast<unsigned char>(rest_[end]))) {
      ++end;
    }
    const std::string_view word = rest_.substr(0, end);
    rest_.remove_prefix(end);
    return word;
  }

  std::string key() {
    const std::string_view word = bare([](unsigned char c) { return std::isalnum(c) != 0 || c == '-' || c == '_'; });
    check_usage(!word.empty(), where_, ": expected key = value", found());
    return std::string(word);
  }

  void section() {
    const size_t end = rest_.find(']');
    check_usage(end != std::string_view::npos && end > 1, where_, ": expected [section]", found());
    rest_.remove_prefix(end + 1);
    finish();
  }

  void list(std::vector<std::string>& values) {
    for (;;) {
      skip_blanks();
      if (take(']')) {
        return;
      }
      values.push_back(value());
      skip_blanks();
      if (!take(',')) {
        check_usage(take(']'), where_, ": expected , or ] in the list", found());
        return;
      }
    }
  }

  std::string value() {
    check_usage(!at_end(), where_, ": expected a value after =", found());
    if (take('"')) {
      return quoted();
    }
    if (take('\'')) {
      const size_t end = rest_.find('\'');
      check_usage(end != std::string_view::npos, where_, ": the string has no closing '");
      std::string text(rest_.substr(0, end));
      rest_.remove_prefix(end + 1);
      return text;
    }
    return plain();
  }

  // true, false or a number: words must be quoted, as TOML asks.
  std::string plain() {
    const std::string_view start = rest_;
    std::string word(
        bare([](unsigned char c) { return std::isalnum(c) != 0 || c == '-' || c == '+' || c == '_' || c == '.'; }));
    if (word != "true" && word != "false") {
      const bool number =
          !word.empty() && (std::isdigit(static_cast<unsigned char>(word.front())) != 0 ||
                            ((word.front() == '-' || word.front() == '+' || word.front() == '.') && word.size() > 1));
      check_usage(number, where_, ": expected a number, true, false or a string in quotes, found \"",
                  std::string(start.substr(0, 40)), "\"");
      word.erase(std::remove(word.begin(), word.end(), '_'), word.end());
    }
    return word;
  }

  std::string quoted() {
    std::string text;
    while (!rest_.empty()) {
      const char c = rest_.front();
      rest_.remove_prefix(1);
      if (c == '"') {
        return text;
      }
      text += c == '\\' ? escaped() : c;
    }
    check_usage(false, where_, ": the string has no closing \"");
    return text;
  }

  char escaped() {
    constexpr std::string_view letters = "nt\"\\", meanings = "\n\t\"\\";
    const size_t which = rest_.empty() ? std::string_view::npos : letters.find(rest_.front());
    check_usage(which != std::string_view::npos, where_, ": after \\ in a string expected n, t, \" or \\", found());
    rest_.remove_prefix(1);
    return meanings[which];
  }

  std::string_view rest_;
  std::string where_;
};

class ItemCollector {
 public:
  explicit ItemCollector(std::string name) : name_(std::move(name)) {}

  void add(std::string_view line) {
    const std::string where = name_ + ":" + std::to_string(++line_);
    check_usage(line_ <= most_lines, where, ": more than ", most_lines, " lines; is this a config file?");
    ConfigItem item;
    if (LineParser(line, where).item(item)) {
      check_usage(keys_.insert(item.key).second, where, ": ", item.key, " is given twice; keep one of them");
      items_.push_back(std::move(item));
    }
  }

  std::vector<ConfigItem> items() && { return std::move(items_); }

 private:
  std::string name_;
  int64_t line_ = 0;
  std::set<std::string> keys_;
  std::vector<ConfigItem> items_;
};

}  // namespace

std::vector<ConfigItem> parse_config(const std::string& text, const std::string& name) {
  ItemCollector collector(name);
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    collector.add(std::string_view(text).substr(begin, end - begin));
    begin = end + 1;
  }
  return std::move(collector).items();
}

std::vector<ConfigItem> read_config_file(const std::string& path) {
  ItemCollector collector(path);
  LineReader lines(path);  // checks the encoding too
  while (const auto line = lines.next()) {
    collector.add(*line);
  }
  return std::move(collector).items();
}

}  // namespace attune::cli
