// Weight normalisation (Salimans and Kingma 2016): each row of a weight is a direction v and a length g of its own,
//   w = g v / ||v||,   dg = dw . v / ||v||,   dv = g / ||v|| (dw - dg v / ||v||).
#pragma once

#include "attune/tensor/tensor.h"

namespace attune {

// v [rows, columns], g [rows], float32 or float64, of the same type -> w like v. A row v = 0 has no direction: its w
// and its gradients are 0.
Tensor weight_norm(const Tensor& v, const Tensor& g);

}  // namespace attune
