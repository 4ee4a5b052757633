#include "attune/explain/model_module.h"

#include <algorithm>
#include <array>
#include <utility>

#include "attune/base/check.h"
#include "attune/base/option_checks.h"
#include "attune/decode/translator.h"
#include "attune/explain/seen_module.h"
#include "attune/inspect/attention_module.h"
#include "attune/models/architecture.h"
#include "attune/nn/feature_mixer.h"
#include "attune/nn/positions.h"
#include "attune/ops/matmul.h"

namespace attune::explain {

namespace {

bool is_recurrent(const ModelConfig& config) {
  return config.architecture == "bahdanau" || config.architecture == "luong";
}

constexpr std::array patterned{"scaled_dot", "local", "sparse", "bigbird"};  // several heads on one page
constexpr std::array by_head{"lsh", "linear", "performer", "linformer", "nystrom"};

std::string mixer_of(const ModelConfig& config, const AttentionPlace& place) {
  return place.module.ends_with("cross_attention") ? config.cross_mixer
         : place.module.starts_with("encoder.")    ? config.encoder_mixer
                                                   : config.decoder_mixer;
}

template <class Words>
bool is_one_of(const std::string& word, const Words& words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

// Pages have no steps for positions inside the attention, and none for its norm.
bool is_explained(const ModelConfig& config, const AttentionPlace& place) {
  if (is_recurrent(config)) return true;
  const std::string mixer = mixer_of(config, place);
  const bool turned =
      stands_in_attention(position_kind_of_name(config.positions)) && place.module.ends_with("self_attention");
  return config.architecture == "transformer" && !turned && config.attention_norm == "none" &&
         (is_one_of(mixer, patterned) || is_one_of(mixer, by_head));
}

AttentionPlace place_of(const ModelConfig& config, const ModuleOptions& chosen) {
  std::vector<AttentionPlace> places = architecture_of_name(config.architecture).attends(config);
  std::erase_if(places, [&](const AttentionPlace& place) { return !is_explained(config, place); });
  check_usage(!places.empty(), "--model: the model (", config.architecture,
              ") has no attention that can be explained: of a transformer scaled_dot, local, sparse, bigbird, lsh, "
              "linear, performer, linformer and nystrom, without positions inside it and without attention-norm; or "
              "that of bahdanau or luong. --mechanism explains others with random weights");
  std::string known;
  for (const AttentionPlace& place : places) {
    known += (known.empty() ? "" : ", ") + place.module;
  }
  const auto found = std::find_if(places.begin(), places.end(), [&](const AttentionPlace& place) {
    return chosen.module.empty() || place.module == chosen.module;
  });
  check_usage(found != places.end(), "module: expected one of ", known, "; got \"", chosen.module, "\"");
  const std::string mixer = mixer_of(config, *found);
  check_whole("head", chosen.head, {-1, found->heads - 1});
  check_usage(chosen.head >= 0 || is_recurrent(config) || !is_one_of(mixer, by_head), "head: ", mixer,
              " is explained one head at a time, expected 0 to ", found->heads - 1, ", got ", chosen.head);
  check_usage(chosen.head < 0 || (mixer != "sparse" && mixer != "bigbird"), "head: what a head of ", mixer,
              " sees depends on its number, so that all are explained together; expected -1, got ", chosen.head);
  return *found;
}

std::vector<std::string> pieces_of(const std::vector<int>& ids, const Tokenizer& tokenizer) {
  std::vector<std::string> pieces;
  for (const int id : ids) pieces.push_back(tokenizer.piece(id));
  return pieces;
}

// A self-attention or cross-attention of a Transformer, one head of it or all of them.
class TransformerModule {
 public:
  TransformerModule(const Model& model, const AttentionPlace& place, const SeenModule& seen, int head)
      : config_(model.config()),
        weights_(model, place.module),
        place_(place),
        seen_(seen),
        mixer_(mixer_of(config_, place)),
        head_(head),
        depth_(config_.width / place.heads) {}

  void fill(Given& given, ExplainOptions& options) const {
    for (const auto& [part, letter] : {std::pair{"query", "q"}, {"key", "k"}, {"value", "v"}}) {
      add_projection(part, letter, given.matrices);
      add_projection(std::string("global_") + part, std::string(letter) + "g", given.matrices);
    }
    given.matrices["X"] = seen_.input;
    const Tensor output = weights_.of("output.weight");
    if (all()) {
      given.matrices["Wo"] = output;
      if (weights_.has("output.bias")) given.matrices["bo"] = weights_.of("output.bias");
    } else {
      given.module->weights = head_of(seen_.weights);
    }
    if (options.loss == "none") {
      given.matrices["dY"] =
          all() ? seen_.gradient
                : columns_of(matmul(seen_.gradient, output, {.transpose_b = true}), head_ * depth_, depth_);
    }
    if (place_.module.ends_with(".cross_attention")) {
      given.matrices["Z"] = seen_.memory;
      given.memory = given.module->pieces;
    }
    options.mechanism = mixer_;
    options.heads = all() ? place_.heads : 1;
    options.normaliser = is_one_of(mixer_, patterned) ? config_.normaliser : "softmax";
    options.causal = place_.module.starts_with("decoder.") && given.memory.empty();
    set_pattern(options);
    fill_mechanism(given.matrices, options);
  }

 private:
  bool all() const { return head_ < 0; }
  int layer() const { return attention_module_of(place_.module)->layer; }

  // What the module has: queries that are keys have no key, only Longformer has global ones.
  void add_projection(const std::string& part, const std::string& letter, Quantities& matrices) const {
    const int64_t begin = all() ? 0 : head_ * depth_, columns = all() ? config_.width : depth_;
    if (weights_.has(part + ".weight")) matrices["W" + letter] = weights_.of(part + ".weight", begin, columns);
    if (weights_.has(part + ".bias")) matrices["b" + letter] = weights_.of(part + ".bias", begin, columns);
  }

  Tensor head_of(const Tensor& x) const {
    const int64_t rows = x.size(1);
    return x.viewed({x.size(0) * rows, x.size(2)}).rows_view(head_ * rows, rows).compact();
  }

  void set_pattern(ExplainOptions& options) const {
    options.window = config_.window;
    options.dilation = config_.dilation;
    const std::vector<int> dilations = listed_numbers("dilation", config_.dilation, {1});
    if (!all() && dilations.size() > 1) options.dilation = std::to_string(dilations[static_cast<size_t>(head_)]);
    options.global_tokens = config_.global_tokens;
    options.sparse_pattern = config_.sparse_pattern;
    options.stride = config_.stride;
    options.summary = config_.summary;
    options.block = config_.block;
    options.window_blocks = config_.window_blocks;
    options.global_blocks = config_.global_blocks;
    options.random_blocks = config_.random_blocks;
    if (mixer_ == "bigbird") options.seed = static_cast<uint64_t>(layer());
  }

  void fill_mechanism(Quantities& matrices, ExplainOptions& options) const {
    options.lsh_hashes = config_.lsh_hashes;
    options.lsh_chunk = config_.lsh_chunk;
    options.lsh_sees_itself = config_.lsh_sees_itself;
    options.feature_kernel = config_.feature_kernel;
    options.landmarks = config_.landmarks;
    options.landmark_rounds = config_.landmark_rounds;
    options.value_kernel = config_.value_kernel;
    if (mixer_ == "lsh" && seen_.parts.count("buckets") == 1) {  // else all is one chunk
      Tensor buckets = seen_.part("buckets", head_);
      for (double& each : buckets.data<double>()) each += 1;  // pages count from 1
      matrices["B"] = buckets;
    }
    if (mixer_ == "performer") {
      options.features = static_cast<int>(seen_.part("query_features", head_).columns());
      matrices["W"] = evaluation_features({options.features, depth_}, layer(), DType::float32).to(DType::float64);
    }
    if (mixer_ == "linformer") {
      matrices["E"] = seen_.part("key_projection", head_);
      matrices["F"] = seen_.part("value_projection", head_);
      options.projected_length = static_cast<int>(matrices["E"].size(0));
    }
    if (mixer_ == "nystrom" && weights_.has("convolution")) {
      const Tensor taps = weights_.of("convolution");  // [taps, heads]
      Tensor of_head = Tensor::empty({1, taps.size(0)}, DType::float64);
      for (int64_t t = 0; t < taps.size(0); ++t) {
        of_head.data<double>()[static_cast<size_t>(t)] = taps.at(t * taps.size(1) + head_);
      }
      matrices["C"] = of_head;
    }
  }

  const ModelConfig& config_;
  ModuleWeights weights_;
  const AttentionPlace& place_;
  const SeenModule& seen_;
  std::string mixer_;
  int head_;
  int64_t depth_;
};

void fill_source_read(const Model& model, const SeenModule& seen, Given& given, ExplainOptions& options) {
  const ModelConfig& config = model.config();
  const ModuleWeights weights(model, "decoder.attention");
  const bool local = config.attention_window != "global";
  check_usage(!local || config.cross_mixer == "dot", "--model: local attention is explained with the score dot; this ",
              "model's is ", config.cross_mixer);
  options.mechanism = local ? config.attention_window : config.cross_mixer;
  options.window = config.window_reach;
  given.matrices["X"] = seen.values;
  given.matrices["H"] = seen.input;
  if (config.cross_mixer == "location") {
    given.matrices["Wl"] = weights.of("query.weight", 0, seen.values.size(0));
  } else if (weights.has("query.weight")) {
    given.matrices["Wq"] = weights.of("query.weight");
    given.matrices["v"] = weights.of("vector");
  }
  if (weights.has("key.weight")) {
    given.matrices["Wk"] = weights.of("key.weight");
  }
  if (config.attention_window == "local-p") {
    given.matrices["Wp"] = weights.of("centre.weight");
    given.matrices["vp"] = weights.of("centre_vector.weight");
  }
  if (options.loss == "none") {
    given.matrices["dY"] = seen.gradient;
  }
}

Example pair_of(const LoadedModel& loaded, const std::string& sentence, const std::string& target) {
  const auto& [source, into] = loaded.tokenizers;
  Example pair{source->encode(sentence), into->encode(target)};
  const auto fits = [](const std::vector<int>& pieces) {
    check_usage(!pieces.empty() && pieces.size() < longest_explained, "--model: expected a sentence of 1 to ",
                longest_explained - 1, " pieces, got ", pieces.size());
  };
  fits(pair.source);
  if (!target.empty()) {
    fits(pair.target);
  } else {
    const auto found = Translator(*loaded.model, *source, *into).translate(std::span(&sentence, 1), {});
    pair.target = found.front().candidates.front().ids;
  }
  return pair;
}

}  // namespace

Given read_module(const LoadedModel& loaded, const std::string& sentence, const ModuleOptions& chosen,
                  ExplainOptions& options) {
  const Model& model = *loaded.model;
  const AttentionPlace place = place_of(model.config(), chosen);
  const Example pair = pair_of(loaded, sentence, chosen.target);
  const bool recurrent = is_recurrent(model.config());
  const SeenModule seen = look_into(model, pair, place.module, recurrent ? "mixed" : "output");
  std::vector<std::string> read = pieces_of(pair.target, *loaded.tokenizers.target);
  read.insert(read.begin(), loaded.tokenizers.target->piece(bos_id));
  Given given;
  given.module =
      GivenModule{place.module, pieces_of(pair.source, *loaded.tokenizers.source), seen.embeddings, seen.weights};
  given.module->pieces.push_back(loaded.tokenizers.source->piece(eos_id));
  if (recurrent) {
    given.tokens = given.module->pieces;
    given.states = read;
    fill_source_read(model, seen, given, options);
    return given;
  }
  given.tokens = place.module.starts_with("decoder.") ? read : given.module->pieces;
  TransformerModule(model, place, seen, chosen.head).fill(given, options);
  return given;
}

}  // namespace attune::explain
