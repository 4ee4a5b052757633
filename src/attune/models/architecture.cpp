#include "attune/models/architecture.h"

#include <algorithm>
#include <array>

#include "attune/base/check.h"
#include "attune/base/option_checks.h"
#include "attune/models/bahdanau.h"
#include "attune/models/convolutional.h"
#include "attune/models/luong.h"
#include "attune/models/recurrent.h"
#include "attune/models/task.h"
#include "attune/models/transformer.h"

namespace attune {

namespace {

template <class Kind>
std::unique_ptr<Model> make(const ModelConfig& config) {
  return std::make_unique<Kind>(config);
}

void as_they_are(ModelConfig&) {}

std::vector<AttentionPlace> nowhere(const ModelConfig&) {
  return {};
}

constexpr auto transformer_keys = std::to_array<std::string_view>({"encoder-layers",
                                                                   "decoder-layers",
                                                                   "heads",
                                                                   "feed-forward",
                                                                   "encoder-mixer",
                                                                   "decoder-mixer",
                                                                   "cross-mixer",
                                                                   "normaliser",
                                                                   "attention-norm",
                                                                   "kernel-width",
                                                                   "window",
                                                                   "dilation",
                                                                   "global-tokens",
                                                                   "sparse-pattern",
                                                                   "stride",
                                                                   "summary",
                                                                   "block",
                                                                   "window-blocks",
                                                                   "global-blocks",
                                                                   "random-blocks",
                                                                   "lsh-hashes",
                                                                   "lsh-chunk",
                                                                   "lsh-sees-itself",
                                                                   "projected-length",
                                                                   "projection-sharing",
                                                                   "features",
                                                                   "feature-kernel",
                                                                   "feature-redraw",
                                                                   "landmarks",
                                                                   "landmark-rounds",
                                                                   "value-kernel",
                                                                   "biases",
                                                                   "initialiser",
                                                                   "norm-position",
                                                                   "norm",
                                                                   "norm-epsilon",
                                                                   "activation",
                                                                   "gated-feed-forward",
                                                                   "positions",
                                                                   "max-positions",
                                                                   "embedding-scale",
                                                                   "attention-dropout",
                                                                   "activation-dropout",
                                                                   "spatial-gate",
                                                                   "spatial-toeplitz",
                                                                   "spatial-heads",
                                                                   "spatial-norm-epsilon",
                                                                   "spatial-initialiser",
                                                                   "tiny-attention",
                                                                   "tiny-attention-heads",
                                                                   "survival",
                                                                   "reversible",
                                                                   "feed-forward-chunk"});

constexpr std::array<std::string_view, 7> convolutional_keys{
    "encoder-layers", "decoder-layers", "kernel-width", "channels", "encoder-gradient", "positions", "max-positions"};

constexpr std::array<std::string_view, 9> rnn_keys{"biases",         "initialiser",     "encoder-layers",
                                                   "decoder-layers", "embedding-scale", "bidirectional",
                                                   "reverse-source", "source-vector",   "recurrent-initialiser"};
constexpr std::array<std::string_view, 10> gru_keys{
    "biases",        "initialiser",    "encoder-layers", "decoder-layers",        "embedding-scale",
    "bidirectional", "reverse-source", "source-vector",  "recurrent-initialiser", "gru-reset"};
constexpr std::array<std::string_view, 10> lstm_keys{
    "biases",        "initialiser",    "encoder-layers", "decoder-layers",        "embedding-scale",
    "bidirectional", "reverse-source", "source-vector",  "recurrent-initialiser", "forget-bias"};
constexpr std::array<std::string_view, 8> bahdanau_keys{"biases",      "initialiser",         "encoder-layers",
                                                        "cross-mixer", "embedding-scale",     "recurrent-initialiser",
                                                        "gru-reset",   "paper-initialisation"};
constexpr std::array<std::string_view, 16> luong_keys{
    "biases",         "initialiser",           "encoder-layers",   "decoder-layers",
    "cross-mixer",    "max-positions",         "embedding-scale",  "bidirectional",
    "reverse-source", "recurrent-initialiser", "forget-bias",      "gru-reset",
    "cell",           "input-feeding",         "attention-window", "window-reach"};

// Of an architecture or a task.
bool reads(const auto& kind, std::string_view key) {
  return std::find(kind.keys.begin(), kind.keys.end(), key) != kind.keys.end();
}

bool is_special(const auto& kinds, std::string_view key) {
  return std::any_of(kinds.begin(), kinds.end(), [&](const auto& kind) { return reads(kind, key); });
}

}  // namespace

std::span<const Architecture> architectures() {
  static constexpr std::array table{
      Architecture{"transformer", transformer_keys, as_they_are, check_transformer, make<Transformer>, transformer_cost,
                   transformer_attends},
      Architecture{"rnn", rnn_keys, set_rnn_defaults, check_recurrent, make<Recurrent>, recurrent_cost, nowhere},
      Architecture{"gru", gru_keys, set_gru_defaults, check_recurrent, make<Recurrent>, recurrent_cost, nowhere},
      Architecture{"lstm", lstm_keys, set_lstm_defaults, check_recurrent, make<Recurrent>, recurrent_cost, nowhere},
      Architecture{"bahdanau", bahdanau_keys, set_bahdanau_defaults, check_bahdanau, make<Bahdanau>, bahdanau_cost,
                   bahdanau_attends},
      Architecture{"luong", luong_keys, set_luong_defaults, check_luong, make<Luong>, luong_cost, luong_attends},
      Architecture{"convolutional", convolutional_keys, set_convolutional_defaults, check_convolutional,
                   make<Convolutional>, convolutional_cost, convolutional_attends},
  };
  return table;
}

const Architecture& architecture_of_name(std::string_view word) {
  return entry_of_word("architecture", word, architectures(), &Architecture::word);
}

ModelConfig defaults_of(std::string_view architecture, std::string_view task) {
  ModelConfig config;
  config.architecture = architecture;
  config.task = task;
  architecture_of_name(architecture).set_defaults(config);
  task_of_name(task).set_defaults(config);
  return config;
}

namespace {

bool read_by_task(const ModelConfig& config, std::string_view key) {
  return !is_special(tasks(), key) || reads(task_of_name(config.task), key);
}
bool read_by_architecture(const ModelConfig& config, std::string_view key) {
  return !is_special(architectures(), key) || reads(architecture_of_name(config.architecture), key);
}

}  // namespace

bool means_something(const ModelConfig& config, std::string_view key) {
  return read_by_task(config, key) && read_by_architecture(config, key);
}

void check_key(const ModelConfig& config, std::string_view key, std::string_view origin) {
  check_usage(read_by_task(config, key), origin, ": means nothing to the task ", config.task, "; leave it out");
  check_usage(read_by_architecture(config, key), origin, ": means nothing to the architecture ", config.architecture,
              "; leave it out");
}

std::unique_ptr<Model> make_model(const ModelConfig& config) {
  check_config(config);
  check(config.task == translation_task, "make_model: the config is for the task ", config.task);
  return architecture_of_name(config.architecture).make(config);
}

}  // namespace attune
