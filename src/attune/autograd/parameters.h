// The parameters of a model: a module is a plain struct whose static visit() is the only list of them. Everything that
// goes over all parameters (naming, initialising, loading, optimising, counting) goes over this list.
#pragma once

#include <concepts>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "attune/tensor/tensor.h"

namespace attune {

// How a parameter begins; nn/initialise.h draws it. fan_in and fan_out come from the shape [out, in].
struct Initialiser {
  enum class Kind : uint8_t {
    constant,  // argument
    normal,    // standard deviation: argument
    uniform,   // bound: argument
    xavier_normal,
    xavier_uniform,
    he_normal,
    he_uniform,
    lecun_normal,
    lecun_uniform,
    truncated_normal,  // standard deviation before truncation at two of them: argument
    small_init,        // N(0, 2 / (5 d)), d = the last axis (Nguyen and Salazar 2019)
    orthogonal,        // gain: argument
    forget_gate,       // of an LSTM's biases i f g o: those of f are the argument, the others 0
  };
  Kind kind = Kind::constant;
  double argument = 0;  // for the xavier, he and lecun families: gain, 0 meaning 1
};

// A tensor with an initialiser: declared when its module is made, so that a model can be counted without memory.
struct Parameter : Tensor {
  Parameter() = default;
  Parameter(const Shape& shape, Initialiser start) : Tensor(Tensor::declared(shape)), initialiser(start) {}
  void set(const Tensor& tensor) { static_cast<Tensor&>(*this) = tensor; }
  Initialiser initialiser;
};

class Parameters {
 public:
  struct Entry {
    std::string name;       // "encoder.layers.0.attention.query.weight"
    Parameter* parameter;   // borrowed from the module
    int64_t offset;         // in the flat buffers, in elements; each parameter starts at a multiple of 16
    std::string begins_as;  // the name of the one whose start it copies: its own, unless begin_alike() named another
  };

  Parameters() = default;

  void add(const std::string& name, Parameter& parameter);  // a name occurs once
  // The parameters of module `copy`, which was listed last, begin with the values of those of module `of`.
  void begin_alike(const std::string& copy, const std::string& of);

  const std::vector<Entry>& entries() const { return entries_; }
  int64_t count() const;                                // of the elements, padding not counted
  int64_t flat_elements() const { return flat_size_; }  // padding included
  DType dtype() const;

  // Gives all parameters zeroed memory in one flat buffer, in visit() order; each becomes a view of it.
  void allocate(DType dtype = DType::float32);
  const Tensor& flat() const { return flat_; }
  // The view of a flat buffer laid out like this one that belongs to entry i.
  Tensor view_of(const Tensor& flat, size_t i) const;
  // The index of the parameter whose elements `tensor` shares from the first one on; -1 if it is none.
  int index_of(const Tensor& tensor) const;
  const Entry* find(const std::string& name) const;

 private:
  std::vector<Entry> entries_;
  std::unordered_map<std::string, size_t> names_;
  std::unordered_map<int64_t, int> at_offset_;
  int64_t flat_size_ = 0;
  Tensor flat_;
};

namespace detail {
template <class Module>
concept Collects = requires(Module& module, Parameters& list) {
  module.collect(list, std::string());
};

template <class Module>
void collect(Parameters& list, const std::string& name, Module& module) {
  const auto child = [&](const auto& part) { return name.empty() ? std::string(part) : name + "." + part; };
  if constexpr (std::derived_from<Module, Parameter>) {
    list.add(name, module);
  } else if constexpr (Collects<Module>) {
    module.collect(list, name);  // behind a virtual seam
  } else if constexpr (requires {
                         *module;
                         module.get();
                       }) {
    if (module) collect(list, name, *module);
  } else if constexpr (requires { module.begin(); }) {
    size_t i = 0;
    for (auto& item : module) collect(list, child(std::to_string(i++)), item);
  } else {
    Module::visit(module, [&](const char* part, auto& value) { collect(list, child(part), value); });
  }
}
}  // namespace detail

// All parameters of a module in visit() order. visit() calls each(name, member) for Parameters, modules, vectors and
// unique_ptrs of modules; a class behind a virtual seam has collect(Parameters&, const std::string& name) instead.
// The list borrows: the module must stay where it is while the list lives.
template <class Module>
Parameters parameters_of(Module& module, const std::string& name = "") {
  Parameters list;
  detail::collect(list, name, module);
  return list;
}

}  // namespace attune
