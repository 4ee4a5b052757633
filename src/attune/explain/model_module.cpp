#include "attune/explain/model_module.h"

#include <algorithm>
#include <array>
#include <map>

#include "attune/autograd/tape.h"
#include "attune/base/check.h"
#include "attune/base/option_checks.h"
#include "attune/decode/translator.h"
#include "attune/models/architecture.h"
#include "attune/nn/positions.h"
#include "attune/ops/cross_entropy.h"
#include "attune/ops/linear.h"

namespace attune::explain {

namespace {

bool is_recurrent(const ModelConfig& config) {
  return config.architecture == "bahdanau" || config.architecture == "luong";
}

std::vector<AttentionPlace> explained_places(const ModelConfig& config) {
  std::vector<AttentionPlace> places = architecture_of_name(config.architecture).attends(config);
  const auto other = [&](const AttentionPlace& place) {
    const std::string& mixer = place.module.ends_with("cross_attention") ? config.cross_mixer
                               : place.module.starts_with("encoder.")    ? config.encoder_mixer
                                                                         : config.decoder_mixer;
    const bool more_than_its_page =  // which has no steps for positions inside the attention, and none for its norm
        (stands_in_attention(position_kind_of_name(config.positions)) && place.module.ends_with("self_attention")) ||
        config.attention_norm != "none";
    return !is_recurrent(config) &&
           (config.architecture != "transformer" || mixer != "scaled_dot" || more_than_its_page);
  };
  std::erase_if(places, other);
  return places;
}

AttentionPlace place_of(const ModelConfig& config, const ModuleOptions& chosen) {
  const std::vector<AttentionPlace> places = explained_places(config);
  check_usage(!places.empty(), "--model: the model (", config.architecture,
              ") has no attention that can be explained: scaled_dot of a transformer, or that of bahdanau or luong; "
              "--mechanism explains others with random weights");
  std::string known;
  for (const AttentionPlace& place : places) {
    known += (known.empty() ? "" : ", ") + place.module;
  }
  const auto found = std::find_if(places.begin(), places.end(), [&](const AttentionPlace& place) {
    return chosen.module.empty() || place.module == chosen.module;
  });
  check_usage(found != places.end(), "module: expected one of ", known, "; got \"", chosen.module, "\"");
  check_whole("head", chosen.head, {-1, found->heads - 1});
  return *found;
}

// What a model was seen to compute, in float64.
struct Seen {
  Tensor embeddings, memory, weights, input, values;
  Tensor gradient;  // of -log p, by the module's output or, of one head, by what it mixed
};

Tensor in_rows(const std::vector<Tensor>& parts) {
  int64_t rows = 0;
  for (const Tensor& part : parts) rows += part.size(0);
  Tensor all = Tensor::zeros({rows, parts.front().elements() / parts.front().size(0)}, DType::float64);
  auto to = all.data<double>().begin();
  for (const Tensor& part : parts) {
    for (int64_t i = 0; i < part.elements(); ++i) *to++ = part.at(i);
  }
  return all;
}

Seen look(const Model& model, const Example& pair, const std::string& module, bool by_output) {
  Seen seen;
  std::vector<Tensor> inputs, outputs, gradients;
  Tape tape;
  const Probe probe([&](const std::string& name, const Tensor& value) {
    if (name == "encoder.embedding.rows") seen.embeddings = in_rows({value});
    if (name == "encoder.output") seen.memory = in_rows({value});
    if (name == module + ".weights.0") seen.weights = value.to(DType::float64);
    if (name == module + ".input") inputs.push_back(value.clone());
    if (name == module + ".values") seen.values = in_rows({value});
    if (name == module + (by_output ? ".output" : ".mixed")) {
      outputs.push_back(value);
      tape.watch(value);
    }
  });
  const Batch batch = make_batch(std::span(&pair, 1), std::array{0});
  const Tensor hidden = model.hidden(batch, {.probe = &probe});
  const OutputLayer output = model.output();
  const Tensor logits = linear(hidden, output.weight, output.bias);
  const Gradients of_loss = tape.backward(cross_entropy(logits, batch.target_output).loss);
  for (const Tensor& each : outputs) gradients.push_back(of_loss.of(each));
  seen.input = in_rows(inputs);
  seen.gradient = in_rows(gradients);
  return seen;
}

// Columns begin ... of a parameter [out, in], as [in, columns]; of a vector as [1, columns].
class Weights {
 public:
  Weights(const Model& model, std::string module) : model_(model), module_(std::move(module)) {}

