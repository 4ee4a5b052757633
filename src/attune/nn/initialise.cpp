#include "attune/nn/initialise.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <vector>

#include "attune/base/parallel.h"

namespace attune {

namespace {

using Kind = Initialiser::Kind;

enum class Argument : uint8_t { none, optional, required };
struct Word {
  Kind kind;
  std::string_view name;
  Argument argument;
};

constexpr std::array words{
    Word{Kind::constant, "constant", Argument::required},
    Word{Kind::normal, "normal", Argument::required},
    Word{Kind::uniform, "uniform", Argument::required},
    Word{Kind::xavier_normal, "xavier_normal", Argument::optional},
    Word{Kind::xavier_uniform, "xavier_uniform", Argument::optional},
    Word{Kind::he_normal, "he_normal", Argument::optional},
    Word{Kind::he_uniform, "he_uniform", Argument::optional},
    Word{Kind::lecun_normal, "lecun_normal", Argument::optional},
    Word{Kind::lecun_uniform, "lecun_uniform", Argument::optional},
    Word{Kind::truncated_normal, "truncated_normal", Argument::required},
    Word{Kind::small_init, "small_init", Argument::none},
    Word{Kind::orthogonal, "orthogonal", Argument::optional},
};

struct Fans {
  double in, out;
};

Fans fans_of(const Shape& shape) {
  if (shape.rank() < 2) {
    const auto size = static_cast<double>(shape.elements());
    return {size, size};
  }
  double kernel = 1;
  for (int axis = 2; axis < shape.rank(); ++axis) {
    kernel *= static_cast<double>(shape[axis]);
  }
  return {static_cast<double>(shape[1]) * kernel, static_cast<double>(shape[0]) * kernel};
}

double gain_of(Initialiser start) {
  return start.argument == 0 ? 1 : start.argument;
}

// The variance of the families that aim at one.
double variance_of(Initialiser start, const Shape& shape) {
  const auto [fan_in, fan_out] = fans_of(shape);
  const double square = gain_of(start) * gain_of(start);
  switch (start.kind) {
    case Kind::xavier_normal:
    case Kind::xavier_uniform:
      return 2 * square / (fan_in + fan_out);
    case Kind::he_normal:
    case Kind::he_uniform:
      return 2 * square / fan_in;
    case Kind::lecun_normal:
    case Kind::lecun_uniform:
      return square / fan_in;
    case Kind::small_init:
      return 2.0 / (5.0 * static_cast<double>(shape.rank() == 0 ? 1 : shape[-1]));
    default:
      return start.argument * start.argument;
  }
}

// The first of an element's draws that lies within two deviations; each round of draws is a stream of its own.
double truncated_normal(const Rng& rng, uint64_t element) {
  for (uint64_t round = 0;; ++round) {
    const double draw = rng.stream(round).normal(element);
    if (std::fabs(draw) <= 2) {
      return draw;
    }
  }
}

double draw(Initialiser start, double deviation, const Rng& rng, uint64_t element) {
  const double symmetric = 2 * rng.uniform(element) - 1;  // in [-1, 1)
  switch (start.kind) {
    case Kind::constant:
      return start.argument;
    case Kind::uniform:
      return symmetric * start.argument;
    case Kind::xavier_uniform:
    case Kind::he_uniform:
    case Kind::lecun_uniform:
      return symmetric * std::sqrt(3.0) * deviation;
    case Kind::truncated_normal:
      return deviation * truncated_normal(rng, element);
    default:
      return deviation * rng.normal(element);
  }
}

double dot(const double* a, const double* b, size_t count) {
  double sum = 0;
  for (size_t i = 0; i < count; ++i) {
    sum += a[i] * b[i];
  }
  return sum;
}

// `count` orthonormal vectors of `width` >= count: Gaussian ones made orthogonal to their predecessors one by one
// (modified Gram-Schmidt, twice, which leaves them orthogonal to rounding), so that the subspace is uniformly
// distributed.
std::vector<double> orthonormal(size_t count, size_t width, const Rng& rng) {
  std::vector<double> vectors(count * width);
  for (size_t i = 0; i < vectors.size(); ++i) {
    vectors[i] = rng.normal(i);
  }
  for (size_t i = 0; i < count; ++i) {
    double* vector = vectors.data() + i * width;
    for (int pass = 0; pass < 2; ++pass) {
      for (size_t j = 0; j < i; ++j) {
        const double* other = vectors.data() + j * width;
        const double along = dot(vector, other, width);
        for (size_t k = 0; k < width; ++k) {
          vector[k] -= along * other[k];
        }
      }
      const double norm = std::sqrt(dot(vector, vector, width));
      for (size_t k = 0; k < width; ++k) {
        vector[k] /= norm;
      }
    }
  }
  return vectors;
}

// The shape as a matrix [first axis, all others]: its rows are orthonormal, or its columns if it has more rows.
template <class T>
void draw_orthogonal(std::span<T> into, const Shape& shape, double gain, const Rng& rng) {
  const auto rows = static_cast<size_t>(shape.rank() == 0 ? 1 : shape[0]), columns = into.size() / rows;
  const bool wide = rows <= columns;
  const auto vectors = wide ? orthonormal(rows, columns, rng) : orthonormal(columns, rows, rng);
  for (size_t row = 0; row < rows; ++row) {
    for (size_t column = 0; column < columns; ++column) {
      into[row * columns + column] =
          static_cast<T>(gain * vectors[wide ? row * columns + column : column * rows + row]);
    }
  }
}

void draw_parameter(Tensor tensor, Initialiser start, const Rng& rng) {
  dispatch_floating(tensor.dtype(), [&](auto zero) {
    using T = decltype(zero);
    auto into = tensor.data<T>();
    if (start.kind == Kind::orthogonal) {
      draw_orthogonal(into, tensor.shape(), gain_of(start), rng);
      return;
    }
    if (start.kind == Kind::forget_gate) {
      const size_t quarter = into.size() / 4;
      std::fill(into.begin(), into.end(), T{0});
      std::fill_n(into.begin() + static_cast<int64_t>(quarter), quarter, static_cast<T>(start.argument));
      return;
    }
    const double deviation = std::sqrt(variance_of(start, tensor.shape()));
    parallel_for(tensor.elements(), 4096, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        into[static_cast<size_t>(i)] = static_cast<T>(draw(start, deviation, rng, static_cast<uint64_t>(i)));
      }
    });
  });
  tensor.storage()->changed();
}

