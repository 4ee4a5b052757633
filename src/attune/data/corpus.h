// Corpora from files: one sentence a line, UTF-8, plain or gzip (told by the content), or standard input as "-".
// Nothing is repaired in silence: bytes that are not UTF-8, NUL characters, a gzip file cut short and files of
// different length are errors that name file and line. A carriage return before the line's end and a byte-order mark
// are removed.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace attune {

// Line by line, for what should not be in memory as a whole. Standard input is read as plain text, each line as soon as
// it is there.
class LineReader {
 public:
  explicit LineReader(const std::string& path);
  ~LineReader();
  LineReader(LineReader&&) noexcept;
  LineReader& operator=(LineReader&&) noexcept;

  std::optional<std::string> next();      // nothing at the end of the file
  int64_t line() const { return line_; }  // the number of the last line given, from 1
  bool line_has_end() const;              // whether '\n' stood behind it
  const std::string& name() const { return name_; }

 private:
  struct File;
  std::unique_ptr<File> file_;
  std::string name_;
  int64_t line_ = 0;
};

struct ParallelCorpus {
  std::vector<std::string> source, target;  // of equal size
};

struct PlainText {
  std::vector<std::string> lines;
  bool ends_with_line = true;  // the last line has its '\n'
};

// The lines of all files as if they were one, so that a last line without its end goes on in the next file.
PlainText read_text(const std::vector<std::string>& paths);

// All lines; a file without any is an error. Blank lines stay: they keep parallel files aligned.
std::vector<std::string> read_lines(const std::string& path);

// Unequal line counts are an error that names both.
ParallelCorpus read_parallel(const std::string& source_path, const std::string& target_path);

// source<TAB>target on each line; a line without exactly one tab is an error.
ParallelCorpus read_pairs(const std::string& path);

}  // namespace attune
