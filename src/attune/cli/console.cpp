#include "attune/cli/console.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "attune/base/check.h"
#include "attune/tensor/atomic_file.h"
#include "attune/text/unicode.h"

namespace attune::cli {

namespace {

bool live_line_shown = false;

void clear_live_line() {
  if (live_line_shown) {
    std::fputs("\r\033[K", stderr);
    live_line_shown = false;
  }
}

int descriptor(Stream stream) {
  switch (stream) {
    case Stream::input:
      return STDIN_FILENO;
    case Stream::output:
      return STDOUT_FILENO;
    case Stream::errors:
      return STDERR_FILENO;
  }
  return STDERR_FILENO;
}

// NO_COLOR: https://no-color.org
bool coloured() {
  return is_terminal(Stream::errors) && std::getenv("NO_COLOR") == nullptr;
}

void labelled_line(std::string_view label, const char* colour, std::string_view text) {
  const char* reset = coloured() ? "\033[0m" : "";
  note_line(fmt::format("{}{}{} {}", coloured() ? colour : "", label, reset, text));
}

[[noreturn]] void output_failed() {
  if (errno == EPIPE) {
    throw ClosedPipe();
  }
  fail("standard output: cannot be written: ", std::strerror(errno));
}

// As many bytes of UTF-8 text as fill `columns` characters.
std::string_view cut(std::string_view text, int columns) {
  size_t end = 0;
  for (int shown = 0; end < text.size(); ++end) {
    const bool starts_character = (static_cast<unsigned char>(text[end]) & 0xC0U) != 0x80U;
    if (starts_character && ++shown > columns) {
      break;
    }
  }
  return text.substr(0, end);
}

}  // namespace

void print(std::string_view text) {
  errno = 0;
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) {
    output_failed();
  }
}

void flush_output() {
  errno = 0;
  if (std::fflush(stdout) != 0) {
    output_failed();
  }
}

void write_result(const std::string& file, std::string_view text) {
  if (file.empty()) {
    print(text);
    flush_output();
  } else {
    write_file_atomically(file, text);
  }
}

void note_line(std::string_view text) {
  clear_live_line();
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fputc('\n', stderr);
}

void warn_line(std::string_view text) {
  labelled_line("warning:", "\033[33m", text);
}
void error_line(std::string_view text) {
  labelled_line("error:", "\033[31m", text);
}

bool progress_is_live() {
  return is_terminal(Stream::errors);
}

void say_what_is_read(std::string_view what) {
  if (is_terminal(Stream::input)) {
    note("Reading {} from the terminal; Ctrl-D ends them.", what);
  }
}

void show_progress(std::string_view text) {
  if (!progress_is_live()) {
    return;
  }
  clear_live_line();
  const std::string_view shown = cut(text, terminal_width(Stream::errors) - 1);
  std::fwrite(shown.data(), 1, shown.size(), stderr);
  std::fflush(stderr);
  live_line_shown = !shown.empty();
}

bool is_terminal(Stream stream) {
  return isatty(descriptor(stream)) == 1;
}

int terminal_width(Stream stream) {
  winsize size{};
  if (is_terminal(stream) && ioctl(descriptor(stream), TIOCGWINSZ, &size) == 0 && size.ws_col >= 40) {
    return size.ws_col;
  }
  return 80;
}

std::string with_separators(int64_t number) {
  const std::string digits = std::to_string(number);
  std::string text;
  for (size_t i = 0; i < digits.size(); ++i) {
    const bool group = i > 0 && digits[i - 1] != '-' && (digits.size() - i) % 3 == 0;
    text += group ? "," : "";
    text += digits[i];
  }
  return text;
}

std::string duration(double seconds) {
  const auto whole = static_cast<int64_t>(std::max(seconds, 0.0) + 0.5);
  if (seconds < 9.95) {
    return fmt::format("{:.1f} s", std::max(seconds, 0.0));
  }
  if (whole < 60) {
    return fmt::format("{} s", whole);
  }
  if (whole < 3600) {
    return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  }
  return fmt::format("{} h {:02} min", whole / 3600, whole / 60 % 60);
}

std::string bytes_text(int64_t bytes) {
  constexpr std::array units{"B", "kB", "MB", "GB", "TB", "PB"};
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 999.5 && unit + 1 < units.size()) {
    value /= 1000;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.{}f} {}", value, value < 9.95 ? 1 : 0, units[unit]);
}

int columns(std::string_view text) {
  return static_cast<int>(count_code_points(text));
}

std::string padded(std::string_view text, int width) {
  return std::string(text) + std::string(static_cast<size_t>(std::max(width - columns(text), 0)), ' ');
}

std::string right_aligned(std::string_view text, int width) {
  return std::string(static_cast<size_t>(std::max(width - columns(text), 0)), ' ') + std::string(text);
}

}  // namespace attune::cli
