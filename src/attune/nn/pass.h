// How a module is being run: training = a generator is there; inspecting = a probe is there. No flags, no modes.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "attune/autograd/probe.h"
#include "attune/base/rng.h"
#include "attune/ops/dropout.h"

namespace attune {

struct Pass {
  std::optional<Rng> dropout = {};  // keyed by (seed, update) by the trainer, by module name on the way down
  const Probe* probe = nullptr;
  DType compute = DType::float32;  // of matrix products
  std::string path = {};           // the module's name, kept only while a probe is there

  // The pass as a named child module sees it: its own random stream.
  Pass within(std::string_view child) const {
    return {dropout ? std::optional<Rng>(dropout->stream(child)) : std::nullopt, probe, compute, named(child)};
  }
  Pass within(int child) const {
    return {dropout ? std::optional<Rng>(dropout->stream(static_cast<uint64_t>(child))) : std::nullopt, probe, compute,
            probe != nullptr ? named(std::to_string(child)) : std::string()};
  }
  // Shows a module's result and hands it on.
  Tensor shown(std::string_view name, Tensor value) const {
    offer(name, value);
    return value;
  }
  void offer(std::string_view name, const Tensor& value) const {
    if (probe != nullptr) {
      probe->offer(named(name), value);
    }
  }

 private:
  std::string named(std::string_view part) const {
    if (probe == nullptr) {
      return {};
    }
    return path.empty() ? std::string(part) : path + "." + std::string(part);
  }
};

// residual + dropout(x), or plainly their sum outside training.
Tensor add_residual(const Tensor& residual, const Tensor& x, double rate, const Pass& pass);
// dropout(x), or x outside training.
Tensor drop(const Tensor& x, double rate, const Pass& pass);

}  // namespace attune
