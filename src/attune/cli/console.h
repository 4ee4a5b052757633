// The two streams: results go to standard output through Output, which notices when they do not arrive; everything said
// about the work goes to standard error. On a terminal a line of progress rewrites itself, in a log it is left out or
// printed as a line of its own.
#pragma once

#include <fmt/core.h>

#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace attune::cli {

// The reader of standard output went away (attune ... | head): nothing is wrong, and nobody listens.
class ClosedPipe : public std::runtime_error {
 public:
  ClosedPipe() : std::runtime_error("closed pipe") {}
};

// Standard output. Throws ClosedPipe, or Error when the disk is full.
void print(std::string_view text);
void flush_output();

template <class... Value>
void print(fmt::format_string<Value...> format, Value&&... values) {
  print(std::string_view(fmt::format(format, std::forward<Value>(values)...)));
}

// All of it into this file, or where none is named to standard output.
void write_result(const std::string& file, std::string_view text);

// Standard error, one line each.
void note_line(std::string_view text);
void warn_line(std::string_view text);   // "warning: ..."
void error_line(std::string_view text);  // "error: ..."

template <class... Value>
void note(fmt::format_string<Value...> format, Value&&... values) {
  note_line(fmt::format(format, std::forward<Value>(values)...));
}
template <class... Value>
void warn(fmt::format_string<Value...> format, Value&&... values) {
  warn_line(fmt::format(format, std::forward<Value>(values)...));
}

// On a terminal: that `what` is read from it and how to end that.
void say_what_is_read(std::string_view what);

// The live line; the next note, or an empty text, takes its place. Does nothing unless standard error is a terminal.
void show_progress(std::string_view text);
bool progress_is_live();

enum class Stream : uint8_t { input, output, errors };
bool is_terminal(Stream stream);
int terminal_width(Stream stream);  // columns; 80 when it is not a terminal

class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

std::string with_separators(int64_t number);  // 7651328 -> "7,651,328"
std::string duration(double seconds);         // "48 s", "3 min 05 s", "2 h 10 min"
std::string bytes_text(int64_t bytes);        // "1.4 GB"

// For tables, of UTF-8 text in composed letters: one column a character.
int columns(std::string_view text);
std::string padded(std::string_view text, int width);         // blanks behind
std::string right_aligned(std::string_view text, int width);  // blanks in front

}  // namespace attune::cli
