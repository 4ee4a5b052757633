// The commands of the program: each one file with one function that reads its own flags and returns the exit code.
// Failures leave it as exceptions; main.cpp turns them into one message and an exit code.
#pragma once

#include <span>
#include <string>
#include <vector>

namespace attune::cli {

using Arguments = std::vector<std::string>;  // what follows the command's name

inline constexpr int success = 0, failure = 1, usage_failure = 2, interrupted = 130;

inline constexpr const char* out_of_memory =
    "out of memory; a smaller --batch-tokens, --batch-size or model needs less";

struct Command {
  const char* name;
  const char* purpose;
  int (*run)(const Arguments&);
};

std::span<const Command> commands();

// Runs the command that the first argument names; what it is and how it is called, as in "unknown command", "attune ".
struct Called {
  std::string unknown, prefix;
};
int run_named(std::span<const Command> list, const Arguments& arguments, const Called& called);

int bench(const Arguments& arguments);
int classify(const Arguments& arguments);
int compare(const Arguments& arguments);
int corpus(const Arguments& arguments);
int diff(const Arguments& arguments);
int demo(const Arguments& arguments);
int describe_model(const Arguments& arguments);
int evaluate(const Arguments& arguments);
int fill_mask(const Arguments& arguments);
int generate(const Arguments& arguments);
int inspect_heads(const Arguments& arguments);
int inspect_spatial(const Arguments& arguments);
int explain_mechanism(const Arguments& arguments);
int inspect_model(const Arguments& arguments);
int score(const Arguments& arguments);
int train(const Arguments& arguments);
int translate(const Arguments& arguments);

}  // namespace attune::cli
