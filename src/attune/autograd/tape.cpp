#include "attune/autograd/tape.h"

#include <algorithm>
#include <atomic>
#include <cassert>
#include <optional>

#include "attune/base/profile.h"
#include "attune/kernels/elementwise.h"

namespace attune {

namespace {

thread_local Tape* innermost = nullptr;

// A tensor's mark is (serial of the tape) << 32 | (slot + 1), so that tensors of other tapes are plain constants here.
uint64_t next_serial() {
  static std::atomic<uint64_t> serial{0};
  return ++serial & 0x7fffffffU;
}

void accumulate(Tensor& into, const Tensor& gradient) {
  check(into.shape() == gradient.shape() && into.dtype() == gradient.dtype(),
        "gradients of one tensor differ: ", into.shape().text(), " and ", gradient.shape());
  const ProfileScope scope("accumulate");
  scope.count(0, 3 * into.bytes());
  dispatch_floating(into.dtype(), [&](auto zero) {
    using T = decltype(zero);
    kernels::add_into<T>(into.data<T>(), gradient.compact().data<T>());
  });
}

// Where the gradients of parameters are added up: those of a backward, and of all that is computed again within it.
struct ParameterSums {
  const Parameters& parameters;
  Tensor flat;
  std::vector<bool> written =
      std::vector<bool>(parameters.entries().size(), false);  // whether a view holds a value yet

  Tensor view(int parameter) const { return detach(parameters.view_of(flat, static_cast<size_t>(parameter))); }
  // What no op wrote to, the padding between parameters included, is zero.
  void clear_the_rest();
};

void ParameterSums::clear_the_rest() {
  dispatch_floating(flat.dtype(), [&](auto zero) {
    using T = decltype(zero);
    auto all = flat.data<T>();
    int64_t end = 0;
    for (size_t i = 0; i < parameters.entries().size(); ++i) {
      const auto& entry = parameters.entries()[i];
      if (written[i]) {
        std::fill(all.begin() + end, all.begin() + entry.offset, T{0});
        end = entry.offset + entry.parameter->elements();
      }
    }
    std::fill(all.begin() + end, all.end(), T{0});
  });
}

}  // namespace

// A slot is one differentiable value: an op's output, a parameter or a watched tensor.
struct Tape::Impl {
  struct Slot {
    Shape shape;
    DType dtype = DType::float32;  // of the gradient
    int parameter = -1;            // its index, when the slot is a parameter's
    bool watched = false;
    Tensor watched_tensor;
  };
  struct Node {
    std::string_view op;
    std::vector<int> outputs, inputs;  // slots; input -1: nobody needs its gradient
    BackwardMany backward;
  };
  struct LeafKey {
    const Storage* storage;
    int64_t offset;
    bool operator==(const LeafKey&) const = default;
  };
  struct LeafHash {
    size_t operator()(const LeafKey& key) const {
      return std::hash<const void*>()(key.storage) ^ std::hash<int64_t>()(key.offset);
    }
  };

  const Parameters* parameters = nullptr;
  ParameterSums* around = nullptr;  // of the backward that this tape is within
  Tape* outer = nullptr;
  uint64_t serial = next_serial();
  std::vector<Slot> slots;
  std::vector<Node> nodes;
  std::unordered_map<LeafKey, int, LeafHash> leaves;  // parameters seen and watched inputs

  int new_slot(const Tensor& tensor) {
    slots.push_back({tensor.shape(), gradient_dtype(tensor.dtype()), -1, false, {}});
    return static_cast<int>(slots.size()) - 1;
  }
  uint64_t mark(int slot) const { return serial << 32 | static_cast<uint64_t>(slot + 1); }

