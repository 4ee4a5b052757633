#include "attune/autograd/parameter_files.h"

#include <algorithm>
#include <cmath>

namespace attune {

namespace {

std::string list_of(const std::vector<std::string>& lines) {
  constexpr size_t most = 50;  // another config's model can differ in thousands
  std::string text;
  for (size_t i = 0; i < std::min(lines.size(), most); ++i) {
    text += "\n  " + lines[i];
  }
  return lines.size() > most ? text + "\n  and " + std::to_string(lines.size() - most) + " more" : text;
}

bool all_finite(const Tensor& tensor) {
  return dispatch_floating(tensor.dtype(), [&](auto zero) {
    const auto elements = tensor.data<decltype(zero)>();
    return std::all_of(elements.begin(), elements.end(), [](auto x) { return std::isfinite(x); });
  });
}

}  // namespace

std::vector<std::pair<std::string, Tensor>> named_tensors(const Parameters& parameters) {
  return named_tensors(parameters, parameters.flat());
}

std::vector<std::pair<std::string, Tensor>> named_tensors(const Parameters& parameters, const Tensor& flat) {
  check(flat && flat.elements() == parameters.flat_elements(), "named_tensors: the parameters are not allocated");
  std::vector<std::pair<std::string, Tensor>> tensors;
  for (size_t i = 0; i < parameters.entries().size(); ++i) {
    tensors.emplace_back(parameters.entries()[i].name, parameters.view_of(flat, i));
  }
  return tensors;
}

void load_parameters(Parameters& parameters, const std::map<std::string, Tensor>& tensors, const std::string& where) {
  std::vector<std::string> wrong;
  for (const auto& entry : parameters.entries()) {
    const auto found = tensors.find(entry.name);
    if (found == tensors.end()) {
      wrong.push_back("missing: " + entry.name + " " + entry.parameter->shape().text());
    } else if (found->second.shape() != entry.parameter->shape()) {
      wrong.push_back("misshapen: " + entry.name + " is " + found->second.shape().text() + ", expected " +
                      entry.parameter->shape().text());
    } else if (const DType dtype = found->second.dtype(); dtype == DType::int32 || dtype == DType::boolean) {
      wrong.push_back("of the wrong type: " + entry.name + " is " + std::string(name_of(dtype)) +
                      ", expected a floating type");
    }
  }
  for (const auto& [name, tensor] : tensors) {
    if (parameters.find(name) == nullptr) {
      wrong.push_back("unexpected: " + name + " " + tensor.shape().text());
    }
  }
  check(wrong.empty(), where, ": ", wrong.size(),
        " of the tensors are not those of this model; is it another config's?", list_of(wrong));
  if (!parameters.flat()) {
    parameters.allocate();  // only now: what a config claims has been compared with what the file holds
  }
  for (size_t i = 0; i < parameters.entries().size(); ++i) {
    Tensor into = parameters.view_of(parameters.flat(), i);
    into.copy_from(tensors.at(parameters.entries()[i].name));
    check(all_finite(into), where, ": tensor '", parameters.entries()[i].name,
          "' has elements that are not finite numbers; the file is damaged or its training diverged: take another one");
  }
}

}  // namespace attune
