// How each mechanism is explained: what it is computed from, its definition with its quantities named, and the steps in
// which they are shown. Every word of the tables of mechanisms (nn/mixer.h, nn/source_attention.h) has a page; a test
// goes over them.
#pragma once

#include <functional>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "attune/attention/performer.h"
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
  bool draws_given = false;            // what the page would draw is an input (Form::drawn)
  bool causal = false;
  attention::Normaliser normaliser = attention::Normaliser::softmax;
  int kernel_width = 3;  // of a convolution
  int window = 1;        // of local attention: positions on each side
  std::optional<attention::SparsePattern> pattern = {};
  bool global_projections = false;  // the pattern's global tokens have Wqg, Wkg, Wvg of their own
  int features = 0;                 // of performer
  attention::PerformerKernel feature_kernel = attention::PerformerKernel::exponential;
  int projected_length = 0;                                  // of linformer
  int landmarks = 0, landmark_rounds = 0, value_kernel = 0;  // of nystrom
  int lsh_rounds = 2, lsh_chunk = 2;
  bool lsh_sees_itself = false;
  uint64_t seed = 1;
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
  std::string output = "";  // the name of what the mechanism gives; empty: the last forward line
  // What inspection shows of a model's mechanism, [queries, keys] or [heads, queries, keys]; empty: P.
  std::function<Tensor(const Calculated&)> weights = {};
};

struct ExplainOptions;

struct MechanismPage {
  // What options it has beside its own, and what example it needs to be seen.
  struct Form {
    bool normalisers = false, causal = false;
    int most_heads = 1, least_heads = 1;
    bool long_example = false;
    attention::SparsePattern (*pattern)(const ExplainOptions&) = nullptr;
    const char* drawn = nullptr;  // what is drawn unless it is given: random features, buckets
  };

  std::string_view word;
  std::vector<InputSpec> (*inputs)(const Setting& setting);
  Tensor (*forward)(Calculation& calculation, const Setting& setting);  // -> Y
  void (*lines)(const Setting& setting, Lines& lines);
  Form form = {};
};

std::span<const MechanismPage> mechanism_pages();

// ---- Shared by pages --------------------------------------------------------------------------------------

// x once more, so that what arrives there is seen apart: the parts of dX.
Tensor branch(Calculation& calculation, const std::string& name, const Tensor& x);
// The softmax's Jacobian built out for the first row of P, its product with dP and the difference from the short form.
void add_jacobian(std::vector<Line>& lines, Axis columns);
void append(std::initializer_list<Line> more, std::vector<Line>& lines);

// x W, or x W + b, and what an equation and a list of inputs say of b.
Tensor affine(Calculation& calculation, const Setting& setting, const Tensor& x, const char* weight, const char* bias);
std::string plus(const Setting& setting, const char* bias);  // " + bq", or ""
void add_inputs(const Setting& setting, const char* weight, const char* bias, const Shape& shape,
                std::vector<InputSpec>& list);
void add_biases(const Setting& setting, std::initializer_list<const char*> names, std::vector<Line>& lines);
// dbq, from dQ.
void add_bias_backward(const Setting& setting, const std::string& letter, const std::string& output,
                       std::vector<Line>& lines);

// X, its weights, Q, K and V of one head: the beginning of pages, the end of their backward (dWq ... dX) and what
// computes it.
struct Projected {
  Tensor q, k, v;  // [tokens, 1, depth]
};
std::vector<InputSpec> projection_inputs(const Setting& setting);
Projected project(Calculation& calculation, const Setting& setting);
void add_projection(const Setting& setting, std::vector<Line>& lines);
void add_projection_backward(const Setting& setting, std::vector<Line>& lines);

// '#' in an equation: the head's index, where there are several.
std::string of_head(std::string text, bool several);

std::span<const MechanismPage> attention_pages();  // scaled_dot, and local, sparse and bigbird as patterns of it
std::span<const MechanismPage> feature_pages();    // linear, performer
std::span<const MechanismPage> hash_pages();       // lsh
std::span<const MechanismPage> landmark_pages();   // linformer, nystrom
std::span<const MechanismPage> source_pages();
std::span<const MechanismPage> recurrent_pages();
std::span<const MechanismPage> local_pages();  // mean, convolution
std::span<const MechanismPage> gating_pages();

}  // namespace attune::explain
