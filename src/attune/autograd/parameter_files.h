// The parameters of a model by name, as safetensors files hold them.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "attune/autograd/parameters.h"

namespace attune {

// (name, view) of every parameter, for write_safetensors.
std::vector<std::pair<std::string, Tensor>> named_tensors(const Parameters& parameters);
// The same names with the elements of `flat`, a buffer laid out like the parameters' own (a moving average).
std::vector<std::pair<std::string, Tensor>> named_tensors(const Parameters& parameters, const Tensor& flat);

// Copies tensors into the parameters (allocated as float32 unless they are already), converting between floating types.
// Strict: throws one error that lists every missing, unexpected and misshapen name; then nothing has been changed.
// `where`: the file's name, for that error.
void load_parameters(Parameters& parameters, const std::map<std::string, Tensor>& tensors, const std::string& where);

// What load_matching() did with each name.
struct Matched {
  std::vector<std::string> taken;
  std::vector<std::string> anew;  // parameters that the file does not have, left as they were
  std::vector<std::string> left;  // tensors that the parameters do not have
};
// Copies the tensors that have a parameter of their name into the parameters, which must be allocated. Throws one error
// that lists every misshapen one with both shapes; then nothing has been changed.
Matched load_matching(Parameters& parameters, const std::map<std::string, Tensor>& tensors, const std::string& where);

}  // namespace attune
