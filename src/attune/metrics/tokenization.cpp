#include "attune/metrics/tokenization.h"

#include "attune/base/check.h"
#include "attune/text/unicode.h"

namespace attune {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_stop(char c) {
  return c == '.' || c == ',';
}

// ASCII punctuation that always stands alone: everything but apostrophe, comma, hyphen and full stop.
bool always_apart(char c) {
  return (c >= '!' && c <= '&') || (c >= '(' && c <= '+') || c == '/' || (c >= ':' && c <= '@') ||
         (c >= '[' && c <= '`') || (c >= '{' && c <= '~');
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  size_t found = text.find(from);
  if (found == std::string::npos) return;
  std::string replaced;
  size_t copied = 0;
  for (; found != std::string::npos; found = text.find(from, copied)) {
    replaced.append(text, copied, found - copied).append(to);
    copied = found + from.size();
  }
  text = replaced.append(text, copied, std::string::npos);
}

std::string separate_punctuation(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 2);
  for (const char c : text) {
    if (always_apart(c)) {
      out.append({' ', c, ' '});
    } else {
      out.push_back(c);
    }
  }
  return out;
}

// The three rules below look at pairs of neighbours from the left, and a pair that matched is used up: its second
// member is not the first of another ("..." is where that shows). Bytes are enough, for all that is looked for is
// ASCII.
template <class Matches, class Write>
std::string rewrite_pairs(std::string_view text, Matches matches, Write write) {
  std::string out;
  out.reserve(text.size() + text.size() / 4);
  for (size_t i = 0; i < text.size(); ++i) {
    if (i + 1 < text.size() && matches(text[i], text[i + 1])) {
      write(out, text[i], text[i + 1]);
      ++i;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

std::string tokenize_13a(std::string_view line) {
  std::string text;
  text.reserve(line.size() + 2);
  text.append(line);
  replace_all(text, "<skipped>", "");
  replace_all(text, "-\n", "");  // a word broken at the end of a line
  replace_all(text, "\n", " ");
  if (text.find('&') != std::string::npos) {
    replace_all(text, "&quot;", "\"");
    replace_all(text, "&amp;", "&");  // in this order: "&amp;lt;" is "<" in the end
    replace_all(text, "&lt;", "<");
    replace_all(text, "&gt;", ">");
  }
  text.insert(text.begin(), ' ');  // so that a first or last full stop has its neighbour
  text.push_back(' ');
  text = separate_punctuation(text);
  text = rewrite_pairs(
      text, [](char first, char second) { return !is_digit(first) && is_stop(second); },
      [](std::string& out, char first, char second) {
        out.append({first, ' ', second, ' '});
      });
  text = rewrite_pairs(
      text, [](char first, char second) { return is_stop(first) && !is_digit(second); },
      [](std::string& out, char first, char second) {
        out.append({' ', first, ' ', second});
      });
  return rewrite_pairs(
      text, [](char first, char second) { return is_digit(first) && second == '-'; },
      [](std::string& out, char first, char second) {
        out.append({first, ' ', second, ' '});
      });
}

}  // namespace

std::string_view name(Tokenization tokenization) {
  return tokenization == Tokenization::none ? "none" : "13a";
}

Tokenization tokenization_from_name(std::string_view word) {
  for (const Tokenization tokenization : {Tokenization::none, Tokenization::mteval_13a}) {
    if (name(tokenization) == word) return tokenization;
  }
  fail("BLEU: unknown tokenization '", word, "'; expected 13a (raw text) or none (text that is tokenised already)");
}

std::string tokenize(std::string_view line, Tokenization tokenization) {
  line = trim_right(line);
  return tokenization == Tokenization::none ? std::string(line) : tokenize_13a(line);
}

}  // namespace attune