  // The slot of a tensor, -1 for a constant.
  int slot_of(const Tensor& tensor) {
    if (!tensor || !tensor.allocated() || tensor.node() == ~uint64_t{0}) {
      return -1;
    }
    if (tensor.node() >> 32 == serial) {
      return static_cast<int>(tensor.node() & 0xffffffffU) - 1;
    }
    const LeafKey key{tensor.storage(), tensor.offset()};
    if (const auto found = leaves.find(key); found != leaves.end()) {
      return found->second;
    }
    const bool inside = parameters != nullptr && parameters->flat() && tensor.storage() == parameters->flat().storage();
    if (!inside) {
      return -1;
    }
    const int index = parameters->index_of(tensor);
    check(index >= 0 && parameters->entries()[static_cast<size_t>(index)].parameter->elements() == tensor.elements(),
          "tape: a plain view ", tensor.shape(), " of a parameter would lose its gradient; use split or reshape");
    const int slot = new_slot(tensor);
    slots.back().parameter = index;
    leaves.emplace(key, slot);
    return slot;
  }
};

// ---- Gradients ------------------------------------------------------------------------------------------------------

Gradients::Gradients(const Parameters& parameters)
    : parameters_(&parameters), flat_(Tensor::empty({parameters.flat_elements()}, parameters.dtype())) {}

Tensor Gradients::operator[](const std::string& name) const {
  const Parameters::Entry* entry = parameters_->find(name);
  check(entry != nullptr, "no parameter is named ", name);
  return parameters_->view_of(flat_, static_cast<size_t>(entry - parameters_->entries().data()));
}

Tensor Gradients::of(const Tensor& watched) const {
  for (const auto& [tensor, gradient] : watched_) {
    if (tensor.storage() == watched.storage() && tensor.offset() == watched.offset() &&
        tensor.shape() == watched.shape()) {
      return gradient;
    }
  }
  fail("a gradient was asked for of a tensor ", watched.shape(), " that was not watched");
}

void Gradients::add(const Gradients& other) {
  accumulate(flat_, other.flat_);
}

// ---- Adjoints -------------------------------------------------------------------------------------------------------

namespace {

// A gradient may be passed on to several inputs, kept by whoever gave or watches it, or be a part of another.
bool may_be_read_by_others(const Tensor& gradient) {
  return gradient.shares_storage() || !gradient.contiguous();
}

// Makes it one that can be added to.
void own(Tensor& sum) {
  if (may_be_read_by_others(sum)) {
    sum = sum.clone();
  }
  sum = detach(std::move(sum));
}

}  // namespace

struct Adjoints::Impl {
  Tape::Impl& tape;
  std::vector<Tensor>& sums;  // by slot, but parameters'
  ParameterSums& of_parameters;
  const Tape::Impl::Node* node = nullptr;
};

bool Adjoints::wants(size_t input) const {
  return impl_.node->inputs[input] >= 0;
}

void Adjoints::add(size_t input, Tensor gradient) {
  const int slot = impl_.node->inputs[input];
  if (slot < 0) {
    return;
  }
  const auto& info = impl_.tape.slots[static_cast<size_t>(slot)];
  check(gradient.shape() == info.shape, impl_.node->op, ": the backward gave shape ", gradient.shape(), " for input ",
        input, " of shape ", info.shape);
  check(gradient.dtype() == info.dtype, impl_.node->op, ": the backward gave ", name_of(gradient.dtype()),
        " for input ", input, " of ", name_of(info.dtype));
  const auto at = static_cast<size_t>(slot);
  Tensor& sum = impl_.sums[at];
  if (info.parameter >= 0) {
    const auto [into, add_to] = destination(input);
    Tensor target = into;
    if (add_to) {
      accumulate(target, gradient);
    } else {
      target.copy_from(gradient);
    }
  } else if (!sum) {
    sum = detach(std::move(gradient));
  } else {
    if (may_be_read_by_others(sum) && !may_be_read_by_others(gradient)) {
      std::swap(sum, gradient);
    }
    own(sum);
    accumulate(sum, gradient);
  }
}

Adjoints::Destination Adjoints::destination(size_t input) {
  const auto slot = static_cast<size_t>(impl_.node->inputs[input]);
  const auto& info = impl_.tape.slots[slot];
  if (info.parameter >= 0) {
    auto written = impl_.of_parameters.written[static_cast<size_t>(info.parameter)];
    const bool holds_value = written;
    written = true;
    return {impl_.of_parameters.view(info.parameter), holds_value};
  }
  Tensor& sum = impl_.sums[slot];
  const bool holds_value = static_cast<bool>(sum);
  if (holds_value) {
    own(sum);
  } else {
    sum = detach(Tensor::empty(info.shape, info.dtype));
  }
  return {sum, holds_value};
}

// ---- Tape -----------------------------------------------------------------------------------------------------------

Tape::Tape(const Parameters& parameters) : Tape() {
  impl_->parameters = &parameters;
}

Tape::Tape(Adjoints& within) : Tape() {
  impl_->around = &within.impl_.of_parameters;
  impl_->parameters = &impl_->around->parameters;
}

Tape::Tape() : impl_(std::make_unique<Impl>()) {
  impl_->outer = innermost;
  innermost = this;
}

Tape::~Tape() {
  assert(innermost == this);  // scoped: the innermost goes first
  innermost = impl_->outer;
}

Tape* Tape::current() {
  return innermost;
}

NoTape::NoTape() : paused_(innermost) {
  innermost = nullptr;
}
NoTape::~NoTape() {
  innermost = paused_;
}

size_t Tape::nodes() const {
  return impl_->nodes.size();
}

void Tape::watch(const Tensor& tensor) {
  check(tensor.allocated(), "watch: the tensor has no elements");
  check(tensor.node() != ~uint64_t{0}, "watch: tensor ", tensor.shape(), " is detached, so nothing depends on it");
  int slot = impl_->slot_of(tensor);
  if (slot < 0) {
    slot = impl_->new_slot(tensor);
    impl_->leaves.emplace(Impl::LeafKey{tensor.storage(), tensor.offset()}, slot);
  }
  auto& info = impl_->slots[static_cast<size_t>(slot)];
  info.watched = true;
  info.watched_tensor = tensor;
}

Gradients Tape::backward(const Tensor& loss) {
  check(loss.elements() == 1, "backward: the loss has shape ", loss.shape(), ", expected one element");
  const Tensor seed = Tensor::full(loss.shape(), 1.0, loss.dtype());
  return backward(std::span(&loss, 1), std::span(&seed, 1));
}

Gradients Tape::backward(std::span<const Tensor> outputs, std::span<const Tensor> seeds) {
  static const Parameters none;
  check(outputs.size() == seeds.size(), "backward: ", outputs.size(), " outputs but ", seeds.size(), " seeds");
  const ProfileScope scope("backward");
  const NoTape pause;
  const bool within = impl_->around != nullptr;
  Gradients result(impl_->parameters != nullptr && !within ? *impl_->parameters : none);
  ParameterSums own_sums{*result.parameters_, result.flat_};
  ParameterSums& of_parameters = within ? *impl_->around : own_sums;
  const size_t count = impl_->slots.size();
  std::vector<Tensor> sums(count);
  Adjoints::Impl adjoints{*impl_, sums, of_parameters};
  Adjoints into(adjoints);
  for (size_t i = 0; i < outputs.size(); ++i) {
    const int slot = impl_->slot_of(outputs[i]);
    check(slot >= 0, "backward: output ", i, " depends on no parameter and on no watched tensor");
    Impl::Node start{"seed", {}, {slot}, {}};
    adjoints.node = &start;
    into.add(0, seeds[i]);
  }
  for (auto node = impl_->nodes.rbegin(); node != impl_->nodes.rend(); ++node) {
    std::vector<Tensor> dys;
    bool any = false;
    for (int slot : node->outputs) {
      Tensor& sum = sums[static_cast<size_t>(slot)];
      any = any || sum;
      dys.push_back(sum);
      if (!impl_->slots[static_cast<size_t>(slot)].watched) {
        sum = Tensor();
      }
    }
    if (any) {
      const ProfileScope of_node(node->op);
      adjoints.node = &*node;
      node->backward(dys, into);
    }
  }
  for (size_t slot = 0; slot < count; ++slot) {
    const auto& info = impl_->slots[slot];
    if (info.watched) {
      const bool is_parameter = info.parameter >= 0;
      const bool written = is_parameter && of_parameters.written[static_cast<size_t>(info.parameter)];
      result.watched_.emplace_back(info.watched_tensor, written ? of_parameters.view(info.parameter) : sums[slot]);
    }
  }
  own_sums.clear_the_rest();
  return result;
}

// ---- Recording ------------------------------------------------------------------------------------------------------

bool recording(std::initializer_list<const Tensor*> inputs) {
  Tape* tape = Tape::current();
  return tape != nullptr && std::any_of(inputs.begin(), inputs.end(),
                                        [&](const Tensor* input) { return tape->impl_->slot_of(*input) >= 0; });
}

std::vector<Tensor> differentiable(std::string_view op, std::vector<Tensor> ys, std::vector<Tensor> inputs,
                                   BackwardMany backward) {
  Tape* tape = Tape::current();
  if (tape == nullptr) {
    return ys;
  }
  Tape::Impl& impl = *tape->impl_;
  Tape::Impl::Node node{op, {}, {}, {}};
  bool needed = false;
  for (const Tensor& input : inputs) {
    node.inputs.push_back(impl.slot_of(input));
    needed = needed || node.inputs.back() >= 0;
  }
  if (!needed) {
    return ys;
  }
  for (Tensor& y : ys) {
    node.outputs.push_back(impl.new_slot(y));
    y.set_node(impl.mark(node.outputs.back()));
  }
  node.backward = std::move(backward);
  impl.nodes.push_back(std::move(node));
  return ys;
}

Tensor differentiable(std::string_view op, Tensor y, std::vector<Tensor> inputs, Backward backward) {
  if (Tape::current() == nullptr) {
    return y;
  }
  std::vector<Tensor> ys{std::move(y)};
  return differentiable(
      op, std::move(ys), std::move(inputs),
      [backward = std::move(backward)](std::span<const Tensor> dys, Adjoints& into) { backward(dys[0], into); })[0];
}

}  // namespace attune
