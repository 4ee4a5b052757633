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

// A parameter's tensor as a file has it does not fit: what to say of it, or nothing.
std::string misfit(const Parameters::Entry& entry, const Tensor& found) {
  if (found.shape() != entry.parameter->shape()) {
    return "misshapen: " + entry.name + " is " + found.shape().text() + ", expected " + entry.parameter->shape().text();
  }
  if (const DType dtype = found.dtype(); dtype == DType::int32 || dtype == DType::boolean) {
    return "of the wrong type: " + entry.name + " is " + std::string(name_of(dtype)) + ", expected a floating type";
  }
  return {};
}

void copy_into(Parameters& parameters, size_t i, const Tensor& from, const std::string& where) {
  Tensor into = parameters.view_of(parameters.flat(), i);
  into.copy_from(from);
  check(all_finite(into), where, ": tensor '", parameters.entries()[i].name,
        "' has elements that are not finite numbers; the file is damaged or its training diverged: take another one");
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
    } else if (const std::string wrongly = misfit(entry, found->second); !wrongly.empty()) {
      wrong.push_back(wrongly);
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
    copy_into(parameters, i, tensors.at(parameters.entries()[i].name), where);
  }
}

Matched load_matching(Parameters& parameters, const std::map<std::string, Tensor>& tensors, const std::string& where) {
  check(static_cast<bool>(parameters.flat()), "load_matching: the parameters are not allocated");
  Matched matched;
  std::vector<std::string> wrong;
  for (const auto& entry : parameters.entries()) {
    const auto found = tensors.find(entry.name);
    const std::string wrongly = found == tensors.end() ? std::string() : misfit(entry, found->second);
    if (!wrongly.empty()) {
      wrong.push_back(wrongly);
    }
    (found == tensors.end() ? matched.anew : matched.taken).push_back(entry.name);
  }
  for (const auto& [name, tensor] : tensors) {
    if (parameters.find(name) == nullptr) {
      matched.left.push_back(name);
    }
  }
  check(wrong.empty(), where, ": ", wrong.size(), " of the tensors do not fit this model:", list_of(wrong));
  for (size_t i = 0; i < parameters.entries().size(); ++i) {
    if (const auto found = tensors.find(parameters.entries()[i].name); found != tensors.end()) {
      copy_into(parameters, i, found->second, where);
    }
  }
  return matched;
}

}  // namespace attune
