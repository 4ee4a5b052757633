#include "attune/nn/recurrent_mixer.h"

#include "attune/base/check.h"
#include "attune/ops/concat.h"
#include "attune/ops/permute_rows.h"

namespace attune {

namespace {

struct CarriedState : MixerState {
  RecurrentState state;  // not given: nothing read yet

  void reorder(std::span<const int> from) override {
    if (state.h) {
      state = select_rows(state, from);
    }
  }
};

}  // namespace

RecurrentMixer::RecurrentMixer(const MixerOptions& options, Cell cell)
    : output_({options.width, options.width, options.biases}, options.initialiser) {
  check_usage(options.causal || options.width % 2 == 0,
              "width: expected an even number for a recurrent mixer that reads both ways, got ", options.width);
  RecurrentOptions layer;
  layer.cell = cell;
  layer.in = options.width;
  layer.width = options.causal ? options.width : options.width / 2;
  layer.biases = options.biases;
  layer.forget_bias = 1;
  layer.initialiser = options.initialiser;
  directions_.emplace_back(layer);
  if (!options.causal) {
    layer.backward = true;
    directions_.emplace_back(layer);
  }
}

Tensor RecurrentMixer::operator()(const Tensor& x, const Segments& queries, const Tensor&, const Segments&,
                                  const Pass& pass) const {
  const TimeMajor order(queries);
  const Tensor rows = permute_rows(x, order.packed_row(), order.time_row());
  std::vector<Tensor> states;
  for (const RecurrentLayer& direction : directions_) {
    states.push_back(direction(rows, order, {}, pass).hidden);
  }
  const Tensor joined = states.size() == 1 ? states[0] : concat(states, Along::columns);
  return output_(permute_rows(joined, order.time_row(), order.packed_row()), pass);
}

std::unique_ptr<MixerState> RecurrentMixer::begin(int) const {
  check(directions_.size() == 1, "a recurrent mixer that reads both ways cannot read its own past");
  return std::make_unique<CarriedState>();
}

std::unique_ptr<MixerState> RecurrentMixer::begin(const Tensor&, const Segments&, std::span<const int>,
                                                  const Pass&) const {
  fail("a recurrent mixer reads its own sequence only, not a memory");
}

Tensor RecurrentMixer::step(const Tensor& x, MixerState& any_state, const Pass& pass) const {
  RecurrentState& state = dynamic_cast<CarriedState&>(any_state).state;
  const RecurrentLayer& layer = directions_.front();
  const Tensor z = layer.input(x, pass);
  if (!state.h) {
    state = layer.zero_state(z.size(0), z.dtype());
  }
  state = RecurrentSteps(layer, pass)(z, state);
  return output_(state.h, pass);
}

void RecurrentMixer::collect(Parameters& list, const std::string& name) {
  visit(*this, [&](const char* part, auto& module) { detail::collect(list, name + "." + part, module); });
}

MixerCost recurrent_mixer_cost(const MixerOptions& options, Cell cell) {
  const int64_t width = options.width, gates = gates_of(cell);
  const int64_t direction = options.causal ? width : width / 2, directions = options.causal ? 1 : 2;
  // The input and the result in another order, and what is inside.
  return {.per_query = directions * gates * direction * (width + direction) + width * width,
          .kept = (2 + kept_by_recurrence(cell)) * width,
          .kept_for_products = (1 + directions) * width};
}

}  // namespace attune
