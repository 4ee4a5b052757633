#include "attune/explain/equation.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "attune/base/markup.h"

namespace attune::explain {

namespace {

struct Word {
  std::string_view word, plain, latex, html;
};
constexpr std::array words{
    Word{"sigma", "σ", "\\sigma", "σ"},    Word{"eta", "η", "\\eta", "η"}, Word{"alpha", "α", "\\alpha", "α"},
    Word{"beta", "α'", "\\alpha'", "α′"},  // the weights, where the scores are α
    Word{"omega", "ω", "\\omega", "ω"},    Word{"pi", "π", "\\pi", "π"},   Word{"sum", "Σ", "\\sum", "Σ"},
    Word{"eps", "ε", "\\varepsilon", "ε"}, Word{"Phi", "Φ", "\\Phi", "Φ"}, Word{"phi", "φ", "\\varphi", "φ"},
};
// Whole words, which may have a subscript too.
constexpr std::array<std::string_view, 19> functions{"softmax", "tanh",   "exp",  "log", "lse", "relu", "diag",
                                                     "mean",    "concat", "sin",  "cos", "Var", "rate", "operations",
                                                     "PE",      "score",  "gelu", "elu", "min"};

enum class Form : uint8_t { plain, latex, html };

const Word* word_of(std::string_view name) {
  const auto found = std::find_if(words.begin(), words.end(), [&](const Word& w) { return w.word == name; });
  return found == words.end() ? nullptr : &*found;
}

bool is_function(std::string_view name) {
  return std::find(functions.begin(), functions.end(), name) != functions.end();
}

std::string letter(std::string_view base, Form form) {
  if (const Word* word = word_of(base)) {
    return std::string(form == Form::plain ? word->plain : form == Form::latex ? word->latex : word->html);
  }
  if (is_function(base)) {
    return form == Form::latex ? fmt::format("\\operatorname{{{}}}", base) : std::string(base);
  }
  return form == Form::html ? fmt::format("<i>{}</i>", base) : std::string(base);
}

// dWq_new -> d, W, q, new
struct Symbol {
  bool derivative = false;
  std::string base, below;
  bool renewed = false;
};

Symbol symbol_of(std::string_view name) {
  Symbol symbol;
  if (name.ends_with("_new")) {
    symbol.renewed = true;
    name.remove_suffix(4);
  }
  const std::string_view head = name.substr(0, name.find('_'));
  symbol.derivative = head.size() > 1 && head[0] == 'd' && !is_function(head);
  if (symbol.derivative) {
    name.remove_prefix(1);
  }
  const std::string_view rest = name.substr(0, name.find('_'));
  const size_t base = word_of(rest) != nullptr || is_function(rest) ? rest.size() : 1;
  symbol.base = name.substr(0, base);
  symbol.below = name.substr(base);
  symbol.below.erase(std::remove(symbol.below.begin(), symbol.below.end(), '_'), symbol.below.end());
  return symbol;
}

std::string rendered(std::string_view name, Form form) {
  const Symbol symbol = symbol_of(name);
  if (form == Form::plain && word_of(symbol.base) == nullptr) {
    return std::string(name);
  }
  constexpr std::array<std::string_view, 3> derivatives{"d", "\\mathrm{d}", "d"};
  constexpr std::array<std::string_view, 3> opening{"_", "_{", "<sub>"}, closing{"", "}", "</sub>"};
  constexpr std::array<std::string_view, 3> renewals{"_new", "^{\\text{new}}", "<sup>new</sup>"};
  const auto which = static_cast<size_t>(form);
  std::string text(symbol.derivative ? derivatives[which] : "");
  text += letter(symbol.base, form);
  if (!symbol.below.empty()) {
    text.append(opening[which]).append(symbol.below).append(closing[which]);
  }
  return text.append(symbol.renewed ? renewals[which] : "");
}

constexpr std::array<std::string_view, 3> transposed{"ᵀ", "^{\\top}", "<sup>T</sup>"};

constexpr std::string_view squared = "²";

class Reader {
 public:
  Reader(std::string_view source, Convention convention, Form form)
      : rest_(source), convention_(convention), form_(form) {}

  std::string operator()() {
    std::string text;
    while (!rest_.empty()) {
      if (rest_.front() == '{') {
        text += product();
      } else if (form_ == Form::latex && rest_.starts_with(squared)) {
        text += "^{2}";
        rest_.remove_prefix(squared.size());
      } else if (starts_name(rest_)) {
        text += factor();
      } else {
        text += sign();
      }
    }
    return text;
  }

