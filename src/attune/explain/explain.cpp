#include "attune/explain/explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "attune/base/option_checks.h"
#include "attune/base/text.h"
#include "attune/explain/example.h"
#include "attune/explain/mechanism_page.h"
#include "attune/explain/written_out.h"
#include "attune/ops/activation.h"
#include "attune/ops/arithmetic.h"
#include "attune/ops/binary_cross_entropy.h"
#include "attune/ops/cross_entropy.h"
#include "attune/ops/softmax.h"

namespace attune::explain {

namespace {

enum class Loss : uint8_t { bce, cross_entropy, none };

Loss loss_of_name(const std::string& name) {
  using Known = std::pair<std::string_view, Loss>;
  static constexpr std::array known{Known{"bce", Loss::bce}, Known{"cross-entropy", Loss::cross_entropy},
                                    Known{"none", Loss::none}};
  return entry_of_word("loss", name, known, &Known::first).second;
}

const MechanismPage& page_of(const std::string& word) {
  return entry_of_word("mechanism", word, mechanism_pages(), &MechanismPage::word);
}

std::vector<int32_t> classes_of(const Tensor& targets) {
  std::vector<int32_t> classes;
  for (int64_t i = 0; i < targets.rows(); ++i) {
    int32_t best = 0;
    for (int64_t j = 1; j < targets.columns(); ++j) {
      const int64_t row = i * targets.columns();
      best = targets.at(row + j) > targets.at(row + best) ? static_cast<int32_t>(j) : best;
    }
    classes.push_back(best);
  }
  return classes;
}

// The loss on what the mechanism gives, a scalar.
Tensor loss_on(Calculation& c, Loss loss, const Tensor& y) {
  switch (loss) {
    case Loss::bce:
      c.keep("A", sigmoid(y));
      return c.keep("L", binary_cross_entropy_with_logits(y, c.input("T")));
    case Loss::cross_entropy:
      c.keep("A", softmax(y));
      return c.keep("L", cross_entropy(y, classes_of(c.input("T"))).loss);
    case Loss::none:
      break;
  }
  return c.keep("L", sum(multiply(y, c.input("dY"))));
}

class Builder {
 public:
  Builder(const ExplainOptions& options, const Given& given)
      : options_(options),
        given_(given),
        page_(page_of(options.mechanism)),
        loss_(loss_of_name(options.loss)),
        example_(make_example(options, given, page_, loss_ == Loss::none ? "dY" : "T")) {
    page_.lines(example_.setting, lines_);
    for (Line& line : lines_.forward) {
      if (given.module && line.text == "X") {
        line.text = "model.X";
        line.arguments = {given.module->name};
      }
    }
    forward_ = [this](Calculation& c) { return loss_on(c, loss_, page_.forward(c, example_.setting)); };
    run_ = calculate(forward_, example_.inputs);
    output_ = lines_.output.empty() ? lines_.forward.back().name : lines_.output;
    output_rows_ = std::find_if(lines_.forward.begin(), lines_.forward.end(), [this](const Line& line) {
                     return line.name == output_;
                   })->rows;
    checked_ = work() < 4e9;
    if (given_.module) {
      check_weights(*given_.module);
    }
  }

  Explanation operator()() {
    Explanation result{"title." + options_.mechanism, checked_ ? "introduction" : "introduction.unchecked", {}, {}};
    if (given_.module) {
      const std::string name = example_.inputs.count("E") == 0 ? "E" : "E_X";  // beside a mechanism's own E
      Step embeddings{name, name, "model.E", {}, given_.module->embeddings};
      embeddings.labels.rows = given_.module->pieces;
      result.sections.push_back({"section.model", {std::move(embeddings)}});
    }
    result.sections.push_back({"section.forward", steps(lines_.forward, false)});
    result.sections.push_back({"section.loss", loss_steps()});
    result.sections.push_back({"section.backward", steps(lines_.backward, true)});
    result.sections.push_back({"section.update", update_steps()});
    return result;
  }

