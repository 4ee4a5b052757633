// The measurements of `attune bench`: each a row of the table in bench.cpp and a file of its own.
#pragma once

#include "attune/cli/command.h"

namespace attune::cli {

std::span<const Command> benches();

int bench_attention(const Arguments& arguments);
int bench_decode(const Arguments& arguments);
int bench_generate(const Arguments& arguments);
int bench_layers(const Arguments& arguments);
int bench_mixers(const Arguments& arguments);
int bench_products(const Arguments& arguments);

// GFLOP/s of a float32 product of square matrices: the best of `rounds`.
double product_rate(int64_t size, int rounds);

}  // namespace attune::cli
