// How parameters begin. Every parameter draws from its own stream, named after it (or after the one that it begins as a
// copy of), so that its start does not depend on which other parameters there are.
//
// fan_in and fan_out of a weight [out, in] are in and out; of a convolution [out, in, kernel...] in and out times the
// kernel's size; of a vector its size, both. With gain g (argument, 0 meaning 1) the variances are
//   xavier  2 g^2 / (fan_in + fan_out)  (Glorot and Bengio 2010)
//   he      2 g^2 / fan_in              (He et al. 2015)
//   lecun     g^2 / fan_in              (LeCun et al. 1998)
#pragma once

#include <string>
#include <string_view>

#include "attune/autograd/parameters.h"
#include "attune/base/rng.h"

namespace attune {

// Draws every parameter's elements by its Initialiser; they must have been allocated.
void initialise(const Parameters& parameters, const Rng& rng);

// A word as in configs: "xavier_uniform", "xavier_uniform(0.5)" (gain), "normal(0.02)", "uniform(0.1)", "constant(0)",
// "truncated_normal(0.02)", "small_init", "orthogonal". Throws a UsageError that names the key
// and lists the known ones.
Initialiser initialiser_of_name(std::string_view text, std::string_view key = "initialiser");

// The word that initialiser_of_name reads back.
std::string text_of(Initialiser initialiser);

}  // namespace attune