 private:
  void check_weights(const GivenModule& module) const {
    const Tensor found = lines_.weights ? lines_.weights(run_) : run_.values.at("P");
    check(found.elements() == module.weights.elements(), "explain: ", module.name, " attends with weights ",
          module.weights.shape(), ", the explanation with ", found.shape());
    double largest = 0, size = 1;
    for (int64_t i = 0; i < found.elements(); ++i) {
      largest = std::max(largest, std::abs(found.at(i) - module.weights.at(i)));
      size = std::max(size, std::abs(found.at(i)));  // what projections and landmarks come to has no bound
    }
    const double rounding = 1e-4 * size;  // of the model's float32
    check(largest < rounding, "explain: ", module.name, " attends with other weights than ", options_.mechanism,
          " of its input (by up to ", largest, "): it has parts that this explanation does not know of");
  }

  // Operations of all finite differences, roughly.
  double work() const {
    double elements = 0;
    for (const auto& [name, value] : run_.values) {
      elements += static_cast<double>(value.elements());
    }
    const double once = elements * static_cast<double>(std::max(example_.setting.width, example_.setting.tokens));
    return 4 * elements * once;
  }

  std::vector<std::string> labels(Axis axis) const {
    switch (axis) {
      case Axis::tokens:
        return example_.tokens;
      case Axis::states:
        return example_.states;
      case Axis::memory:
        return example_.memory;
      case Axis::nothing:
        break;
    }
    return {};
  }

  Step step_of(const Line& line, const Tensor& value) const {
    Step step{line.name, line.equation, line.text, line.arguments, value};
    step.labels.rows = labels(line.rows);
    if (value.rank() > 1 && value.size(-2) < static_cast<int64_t>(step.labels.rows.size())) {  // leading tokens alone
      step.labels.rows.resize(static_cast<size_t>(value.size(-2)));
    }
    step.labels.columns = line.column_labels.empty() ? labels(line.columns) : line.column_labels;
    step.vector_equation = line.vector;
    step.all_rows = line.all_rows;
    step.written_out = written_out(line, value, run_);
    return step;
  }

  // Of a gradient: with its finite difference.
  Step gradient_step(const Line& line, const std::string& of) const {
    Step step = step_of(line, run_.gradients.at(of));
    if (checked_) {
      step.finite_difference = finite_difference(forward_, example_.inputs, of, step.value);
    }
    return step;
  }

  std::vector<Step> steps(const std::vector<Line>& lines, bool gradients) const {
    std::vector<Step> result;
    for (const Line& line : lines) {
      if (line.value) {
        result.push_back(step_of(line, line.value(run_)));
      } else if (gradients) {
        result.push_back(gradient_step(line, line.name.substr(1)));
      } else {
        result.push_back(step_of(line, run_.values.at(line.name)));
      }
    }
    return result;
  }

  std::string given_gradient() const { return given_.module ? "model.dY" : "loss.dY.none"; }

  std::vector<Step> loss_steps() const {
    const std::string& y = output_;
    const Axis rows = output_rows_;
    std::vector<Step> result;
    const auto add = [&](const std::string& name, const std::string& equation, const std::string& text, Axis axis) {
      result.push_back(step_of({.name = name, .equation = equation, .text = text, .rows = axis}, run_.values.at(name)));
    };
    if (loss_ == Loss::none) {
      if (y != "Y") {  // else it is the gradient's own step
        add("dY", "dY", given_gradient(), rows);
      }
      add("L", "L = sum_ij dY_ij " + y + "_ij", "loss.none", Axis::nothing);
    } else {
      const bool bce = loss_ == Loss::bce;
      add("T", "T", bce ? "loss.T.bce" : "loss.T.ce", rows);
      add("A", bce ? "A = sigma(" + y + ")" : "A = softmax(" + y + ")", bce ? "loss.A.bce" : "loss.A.ce", rows);
      add("L", bce ? "L = - sum_ij (T_ij log A_ij + (1 - T_ij) log(1 - A_ij))" : "L = - sum_ij T_ij log A_ij",
          bce ? "loss.L.bce" : "loss.L.ce", Axis::nothing);
    }
    result.push_back(gradient_step({.name = "d" + y,
                                    .equation = "d" + y +
                                                (loss_ != Loss::none ? " = A - T"
                                                 : y == "Y"          ? ""
                                                                     : " = dY"),
                                    .text = loss_ == Loss::none ? given_gradient() : "loss.dY",
                                    .rows = rows},
                                   y));
    return result;
  }

