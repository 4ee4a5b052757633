#include "attune/models/sublayer.h"

#include <algorithm>
#include <array>

#include "attune/autograd/replay.h"
#include "attune/ops/arithmetic.h"

namespace attune {

Norm make_norm(const ModelConfig& config) {
  return Norm(config.width, norm_kind_of_name(config.norm), {config.norm_epsilon});
}

Residual::Residual(const ModelConfig& config, const Depth& depth)
    : norm(make_norm(config)),
      pre(config.norm_position == "pre"),
      dropout(config.dropout),
      survival(1 - (1 - config.survival) * (depth.layer + 1) / depth.layers) {}

Tensor Residual::with(const Tensor& x, const Tensor& added, const Segments& segments, const Pass& pass) const {
  return add_residual(x, surviving(added, segments, pass), dropout, pass);
}

Tensor Residual::surviving(const Tensor& added, const Segments& segments, const Pass& pass) const {
  if (!pass.dropout || survival >= 1) {
    return added;
  }
  const Rng rng = pass.dropout->stream("survival");
  std::vector<double> factors(static_cast<size_t>(segments.rows()));
  for (int s = 0; s < segments.count(); ++s) {
    const bool survives = rng.uniform(static_cast<uint64_t>(s)) < survival;
    std::fill_n(factors.begin() + segments.begin(s), segments.length(s), survives ? 1 / survival : 0.0);
  }
  return scale_rows(added, factors);
}

Tensor Streams::out() const {
  return other ? add_scaled(x, other, 0.5) : x;
}

Streams run(std::span<const Sublayer> sublayers, Streams streams, const Context& context) {
  for (const Sublayer& sublayer : sublayers) {
    const auto f = [&](const Tensor& h) { return sublayer.f(h, context, sublayer.pass); };
    if (!streams.other) {
      streams.x = (*sublayer.around)(streams.x, context.rows, sublayer.pass, f);
    } else {
      Tensor y = sublayer.around->onto(streams.other, streams.x, context.rows, sublayer.pass, f);
      streams = {std::move(y), std::move(streams.x)};
    }
  }
  return streams;
}

namespace {

// The streams before a sublayer and their gradients, of those behind it; the gradients of parameters and of the memory
// (input 1) go to `into`.
void unwind(const Sublayer& sublayer, const Context& context, Streams& values, Streams& gradients, Adjoints& into) {
  const auto branch = [&](std::span<const Tensor> inputs) {
    const Context here{context.rows, inputs[1], context.sources};
    const auto f = [&](const Tensor& h) { return sublayer.f(h, here, sublayer.pass); };
    return sublayer.around->branch(inputs[0], context.rows, sublayer.pass, f);
  };
  Replayed again = replay(branch, std::array{values.other, context.memory}, gradients.x, into);
  values = {values.other, subtract(values.x, again.value)};
  const Tensor& through = again.gradients[0];  // none where x decides nothing: the mean of a memory
  gradients = {through ? add(gradients.other, through) : gradients.other, gradients.x};
  if (again.gradients[1]) {
    into.add(1, std::move(again.gradients[1]));
  }
}

}  // namespace

Tensor run_reversibly(std::vector<Sublayer> sublayers, const Tensor& x, const Context& context) {
  Streams end;
  {
    const NoTape pause;
    end = run(sublayers, {x, x}, context);
  }
  const Tensor out = end.out();
  const Tensor parameter = sublayers.front().around->norm.weight;  // it depends on them, whatever x is
  return differentiable("reversible", out, {x, context.memory, parameter},
                        [sublayers = std::move(sublayers), end, context](const Tensor& dy, Adjoints& into) {
                          const Tensor half = scale(dy, 0.5);
                          Streams values = end, gradients{half, half};
                          for (auto sublayer = sublayers.rbegin(); sublayer != sublayers.rend(); ++sublayer) {
                            unwind(*sublayer, context, values, gradients, into);
                          }
                          into.add(0, add(gradients.x, gradients.other));
                        });
}

}  // namespace attune
