// How each mechanism is explained: what it is computed from, its definition with its quantities named, and the steps in
// which they are shown. Every word of the tables of mechanisms (nn/mixer.h, nn/source_attention.h) has a page; a test
// goes over them.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "attune/attention/scaled_dot.h"
#include "attune/explain/calculation.h"
#include "attune/explain/explanation.h"

namespace attune::explain {

// Sizes and options of one explanation.
struct Setting {
  int64_t tokens = 0, width = 0;        // X is [tokens, width]
  int64_t memory = 0;                   // rows of Z, which keys and values are made of; 0: of X itself
  int64_t states = 2, state_width = 0;  // of a decoder that reads X: H is [states, state_width]
  int64_t heads = 1;
  int64_t depth = 0, value_depth = 0;  // columns of Wq and Wk, of Wv
  bool output_product = false;         // Wo, always with several heads
  bool biases = false;                 // of all these products
  bool causal = false;
  attention::Normaliser normaliser = attention::Normaliser::softmax;
  int kernel_width = 3;  // of a convolution
  int window = 1;        // of local attention: positions on each side
};

struct InputSpec {
  std::string name;
  Shape shape;
  bool trained = true;  // moved by the gradient step; X and a decoder's states are not
};

// What a row or a column of a matrix belongs to.
enum class Axis : uint8_t { nothing, tokens, states, memory };

struct Line {
  std::string name, equation, text;
  std::string vector = "";  // the equation of one row or element; empty: the same
  Axis rows = Axis::nothing, columns = Axis::nothing;
  bool all_rows = false;  // the vector view writes out every row, not the first alone
  std::vector<std::string> column_labels = {};
  // Where it is no quantity of the calculation but laid out from them.
  std::function<Tensor(const Calculated&)> value = {};
  std::vector<std::string> arguments = {};
};

struct Lines {
  std::vector<Line> forward, backward;
};

struct MechanismPage {
  std::string_view word;
  std::vector<InputSpec> (*inputs)(const Setting& setting);
  Tensor (*forward)(Calculation& calculation, const Setting& setting);  // -> Y
  void (*lines)(const Setting& setting, Lines& lines);
};

std::span<const MechanismPage> mechanism_pages();

// ---- Shared by pages --------------------------------------------------------------------------------------

// x once more, so that what arrives there is seen apart: the parts of dX.
Tensor branch(Calculation& calculation, const std::string& name, const Tensor& x);
// The softmax's Jacobian built out for the first row of P, its product with dP and the difference from the short form.
void add_jacobian(std::vector<Line>& lines, Axis columns);

std::span<const MechanismPage> attention_pages();
std::span<const MechanismPage> source_pages();
std::span<const MechanismPage> recurrent_pages();
std::span<const MechanismPage> local_pages();  // mean, convolution
std::span<const MechanismPage> gating_pages();

}  // namespace attune::explain
