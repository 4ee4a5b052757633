#include "attune/ops/reshape.h"

#include "attune/autograd/tape.h"

namespace attune {

Tensor reshape(const Tensor& x, const Shape& shape) {
  check(shape.elements() == x.elements(), "reshape: ", x.shape(), " has ", x.elements(), " elements, ", shape.text(),
        " needs ", shape.elements());
  return differentiable(
      "reshape", x.compact().viewed(shape), {x},
      [from = x.shape()](const Tensor& dy, Adjoints& into) { into.add(0, dy.compact().viewed(from)); });
}

}  // namespace attune
