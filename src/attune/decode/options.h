// How translations are searched: beam, length penalty, stopping rule. Keys of the config file and flags of the command
// line, listed once, in visit(), with their help.
//
// A hypothesis of n pieces, </s> counted among them, is ranked by score = log p / penalty(n):
//   none 1; gnmt ((5 + n) / 6)^alpha (Wu 2016, without the coverage term); power n^alpha
// Stopping rules, for each sentence by itself:
//   first: when beam-size hypotheses are finished
//   bound: when no live hypothesis can still beat the worst of the n-best finished (the same result as none)
//   none:  at the longest output only
#pragma once

#include <string>

namespace attune {

struct SearchOptions {
  int beam_size = 5;
  int n_best = 1;
  std::string length_penalty = "power";
  double length_penalty_alpha = 1;
  int min_decoding_length = 0;  // pieces without </s>
  int max_decoding_length = 0;  // pieces without </s>; 0: 2 x source pieces + 50
  std::string stopping_rule = "bound";
  bool allow_unknown = false;
  std::string compute_type = "float32";

  template <class Self, class Each>
  static void visit(Self& self, Each&& each) {
    each("beam-size", self.beam_size, "hypotheses kept a sentence; 1: greedy");
    each("n-best", self.n_best, "translations given for a sentence, the best first; at most beam-size");
    each("length-penalty", self.length_penalty,
         "what log p is divided by, n pieces with </s>: none; gnmt: ((5 + n) / 6)^alpha; power: n^alpha");
    each("length-penalty-alpha", self.length_penalty_alpha, "alpha of the length penalty, 0 or more");
    each("min-decoding-length", self.min_decoding_length, "shortest output in pieces: no </s> before");
    each("max-decoding-length", self.max_decoding_length,
         "longest output in pieces; what is cut short is reported; 0: 2 x source pieces + 50");
    each("stopping-rule", self.stopping_rule,
         "first: when beam-size hypotheses are finished; bound: when no other can still win, judged at the longest "
         "output; "
         "none: at the longest");
    each("allow-unknown", self.allow_unknown, "let the model write <unk>");
    each("compute-type", self.compute_type, "of matrix products: float32, bfloat16");
  }
};

// Throws a UsageError naming the key, what was expected and what came.
void check_options(const SearchOptions& options);

// One line: formula of the score, stopping rule, longest output.
std::string describe(const SearchOptions& options);

// What log p of a hypothesis of `pieces` pieces, </s> included, is divided by.
double length_penalty(const SearchOptions& options, int pieces);

// Longest output for a source of `source_pieces` pieces, both without </s>.
int longest_output(const SearchOptions& options, int source_pieces);

}  // namespace attune
