// Another form of a tensor's elements (packed for products, rounded), made when it is first asked for and kept with the
// storage until that changes.
#pragma once

#include <typeinfo>
#include <vector>

#include "attune/tensor/tensor.h"

namespace attune {

// make: () -> std::shared_ptr<const Form>. The form is found again by its type, the tensor's place in the storage, its
// shape and strides.
template <class Form, class Make>
std::shared_ptr<const Form> derived(const Tensor& from, Make&& make) {
  std::vector<int64_t> key{static_cast<int64_t>(typeid(Form).hash_code()), from.offset()};
  for (int axis = 0; axis < from.rank(); ++axis) {
    key.push_back(from.size(axis));
    key.push_back(from.stride(axis));
  }
  return std::static_pointer_cast<const Form>(
      from.storage()->derived(key, [&]() -> std::shared_ptr<const void> { return make(); }));
}

}  // namespace attune
