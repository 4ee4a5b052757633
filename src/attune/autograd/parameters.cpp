#include "attune/autograd/parameters.h"

namespace attune {

namespace {
constexpr int64_t alignment = 16;  // elements: a cache line of float32
}

void Parameters::add(const std::string& name, Parameter& parameter) {
  check(names_.emplace(name, entries_.size()).second, "parameter ", name, " is listed twice");
  at_offset_.emplace(flat_size_, static_cast<int>(entries_.size()));
  entries_.push_back({name, &parameter, flat_size_, name});
  check(parameter.elements() > 0, "parameter ", name, " has the empty shape ", parameter.shape());
  flat_size_ += (parameter.elements() + alignment - 1) / alignment * alignment;
}

void Parameters::begin_alike(const std::string& copy, const std::string& of) {
  for (auto entry = entries_.rbegin(); entry != entries_.rend() && entry->name.starts_with(copy + "."); ++entry) {
    entry->begins_as = of + entry->name.substr(copy.size());
    const Entry* original = find(entry->begins_as);
    check(original != nullptr && original->parameter->shape() == entry->parameter->shape(), "parameter ", entry->name,
          " begins as ", entry->begins_as, ", which is not listed before it with the shape ",
          entry->parameter->shape());
  }
}

int64_t Parameters::count() const {
  int64_t total = 0;
  for (const Entry& entry : entries_) {
    total += entry.parameter->elements();
  }
  return total;
}

DType Parameters::dtype() const {
  return flat_ ? flat_.dtype() : DType::float32;
}

void Parameters::allocate(DType dtype) {
  flat_ = Tensor::zeros({flat_size_}, dtype);
  for (size_t i = 0; i < entries_.size(); ++i) {
    entries_[i].parameter->set(view_of(flat_, i));
  }
}

Tensor Parameters::view_of(const Tensor& flat, size_t i) const {
  const Entry& entry = entries_[i];
  return flat.rows_view(entry.offset, entry.parameter->elements()).viewed(entry.parameter->shape());
}

int Parameters::index_of(const Tensor& tensor) const {
  if (!flat_ || tensor.storage() != flat_.storage()) {
    return -1;
  }
  const auto found = at_offset_.find(tensor.offset());
  return found == at_offset_.end() ? -1 : found->second;
}

const Parameters::Entry* Parameters::find(const std::string& name) const {
  const auto found = names_.find(name);
  return found == names_.end() ? nullptr : &entries_[found->second];
}

}  // namespace attune
