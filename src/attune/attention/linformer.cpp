#include "attune/attention/linformer.h"

#include "attune/attention/token_projection.h"
#include "attune/autograd/recorder.h"
#include "attune/base/profile.h"

namespace attune::attention {

Tensor linformer(const LinformerInputs& in, const Segments& queries, const Segments& keys,
                 const LinformerOptions& options) {
  check_usage(!options.causal,
              "linformer: there is no causal form, since every projected key mixes earlier and later tokens; for a "
              "decoder choose a mechanism that has one, such as scaled_dot, performer or linear");
  check(in.key_projection.rank() == 3 && in.value_projection.rank() == 3 &&
            in.key_projection.size(1) == in.value_projection.size(1),
        "linformer: E is ", in.key_projection.shape(), " and F ", in.value_projection.shape(),
        ", expected [1 or heads, k, n] each with the same k");
  const ProfileScope scope("linformer");
  const Segments projected = Segments::equal(keys.count(), static_cast<int>(in.key_projection.size(1)));
  const Tensor k = recorded("K_E", token_projection(in.k, in.key_projection, keys));
  const Tensor v = recorded("V_F", token_projection(in.v, in.value_projection, keys));
  return scaled_dot(in.q, k, v, queries, projected, {.dropout = options.dropout}).out;
}

}  // namespace attune::attention