std::string known_words() {
  std::string known;
  for (const Word& word : words) {
    known.append(known.empty() ? "" : ", ").append(word.name);
    known.append(word.argument == Argument::required ? "(x)" : word.argument == Argument::optional ? "[(gain)]" : "");
  }
  return known;
}

}  // namespace

void initialise(const Parameters& parameters, const Rng& rng) {
  for (const auto& entry : parameters.entries()) {
    check(entry.parameter->allocated(), "initialise: parameter ", entry.name,
          " has no elements yet; allocate the parameters first");
    const Initialiser start = parameters.find(entry.begins_as)->parameter->initialiser;
    draw_parameter(*entry.parameter, start, rng.stream(entry.begins_as));
  }
}

Initialiser initialiser_of_name(std::string_view text, std::string_view key) {
  const size_t open = text.find('(');
  const std::string_view name = text.substr(0, open);
  for (const Word& word : words) {
    if (word.name != name) {
      continue;
    }
    if (open == std::string_view::npos) {
      check_usage(word.argument != Argument::required, key, ": \"", text, "\" needs a number, as in ", name, "(0.02)");
      return {word.kind, 0};
    }
    check_usage(word.argument != Argument::none, key, ": \"", text, "\": ", name, " takes no number");
    check_usage(text.back() == ')', key, ": \"", text, "\" has no closing parenthesis");
    const std::string_view number = text.substr(open + 1, text.size() - open - 2);
    double argument = 0;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), argument);
    check_usage(error == std::errc() && end == number.data() + number.size() && std::isfinite(argument), key, ": \"",
                text, "\": \"", number, "\" is no number");
    check_usage(argument >= 0 || word.kind == Kind::constant, key, ": \"", text, "\": ", argument, " is negative");
    check_usage(argument > 0 || word.argument == Argument::required, key, ": \"", text, "\": a gain must be above 0");
    return {word.kind, argument};
  }
  throw UsageError(std::string(key) + ": expected " + known_words() + ", got \"" + std::string(text) + "\"");
}

std::string text_of(Initialiser initialiser) {
  check(initialiser.kind != Kind::forget_gate, "text_of: an LSTM's biases are no config's choice");
  const Word& word = words[static_cast<size_t>(initialiser.kind)];
  const bool shown =
      word.argument == Argument::required || (word.argument == Argument::optional && initialiser.argument != 0);
  return shown ? fmt::format("{}({})", word.name, initialiser.argument) : std::string(word.name);
}

}  // namespace attune
