// What every model is, whatever it is for: parameters declared from a config. Training, files, initialising and
// describe() need no more of it; Model (sequence to sequence) and EncoderModel add what their users need.
#pragma once

#include "attune/autograd/parameters.h"
#include "attune/models/config.h"

namespace attune {

class Network {
 public:
  virtual ~Network() = default;
  Network() = default;
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  virtual const ModelConfig& config() const = 0;
  virtual Parameters& parameters() = 0;  // declared until parameters().allocate()
  const Parameters& parameters() const { return const_cast<Network*>(this)->parameters(); }
};

}  // namespace attune