 private:
  static bool starts_name(std::string_view text) { return std::isalpha(static_cast<unsigned char>(text[0])) != 0; }

  std::string product() {
    const size_t end = rest_.find('}');
    std::string_view inside = rest_.substr(1, end - 1);
    rest_.remove_prefix(end + 1);
    std::vector<std::string> factors;
    while (!inside.empty()) {
      const size_t blank = std::min(inside.find(' '), inside.size());
      factors.push_back(Reader(inside.substr(0, blank), convention_, form_)());
      inside.remove_prefix(std::min(blank + 1, inside.size()));
    }
    if (convention_ == Convention::column) {
      std::reverse(factors.begin(), factors.end());
    }
    std::string text;
    for (const std::string& each : factors) {
      text += (text.empty() ? "" : form_ == Form::latex ? "\\, " : " ") + each;
    }
    return text;
  }

  std::string factor() {
    size_t end = 1;
    while (end < rest_.size() && (std::isalnum(static_cast<unsigned char>(rest_[end])) != 0 || rest_[end] == '_')) {
      ++end;
    }
    const std::string_view name = rest_.substr(0, end);
    rest_.remove_prefix(end);
    if (name == "sqrt" && rest_.starts_with('(')) {
      const size_t close = rest_.find(')');
      const std::string inside = Reader(rest_.substr(1, close - 1), convention_, form_)();
      rest_.remove_prefix(close + 1);
      return form_ == Form::latex ? "\\sqrt{" + inside + "}" : "√" + inside;
    }
    std::string text = rendered(name, form_);
    if (name.ends_with('_') && rest_.starts_with('(')) {
      text += index();
    }
    if (rest_.starts_with('\'')) {
      rest_.remove_prefix(1);
      text += transposed[static_cast<size_t>(form_)];
    }
    return text;
  }

  // (t-1) behind x_
  std::string index() {
    const size_t close = rest_.find(')');
    const std::string inside = Reader(rest_.substr(1, close - 1), convention_, form_)();
    rest_.remove_prefix(close + 1);
    return form_ == Form::plain   ? "(" + inside + ")"
           : form_ == Form::latex ? "_{" + inside + "}"
                                  : "<sub>" + inside + "</sub>";
  }

  std::string sign() {
    const char c = rest_.front();
    rest_.remove_prefix(1);
    switch (c) {
      case '*':
        return form_ == Form::latex ? "\\odot " : "⊙";
      case '-':
        return form_ == Form::latex ? "-" : "−";
      case '.':  // a number's point, or that of a scalar product
        return rest_.starts_with(' ') ? (form_ == Form::latex ? "\\cdot " : "·") : ".";
      case '~':
        return form_ == Form::latex ? "\\approx " : "≈";
      default:
        return form_ == Form::html ? escaped(std::string(1, c)) : std::string(1, c);
    }
  }

  std::string_view rest_;
  Convention convention_;
  Form form_;
};

}  // namespace

std::string plain_equation(std::string_view source, Convention convention) {
  return Reader(source, convention, Form::plain)();
}

std::string latex_equation(std::string_view source, Convention convention) {
  return Reader(source, convention, Form::latex)();
}

std::string html_equation(std::string_view source, Convention convention) {
  return Reader(source, convention, Form::html)();
}

std::optional<Product> product_of(std::string_view source) {
  const size_t begin = source.find("= {"), end = source.find('}');
  if (begin == std::string_view::npos || end == std::string_view::npos ||
      source.find_first_of("{+-", end) != std::string_view::npos) {
    return {};
  }
  const std::string_view inside = source.substr(begin + 3, end - begin - 3);
  const size_t blank = inside.find(' ');
  if (blank == std::string_view::npos || inside.find(' ', blank + 1) != std::string_view::npos) {
    return {};
  }
  const auto factor = [](std::string_view text) {
    const bool is_transposed = text.ends_with('\'');
    return Factor{std::string(text.substr(0, text.size() - (is_transposed ? 1 : 0))), is_transposed};
  };
  return Product{factor(inside.substr(0, blank)), factor(inside.substr(blank + 1)),
                 std::string(source.substr(end + 1))};
}

}  // namespace attune::explain