  Tensor of(const std::string& part, int64_t begin = 0, int64_t columns = -1) const {
    const Parameters::Entry* entry = model_.parameters().find(module_ + "." + part);
    check(entry != nullptr, "explain: no parameter is called ", module_, ".", part);
    const Tensor stored = *entry->parameter;
    const int64_t in = stored.rank() == 1 ? 1 : stored.size(1), count = columns < 0 ? stored.size(0) : columns;
    Tensor result = Tensor::zeros({in, count}, DType::float64);
    for (int64_t i = 0; i < in; ++i) {
      for (int64_t j = 0; j < count; ++j) {
        result.data<double>()[static_cast<size_t>(i * count + j)] = stored.at((begin + j) * in + i);
      }
    }
    return result;
  }
  bool has(const std::string& part) const { return model_.parameters().find(module_ + "." + part) != nullptr; }

 private:
  const Model& model_;
  std::string module_;
};

Tensor columns_of(const Tensor& x, int64_t begin, int64_t columns) {
  return x.columns_view(begin, columns).compact();
}

std::vector<std::string> pieces_of(const std::vector<int>& ids, const Tokenizer& tokenizer) {
  std::vector<std::string> pieces;
  for (const int id : ids) pieces.push_back(tokenizer.piece(id));
  return pieces;
}

void fill_scaled_dot(const Model& model, const AttentionPlace& place, const Seen& seen, const ModuleOptions& chosen,
                     Given& given, ExplainOptions& options) {
  const ModelConfig& config = model.config();
  const Weights weights(model, place.module);
  const bool all = chosen.head < 0;
  const int64_t depth = config.width / place.heads, begin = all ? 0 : chosen.head * depth,
                columns = all ? config.width : depth;
  using Name = std::pair<const char*, const char*>;
  for (const auto& [part, letter] : {Name{"query", "q"}, Name{"key", "k"}, Name{"value", "v"}}) {
    given.matrices[std::string("W") + letter] = weights.of(std::string(part) + ".weight", begin, columns);
    if (weights.has("query.bias")) {
      given.matrices[std::string("b") + letter] = weights.of(std::string(part) + ".bias", begin, columns);
    }
  }
  if (all) {
    given.matrices["Wo"] = weights.of("output.weight");
    if (weights.has("output.bias")) {
      given.matrices["bo"] = weights.of("output.bias");
    }
  }
  given.matrices["X"] = seen.input;
  if (options.loss == "none") {
    given.matrices["dY"] = all ? seen.gradient : columns_of(seen.gradient, begin, depth);
  }
  if (place.module.ends_with(".cross_attention")) {
    given.matrices["Z"] = seen.memory;
    given.memory = given.module->pieces;
  }
  if (!all) {
    const int64_t rows = seen.weights.size(1);
    given.module->weights = seen.weights.viewed({seen.weights.size(0) * rows, seen.weights.size(2)})
                                .rows_view(chosen.head * rows, rows)
                                .compact();
  }
  options.mechanism = "scaled_dot";
  options.heads = all ? place.heads : 1;
  options.normaliser = config.normaliser;
  options.causal = place.module.starts_with("decoder.") && given.memory.empty();
}

void fill_source_read(const Model& model, const Seen& seen, Given& given, ExplainOptions& options) {
  const ModelConfig& config = model.config();
  const Weights weights(model, "decoder.attention");
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
  const Seen seen = look(model, pair, place.module, !is_recurrent(model.config()) && chosen.head < 0);
  std::vector<std::string> read = pieces_of(pair.target, *loaded.tokenizers.target);
  read.insert(read.begin(), loaded.tokenizers.target->piece(bos_id));
  Given given;
  given.module =
      GivenModule{place.module, pieces_of(pair.source, *loaded.tokenizers.source), seen.embeddings, seen.weights};
  given.module->pieces.push_back(loaded.tokenizers.source->piece(eos_id));
  if (is_recurrent(model.config())) {
    given.tokens = given.module->pieces;
    given.states = read;
    fill_source_read(model, seen, given, options);
    return given;
  }
  given.tokens = place.module.starts_with("decoder.") ? read : given.module->pieces;
  fill_scaled_dot(model, place, seen, chosen, given, options);
  return given;
}

}  // namespace attune::explain
