// ListOps (Nangia and Bowman 2018) as in Long Range Arena (Tay 2020): nested lists with an operation each, which come
// to one digit. A node is a digit with probability 0.75, and at depth 10 always; else an operation on 2 to 10 nodes:
// [MIN, [MAX, [MED (the median; of an even number of digits the mean of the middle two, rounded down) or [SM (the sum
// modulo 10), and ] behind them.
#pragma once

#include <optional>

#include "attune/base/rng.h"
#include "attune/data/generated.h"

namespace attune {

struct ListLengths {
  int least = 0, most = 0;  // tokens, brackets among them
};

// source: the tokens with blanks between them; target: the digit. Nothing when what is drawn has another length.
std::optional<GeneratedPair> draw_list_operations(const Rng& rng, const ListLengths& lengths);

}  // namespace attune
