#include "attune/explain/example.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "attune/base/rng.h"

namespace attune::explain {

namespace {

constexpr int widest = 4096;

// Small enough to be followed on paper.
const std::vector<std::string> example_tokens{"the", "cat", "sleeps"};
// Long enough for a pattern or a projection to be seen.
const std::vector<std::string> long_example{"the", "cat", "sleeps", "on", "the", "mat", "all", "day"};
Quantities example_matrices() {
  const auto matrix = [](const Shape& shape, std::initializer_list<double> values) {
    return Tensor::of<double>(shape, values);
  };
  return {{"X", matrix({3, 2}, {1, 0, 0, 1, 1, 1})},
          {"Wq", matrix({2, 2}, {1, 0, 1, 1})},
          {"Wk", matrix({2, 2}, {0, 1, 1, 0.5})},
          {"Wv", matrix({2, 2}, {1, 2, -1, 1})}};
}

// Two decimals, so that what is printed is what is meant.
double drawn(const Rng& rng, uint64_t i, const ExplainOptions& options) {
  return options.integer_weights ? static_cast<double>(rng.below(i, 2)) : std::round(70 * rng.normal(i)) / 100;
}

Tensor drawn_matrix(const Shape& shape, const Rng& rng, const ExplainOptions& options) {
  Tensor result = Tensor::empty(shape, DType::float64);
  for (int64_t i = 0; i < shape.elements(); ++i) {
    result.data<double>()[static_cast<size_t>(i)] = drawn(rng, static_cast<uint64_t>(i), options);
  }
  return result;
}

// Equal words have equal vectors.
Tensor embeddings(const std::vector<std::string>& tokens, int64_t width, const ExplainOptions& options) {
  Tensor result = Tensor::empty({static_cast<int64_t>(tokens.size()), width}, DType::float64);
  for (size_t i = 0; i < tokens.size(); ++i) {
    const Rng rng = Rng(options.seed).stream("embedding").stream(tokens[i]);
    for (int64_t c = 0; c < width; ++c) {
      result.data<double>()[i * static_cast<size_t>(width) + static_cast<size_t>(c)] =
          drawn(rng, static_cast<uint64_t>(c), options);
    }
  }
  return result;
}

// Zeros and ones in turn; a class a row for cross entropy; ones for a gradient.
Tensor drawn_target(const Shape& shape, const std::string& name, bool one_a_row) {
  Tensor result = Tensor::zeros(shape, DType::float64);
  for (int64_t i = 0; i < shape.elements(); ++i) {
    const int64_t row = i / shape[-1], column = i % shape[-1];
    const bool set = one_a_row ? column == row % shape[-1] : (row + column) % 2 == 0;
    result.data<double>()[static_cast<size_t>(i)] = name == "dY" || set ? 1 : 0;
  }
  return result;
}

class Maker {
 public:
  Maker(const ExplainOptions& options, const Given& given, const MechanismPage& page, const std::string& target)
      : options_(options), given_(given), page_(page), target_(target) {}

  Example operator()() {
    choose_tokens();
    choose_setting();
    example_.states = named(given_.states, "h", example_.setting.states);
    example_.memory = named(given_.memory, "z", example_.setting.memory);
    for (const InputSpec& input : page_.inputs(example_.setting)) {
      example_.inputs[input.name] = input_matrix(input);
    }
    Calculation calculation(example_.inputs);
    const Shape shape = page_.forward(calculation, example_.setting).shape();
    if (const Tensor* found = known(target_)) {
      check_shape(target_, *found, shape);
      example_.inputs[target_] = *found;
    } else {
      example_.inputs[target_] = drawn_target(shape, target_, options_.loss == "cross-entropy");
    }
    refuse_others();
    return example_;
  }

 private:
  bool built_in() const {
    return given_.matrices.empty() && given_.tokens.empty() && !page_.form.long_example && !options_.integer_weights &&
           (options_.width == 0 || options_.width == 2);
  }

  const Tensor* known(const std::string& name) const {
    static const Quantities example = example_matrices();
    const Quantities& all = built_in() ? example : given_.matrices;
    const auto found = all.find(name);
    return found == all.end() ? nullptr : &found->second;
  }

  void choose_tokens() {
    example_.tokens = !given_.tokens.empty() ? given_.tokens : page_.form.long_example ? long_example : example_tokens;
    if (const Tensor* x = known("X")) {
      const auto rows = static_cast<size_t>(x->size(0));
      check(given_.tokens.empty() || rows == given_.tokens.size(), where(), rows, " rows of X, but ",
            given_.tokens.size(), " tokens");
      if (given_.tokens.empty() && !built_in()) {
        example_.tokens.clear();
        for (size_t i = 1; i <= rows; ++i) example_.tokens.push_back(fmt::format("a{}", i));
      }
    }
    check_usage(example_.tokens.size() <= longest_explained, "expected at most ", longest_explained, " tokens, got ",
                example_.tokens.size());
  }

  static std::vector<std::string> named(std::vector<std::string> names, const char* letter, int64_t count) {
    for (auto i = static_cast<int64_t>(names.size()) + 1; i <= count; ++i) {
      names.push_back(fmt::format("{}{}", letter, i));
    }
    return names;
  }