  std::vector<Step> update_steps() const {
    std::vector<Step> result;
    Quantities moved = example_.inputs;
    const std::string rate = attune::text_of(options_.learning_rate);
    for (const InputSpec& input : page_.inputs(example_.setting)) {
      if (input.trained) {
        const Tensor change = scale(run_.gradients.at(input.name), -options_.learning_rate);
        moved[input.name] = add(run_.values.at(input.name), change);
        result.push_back(step_of({.name = input.name + "_new",
                                  .equation = input.name + "_new = " + input.name + " - eta d" + input.name,
                                  .text = "update.weight",
                                  .arguments = {rate}},
                                 moved[input.name]));
      }
    }
    Calculation after(moved);
    const Tensor loss = detach(forward_(after).clone());
    const bool lower = loss.item() < run_.loss;
    result.push_back(step_of(
        {.name = "L_new", .equation = "L_new", .text = lower ? "update.lower" : "update.higher", .arguments = {rate}},
        loss));
    return result;
  }

  const ExplainOptions& options_;
  const Given& given_;
  const MechanismPage& page_;
  Loss loss_;
  Example example_;
  Lines lines_;
  Forward forward_;
  Calculated run_;
  std::string output_;  // the name of what the mechanism gives
  Axis output_rows_ = Axis::nothing;
  bool checked_ = true;
};

// What a pattern is made of may be as large as a model's: it costs nothing.
constexpr int any = 1 << 20, widest = 1024, longest = 4096;

struct Size {
  const char* key;
  int ExplainOptions::*member;
  WholeRange range;
};
constexpr std::array sizes{Size{"width", &ExplainOptions::width, {0, 256}},
                           Size{"heads", &ExplainOptions::heads, {0, 64}},
                           Size{"states", &ExplainOptions::states, {1, 64}},
                           Size{"kernel-width", &ExplainOptions::kernel_width, {1, 64}},
                           Size{"window", &ExplainOptions::window, {0, any}},
                           Size{"global-tokens", &ExplainOptions::global_tokens, {0, any}},
                           Size{"stride", &ExplainOptions::stride, {1, any}},
                           Size{"summary", &ExplainOptions::summary, {1, any}},
                           Size{"block", &ExplainOptions::block, {1, any}},
                           Size{"window-blocks", &ExplainOptions::window_blocks, {1, any}},
                           Size{"global-blocks", &ExplainOptions::global_blocks, {0, any}},
                           Size{"random-blocks", &ExplainOptions::random_blocks, {0, any}},
                           Size{"lsh-hashes", &ExplainOptions::lsh_hashes, {1, widest}},
                           Size{"lsh-chunk", &ExplainOptions::lsh_chunk, {0, any}},
                           Size{"projected-length", &ExplainOptions::projected_length, {1, longest}},
                           Size{"features", &ExplainOptions::features, {1, longest}},
                           Size{"landmarks", &ExplainOptions::landmarks, {1, any}},
                           Size{"landmark-rounds", &ExplainOptions::landmark_rounds, {0, widest}},
                           Size{"value-kernel", &ExplainOptions::value_kernel, {0, widest}}};

void check_sizes(const ExplainOptions& options) {
  for (const Size& size : sizes) {
    check_whole(size.key, options.*size.member, size.range);
  }
  check_word("sparse-pattern", options.sparse_pattern, {"strided", "fixed"});
  check_word("feature-kernel", options.feature_kernel, {"exponential", "relu"});
  check_number("learning-rate", options.learning_rate, {0, 1e6});
}

}  // namespace

Explanation explain_mechanism(const ExplainOptions& options, const Given& given) {
  check_sizes(options);
  return Builder(options, given)();
}

}  // namespace attune::explain
