#include "attune/data/corpus.h"

#include <iostream>
#include <string_view>
#include <utility>

#include "attune/base/check.h"
#include "attune/base/profile.h"
#include "attune/data/compressed_file.h"
#include "attune/text/unicode.h"

namespace attune {

// The open file and what was read ahead; without a file it is standard input.
struct LineReader::File {
  std::optional<CompressedFile> file;
  std::string buffer;  // bytes not given out yet start at `begin`
  size_t begin = 0;
  bool ended = false;
  bool has_end = false;  // of the last line

  // A line without its '\n'; false at the end. A last line without '\n' counts.
  bool read(std::string& line) {
    if (!file) {
      const bool read = static_cast<bool>(std::getline(std::cin, line));
      has_end = !std::cin.eof();
      return read;
    }
    size_t searched = begin;
    for (;;) {
      const size_t end = buffer.find('\n', searched);
      if (end != std::string::npos) {
        line.assign(buffer, begin, end - begin);
        begin = end + 1;
        has_end = true;
        return true;
      }
      if (ended) {
        line.assign(buffer, begin);
        buffer.clear();
        begin = 0;
        has_end = false;
        return !line.empty();
      }
      buffer.erase(0, begin);
      begin = 0;
      searched = buffer.size();
      fill();
    }
  }

  void fill() {
    constexpr size_t chunk = 1 << 18;
    const size_t old = buffer.size();
    buffer.resize(old + chunk);
    const size_t got = file->read(buffer.data() + old, chunk);
    buffer.resize(old + got);
    ended = got == 0;
  }
};

LineReader::LineReader(const std::string& path)
    : file_(std::make_unique<File>()), name_(path == "-" ? "standard input" : path) {
  if (path != "-") {
    file_->file.emplace(path, "a text file");
  }
}

LineReader::~LineReader() = default;

bool LineReader::line_has_end() const {
  return file_->has_end;
}

LineReader::LineReader(LineReader&&) noexcept = default;
LineReader& LineReader::operator=(LineReader&&) noexcept = default;

std::optional<std::string> LineReader::next() {
  std::string line;
  if (!file_->read(line)) {
    return std::nullopt;
  }
  ++line_;
  if (!line.empty() && line.back() == '\r') {
    line.pop_back();
  }
  if (line_ == 1 && line.starts_with("\xEF\xBB\xBF")) {
    line.erase(0, 3);
  }
  size_t bad = 0;
  const bool valid = valid_utf8(line, &bad);  // before the message below reads `bad`
  check(valid, name_, ":", line_, ": not UTF-8 at byte ", bad + 1, " of the line; convert the file first (iconv)");
  const size_t nul = line.find('\0');
  check(nul == std::string::npos, name_, ":", line_, ": NUL character at byte ", nul + 1,
        " of the line; is this text?");
  return line;
}

PlainText read_text(const std::vector<std::string>& paths) {
  const ProfileScope scope("read_corpus");
  PlainText text;
  for (const std::string& path : paths) {
    LineReader reader(path);
    while (auto line = reader.next()) {
      if (text.ends_with_line) {
        text.lines.emplace_back();
      }
      text.lines.back() += *line;
      text.ends_with_line = reader.line_has_end();
    }
    check(reader.line() > 0, reader.name(), ": expected at least one line of text, the file is empty");
  }
  return text;
}

std::vector<std::string> read_lines(const std::string& path) {
  const ProfileScope scope("read_corpus");
  LineReader reader(path);
  std::vector<std::string> lines;
  while (auto line = reader.next()) {
    lines.push_back(std::move(*line));
  }
  check(!lines.empty(), reader.name(), ": expected at least one line of text, the file is empty");
  return lines;
}

ParallelCorpus read_parallel(const std::string& source_path, const std::string& target_path) {
  ParallelCorpus corpus{read_lines(source_path), read_lines(target_path)};
  check(corpus.source.size() == corpus.target.size(), "parallel corpus: ", source_path, " has ", corpus.source.size(),
        " lines and ", target_path, " has ", corpus.target.size(),
        "; line n of one must be the translation of line n of the other");
  return corpus;
}

ParallelCorpus read_pairs(const std::string& path) {
  const ProfileScope scope("read_corpus");
  LineReader reader(path);
  ParallelCorpus corpus;
  while (auto line = reader.next()) {
    const size_t tab = line->find('\t');
    check(tab != std::string::npos && line->find('\t', tab + 1) == std::string::npos, reader.name(), ":", reader.line(),
          ": expected source<TAB>target, got ", tab == std::string::npos ? "no tab" : "more than one tab");
    corpus.source.push_back(line->substr(0, tab));
    corpus.target.push_back(line->substr(tab + 1));
  }
  check(!corpus.source.empty(), reader.name(), ": expected at least one line of text, the file is empty");
  return corpus;
}

}  // namespace attune
