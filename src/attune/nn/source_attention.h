// How the decoder of a recurrent model looks at its source (Bahdanau 2015; Luong 2015): the products around
// attention/additive.h, dot.h and location.h, and the windows of attention/local.h.
//
//   const SourceAttention::Memory memory = attention.read(annotations, pass);      // once a sentence
//   const SourceAttentionSteps look(attention, pass);                              // once a tape
//   for (...) read = look(state, memory, {queries, sources, t});                   // read.context, read.weights
#pragma once

#include "attune/attention/source_read.h"
#include "attune/nn/linear.h"
#include "attune/ops/step_linear.h"

namespace attune {

enum class Score : uint8_t { additive, dot, general, concat, location };
enum class Reach : uint8_t { global, local_monotonic, local_predictive };

// Words as in configs: additive, dot, ...; global, local-m, local-p. They throw a UsageError that lists the known ones.
Score score_of_name(std::string_view name);
Reach reach_of_name(std::string_view name);
std::vector<std::string_view> score_names();
std::vector<std::string_view> reach_names();

struct SourceAttentionOptions {
  Score score = Score::general;
  Reach reach = Reach::global;
  int64_t query = 0, memory = 0;  // widths of states and annotations; equal for dot
  int64_t depth = 0;              // of additive and concat: the length of v
  int64_t positions = 0;          // of location: the longest source
  int window = 10;                // of local-m and local-p: tokens on each side
  Initialiser initialiser = {Initialiser::Kind::lecun_uniform, 0};
};

struct SourceAttention {
  SourceAttention() = default;
  explicit SourceAttention(const SourceAttentionOptions& settings);

  struct Memory {
    Tensor keys, values;  // [source tokens, depth or not given], [source tokens, memory]
  };
  Memory read(const Tensor& annotations, const Pass& pass) const;

  template <class Self, class Each>
  static void visit(Self& self, Each&& each) {
    if (self.query.weight) each("query", self.query);
    if (self.key.weight) each("key", self.key);
    if (self.vector) each("vector", self.vector);
    if (self.centre.weight) {
      each("centre", self.centre);
      each("centre_vector", self.centre_vector);
    }
  }

  SourceAttentionOptions options;
  Linear query, key;             // those that the score has
  Parameter vector;              // v of additive and concat [depth]
  Linear centre, centre_vector;  // local-p: W_p [query, query], v_p [1, query]
};

// Which queries there are and what each reads.
struct SourceQueries {
  Segments queries, sources;
  int first = 0;       // the place in its target of every sequence's first query
  bool whole = false;  // all queries of whole targets, rather than one of each at a time
};

// For as many steps as one tape sees: they share one product for each weight's gradient. A probe is offered, at every
// call, the states as "input", the annotations as "values" and the context as "mixed", under the name of `pass`.
class SourceAttentionSteps {
 public:
  SourceAttentionSteps(const SourceAttention& attention, const Pass& pass);

  // states [queries, width]. The weights are not given where whole targets read by products, unless a probe looks on.
  attention::SourceRead operator()(const Tensor& states, const SourceAttention::Memory& memory,
                                   const SourceQueries& at) const;

 private:
  attention::SourceRead read(const Tensor& states, const SourceAttention::Memory& memory,
                             const SourceQueries& at) const;
  attention::Window window(const Tensor& states, const SourceQueries& at) const;

  const SourceAttention& attention_;
  Pass pass_;
  StepLinear query_, centre_, centre_vector_;
};

}  // namespace attune
