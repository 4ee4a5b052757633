// Reverse-mode differentiation on a scoped tape. While a Tape lives on this thread, ops record themselves on it (the
// innermost one); while none lives nothing is recorded and inference costs nothing. The tape owns the nodes; a tensor
// carries only the id of the node that made it.
//
// An op computes y, then hands over what its backward needs, and nothing more:
//   Tensor y = softmax_rows(x);
//   return differentiable("softmax", y, {x}, [y = detach(y)](const Tensor& dy, Adjoints& into) {
//     into.add(0, softmax_backward(y, dy));
//   });
#pragma once

#include <functional>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "attune/autograd/parameters.h"
#include "attune/tensor/tensor.h"

namespace attune {

// The gradient of every parameter in one flat buffer laid out like the parameters', and of every watched tensor.
class Gradients {
 public:
  explicit Gradients(const Parameters& parameters);

  Tensor& flat() { return flat_; }
  const Tensor& flat() const { return flat_; }
  Tensor operator[](const std::string& name) const;  // throws on an unknown name
  Tensor of(const Tensor& watched) const;            // "not given" when the loss does not depend on it
  void add(const Gradients& other);                  // flat buffers only

 private:
  friend class Tape;
  const Parameters* parameters_;
  Tensor flat_;
  std::vector<std::pair<Tensor, Tensor>> watched_;  // tensor, its gradient
};

// What a backward writes to: the gradients of its op's inputs, in their order.
class Adjoints {
 public:
  struct Destination {
    Tensor into;
    bool accumulate;  // false: `into` holds nothing yet and must be overwritten whole; true: add to it
  };

  bool wants(size_t input) const;  // whether anybody needs this input's gradient
  // Of the input's shape and its gradient_dtype; ignored when nobody wants it. Move it in when it is done with: a
  // second gradient of the same input can then be added without a copy.
  void add(size_t input, Tensor gradient);
  // To write a gradient where it belongs, in one pass and without a copy.
  Destination destination(size_t input);

 private:
  friend class Tape;
  struct Impl;
  explicit Adjoints(Impl& impl) : impl_(impl) {}
  Impl& impl_;
};

using Backward = std::function<void(const Tensor& dy, Adjoints& into)>;
using BackwardMany = std::function<void(std::span<const Tensor> dys, Adjoints& into)>;  // a dy may be "not given"

class Tape {
 public:
  explicit Tape(const Parameters& parameters);  // borrowed; records from now on
  Tape();                                       // no parameters: only watched tensors
  // Within a backward: of what that computes again instead of having kept it. The parameters are those of the tape
  // whose backward runs; their gradients are added to its own, and the Gradients here hold watched tensors alone.
  explicit Tape(Adjoints& within);
  ~Tape();
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

  static Tape* current();  // the innermost one on this thread, or null

  void watch(const Tensor& tensor);  // an input or intermediate whose gradient is wanted

  Gradients backward(const Tensor& loss);  // of a scalar, seed 1
  Gradients backward(std::span<const Tensor> outputs, std::span<const Tensor> seeds);

  size_t nodes() const;

 private:
  friend Tensor differentiable(std::string_view, Tensor, std::vector<Tensor>, Backward);
  friend std::vector<Tensor> differentiable(std::string_view, std::vector<Tensor>, std::vector<Tensor>, BackwardMany);
  friend bool recording(std::initializer_list<const Tensor*>);
  friend class Adjoints;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Pauses recording on this thread while it lives.
class NoTape {
 public:
  NoTape();
  ~NoTape();
  NoTape(const NoTape&) = delete;
  NoTape& operator=(const NoTape&) = delete;

 private:
  Tape* paused_;
};

// Whether an op on these inputs would be recorded: ops that can save work or memory otherwise ask this first.
bool recording(std::initializer_list<const Tensor*> inputs);

// Records the op if a tape lives and some input depends on a parameter or a watched tensor; returns y, marked.
Tensor differentiable(std::string_view op, Tensor y, std::vector<Tensor> inputs, Backward backward);
std::vector<Tensor> differentiable(std::string_view op, std::vector<Tensor> ys, std::vector<Tensor> inputs,
                                   BackwardMany backward);

}  // namespace attune