  void choose_setting() {
    Setting& s = example_.setting;
    const Tensor *x = known("X"), *wq = known("Wq"), *wv = known("Wv");
    s.tokens = static_cast<int64_t>(example_.tokens.size());
    const bool narrow = given_.tokens.empty() && !page_.form.long_example;
    s.width = x != nullptr ? x->columns() : options_.width > 0 ? options_.width : narrow ? 2 : 4;
    check_usage(x == nullptr || options_.width == 0 || options_.width == s.width, "width: X has ", s.width,
                " columns, got ", options_.width);
    check_usage(s.width <= widest, "width: expected at most ", widest, ", X has ", s.width);
    const Tensor *h = known("H"), *z = known("Z");
    s.states = h != nullptr ? h->size(0) : options_.states;
    s.state_width = h != nullptr ? h->columns() : s.width;
    s.memory = z != nullptr && page_.word == "scaled_dot" ? z->size(0) : 0;
    check_usage(s.memory == 0 || !options_.causal, "causal: tokens that read Z see all of it");
    check_form();
    s.heads = options_.heads > 0 ? options_.heads : page_.form.least_heads;
    check_usage(s.width % s.heads == 0, "heads: expected a divisor of the width (", s.width, "), got ", s.heads);
    s.depth = wq != nullptr && s.heads == 1 ? wq->columns() : s.width;
    s.value_depth = wv != nullptr && s.heads == 1 ? wv->columns() : s.width;
    s.output_product = s.heads > 1 || given_.matrices.count("Wo") == 1;
    s.biases = given_.matrices.count("bq") == 1;
    s.causal = options_.causal;
    s.normaliser = attention::normaliser_of_name(options_.normaliser);
    s.kernel_width = options_.kernel_width;
    s.window = std::max(options_.window, 1);
    choose_form();
  }

  void check_form() const {
    using Form = MechanismPage::Form;
    const Form& form = page_.form;
    const auto having = [](auto&& has) {
      std::string words;
      for (const MechanismPage& page : mechanism_pages()) {
        if (has(page.form)) words.append(words.empty() ? "" : ", ").append(page.word);
      }
      return words;
    };
    check_usage(options_.heads <= form.most_heads, "heads: only ",
                having([](const Form& f) { return f.most_heads > 1; }), " have several, got ", options_.heads);
    check_usage(options_.heads == 0 || options_.heads >= form.least_heads, "heads: ", page_.word, " has at least ",
                form.least_heads, ", as odd heads see what even ones do not; got ", options_.heads);
    check_usage(form.normalisers || options_.normaliser == "softmax", "normaliser: only ",
                having([](const Form& f) { return f.normalisers; }), " has others than softmax");
    check_usage(form.causal || !options_.causal, "causal: only ", having([](const Form& f) { return f.causal; }),
                " have it as an option");
  }

  void choose_form() {
    Setting& s = example_.setting;
    if (page_.form.pattern != nullptr) {
      s.pattern = page_.form.pattern(options_);
      const auto* const window = std::get_if<attention::SlidingWindow>(&s.pattern->rule);
      check_usage(
          window == nullptr || window->dilation.size() <= 1 || window->dilation.size() == static_cast<size_t>(s.heads),
          "dilation: expected one number, or one for each of the ", s.heads, " heads");
      s.global_projections = window != nullptr && !s.causal && s.pattern->global.leading > 0;
      check_usage(!s.global_projections || s.normaliser == attention::Normaliser::softmax,
                  "normaliser: local attention with global tokens has softmax alone, got ", options_.normaliser,
                  "; --global-tokens 0 does without them");
    }
    s.draws_given = page_.form.drawn != nullptr && given_.matrices.count(page_.form.drawn) == 1;
    s.lsh_rounds = options_.lsh_hashes;
    s.lsh_chunk = options_.lsh_chunk;
    s.lsh_sees_itself = options_.lsh_sees_itself;
    s.features = options_.features;
    s.feature_kernel =
        options_.feature_kernel == "relu" ? attention::PerformerKernel::relu : attention::PerformerKernel::exponential;
    s.projected_length = options_.projected_length;
    s.landmarks = static_cast<int>(std::min<int64_t>(options_.landmarks, s.tokens));
    s.landmark_rounds = options_.landmark_rounds;
    check_usage(options_.value_kernel == 0 || options_.value_kernel % 2 == 1,
                "value-kernel: expected an odd number of taps, or 0 for none; got ", options_.value_kernel);
    s.value_kernel = options_.value_kernel;
    s.seed = options_.seed;
  }

  Tensor input_matrix(const InputSpec& input) {
    if (const Tensor* found = known(input.name)) {
      if (!built_in() || found->shape() == input.shape) {  // the example's own are those of scaled_dot
        check_shape(input.name, *found, input.shape);
        return *found;
      }
    }
    if (input.name == "X") {
      return embeddings(example_.tokens, example_.setting.width, options_);
    }
    return drawn_matrix(input.shape, Rng(options_.seed).stream(input.name), options_);
  }

  void check_shape(const std::string& name, const Tensor& x, const Shape& expected) const {
    check(x.shape() == expected, where(), name, " is ", x.shape(), ", expected ", expected.text(), " for ", page_.word);
  }

  void refuse_others() const {
    std::string names;
    for (const auto& [name, value] : example_.inputs) {
      names += (names.empty() ? "" : ", ") + name;
    }
    for (const auto& [name, value] : given_.matrices) {
      check(example_.inputs.count(name) == 1, where(), name, " is no input of ", page_.word, " with --loss ",
            options_.loss, "; expected some of ", names);
    }
  }

  std::string where() const { return given_.where.empty() ? "" : given_.where + ": "; }

  const ExplainOptions& options_;
  const Given& given_;
  const MechanismPage& page_;
  std::string target_;
  Example example_;
};

}  // namespace

Example make_example(const ExplainOptions& options, const Given& given, const MechanismPage& page,
                     const std::string& target) {
  return Maker(options, given, page, target)();
}

}  // namespace attune::explain
