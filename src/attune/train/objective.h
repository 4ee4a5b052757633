// The seam between the trainer and what is trained: an objective has a network, cuts its examples into the batches of
// an epoch, and says what a batch loses. All that is random comes from (seed, epoch, batch) or from the pass, so that a
// run that was interrupted goes on with the same bits.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "attune/base/checksum.h"
#include "attune/models/network.h"
#include "attune/nn/pass.h"

namespace attune {

// What a batch loses. Means are over `counted` things: target tokens, masked positions, examples; a batch has at least
// one of them.
struct BatchLoss {
  Tensor loss;     // a scalar on the tape: the sum over the counted things of what is minimised
  double nll = 0;  // their sum of -log p(gold) without smoothing and the like: perplexity = exp(nll / counted)
  int64_t counted = 0;
  int64_t tokens = 0;  // read, for the speed
};

// A figure beside the loss by which validations are read; higher is better.
struct Score {
  std::string key;    // "bleu": valid_bleu in training.jsonl
  std::string title;  // "BLEU": as lines for people name it
  int decimals = 2;
  double value = 0;
};

struct ValidationFigures {
  double nll = 0;  // natural logarithm, per counted thing
  std::optional<Score> score = {};
};

// What a model that knows nothing but how frequent things are, or which words occur, reaches on the validation data.
struct Baseline {
  std::string title;  // "unigram", "bag of words"
  double nll = 0;
  std::optional<Score> score = {};  // of the validation's kind
};

class Objective {
 public:
  virtual ~Objective() = default;
  Objective() = default;
  Objective(const Objective&) = delete;
  Objective& operator=(const Objective&) = delete;

  virtual Network& network() = 0;

  virtual int batches(int64_t epoch) = 0;  // epochs from 0
  // Computed with a tape of the network's parameters. The pass holds the compute type and the generator of dropout.
  virtual BatchLoss loss(int64_t epoch, int index, const Pass& pass) = 0;

  virtual bool has_validation() const = 0;
  // On the parameters as they are, without dropout and without a tape.
  virtual ValidationFigures validate() = 0;
  virtual std::optional<Baseline> baseline() const { return {}; }

  // What must be the same when a run is resumed, beside the options and the network's config: the training examples'
  // number and checksum.
  virtual std::map<std::string, std::string> identity() const = 0;
};

// An identity, of so many things ("examples") to train on, whose checksum this is.
std::map<std::string, std::string> identity_of(std::string_view things, int64_t count, const Checksum& checksum);

}  // namespace attune
