#include "attune/inspect/inspector.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <iterator>
#include <numeric>

#include "attune/base/check.h"
#include "attune/base/option_checks.h"
#include "attune/decode/cross_attention.h"
#include "attune/decode/next_pieces.h"
#include "attune/decode/translator.h"
#include "attune/inspect/attention_maps.h"
#include "attune/inspect/attribution.h"
#include "attune/inspect/rollout.h"
#include "attune/inspect/spatial_weights.h"
#include "attune/models/task.h"
#include "attune/ops/cross_entropy.h"
#include "attune/ops/linear.h"
#include "attune/text/unicode.h"

namespace attune {

namespace {

std::vector<InspectedStep> steps_of(const Model& model, const Tensor& hidden, const Batch& batch,
                                    const Tokenizer& tokenizer, int count) {
  const OutputLayer output = model.output();
  const std::vector<float> written = token_log_probabilities(hidden, output.weight, output.bias, batch.target_output);
  const NextPieces next = next_pieces(linear(hidden, output.weight, output.bias), count, {});
  std::vector<InspectedStep> steps;
  for (size_t i = 0; i < written.size(); ++i) {
    steps.push_back({static_cast<double>(written[i]), {}});
    for (const NextPiece& piece : next.row(static_cast<int>(i))) {
      if (piece.id >= 0) {
        steps.back().next.push_back({tokenizer.piece(piece.id), piece.log_probability});
      }
    }
  }
  return steps;
}

// Alignments of whole words: by the mean of all heads, and against gold links by each.
void add_alignments(const ModelConfig& config, const WordsOfPieces& words, InspectedHypothesis& into) {
  std::vector<double> sum;
  for (AttentionMap& map : into.maps) {
    if (map.kind != AttentionKind::cross || config.cross_mixer == "mean") {
      continue;
    }
    const std::vector<double> weights(map.weights.begin(), map.weights.end());
    if (into.gold) {
      const Alignment links = links_of(between_words(weights, static_cast<size_t>(map.keys), words));
      map.alignment_error = alignment_error_rate(std::span(&links, 1), std::span(&*into.gold, 1)).error_rate;
    }
    sum.resize(weights.size());
    std::transform(sum.begin(), sum.end(), weights.begin(), sum.begin(), std::plus<>());
  }
  if (!sum.empty()) {
    into.words = between_words(sum, sum.size() / into.written.size(), words);
    into.links = links_of(*into.words);
  }
}

class Look {
 public:
  Look(const LoadedModel& loaded, std::vector<int> source, const InspectOptions& options)
      : loaded_(loaded), options_(options) {
    pair_.source = std::move(source);
  }

  // Fills all of `hypothesis` but its text, score and gold; `sentence` gets its maps the first time.
  void at(const std::vector<int>& target, InspectedHypothesis& hypothesis, InspectedSentence& sentence) {
    pair_.target = target;
    const Batch batch = make_batch(std::span(&pair_, 1), std::array{0});
    const bool first = sentence.hypotheses.empty();
    const ModelConfig& config = loaded_.model->config();
    const Probe probe([&](const std::string& name, const Tensor& weights) {
      const auto named = attention_of_weights(name);
      if (named && !asks_in_source(named->kind)) {
        add_heads(*named, weights, config, hypothesis.maps);
      } else if (named && first) {
        add_heads(*named, weights, config, sentence.maps);
      } else if (!named && (first || name.starts_with("decoder."))) {
        add_parts(name, weights, config, name.starts_with("decoder.") ? hypothesis.parts : sentence.parts);
      }
    });
    const Tensor hidden = loaded_.model->hidden(batch, {.probe = &probe});
    if (first) {
      sort_by_kind(sentence.maps);
      encoder_rollout_ = encoder_rollout(sentence.maps, config.encoder_layers);
      add(encoder_rollout_, sentence.maps);
      add(spatial_maps(*loaded_.model, AttentionKind::encoder_spatial, static_cast<int>(pair_.source.size()) + 1),
          sentence.maps);
    }
    sort_by_kind(hypothesis.maps);
    std::vector<AttentionMap> rollout = decoder_rollout(hypothesis.maps, config.decoder_layers, encoder_rollout_);
    sort_by_kind(rollout);
    add(std::move(rollout), hypothesis.maps);
    if (options_.attribution) {
      add(attribute(*loaded_.model, pair_), hypothesis.maps);
    }
    add(spatial_maps(*loaded_.model, AttentionKind::decoder_spatial, static_cast<int>(target.size()) + 1),
        hypothesis.maps);
    describe(hidden, batch, hypothesis);
  }

 private:
  static void add(std::vector<AttentionMap> more, std::vector<AttentionMap>& maps) {
    std::move(more.begin(), more.end(), std::back_inserter(maps));
  }

  void describe(const Tensor& hidden, const Batch& batch, InspectedHypothesis& hypothesis) const {
    const Tokenizer& tokenizer = *loaded_.tokenizers.target;
    hypothesis.written = pieces_of(pair_.target, tokenizer);
    hypothesis.read = hypothesis.written;
    hypothesis.read.insert(hypothesis.read.begin(), {tokenizer.piece(bos_id), -1});
    hypothesis.written.push_back({tokenizer.piece(eos_id), -1});
    hypothesis.steps = steps_of(*loaded_.model, hidden, batch, tokenizer, options_.next_pieces);
    hypothesis.log_probability =
        std::accumulate(hypothesis.steps.begin(), hypothesis.steps.end(), 0.0,
                        [](double sum, const InspectedStep& step) { return sum + step.log_probability; });
    add_alignments(loaded_.model->config(),
                   {loaded_.tokenizers.source->word_of_piece(pair_.source), tokenizer.word_of_piece(pair_.target)},
                   hypothesis);
  }

  const LoadedModel& loaded_;
  const InspectOptions& options_;
  Example pair_;
  std::vector<AttentionMap> encoder_rollout_;
};

}  // namespace

std::string_view name_of(AttentionKind kind) {
  constexpr std::array<std::string_view, 16> names{"encoder",
                                                   "decoder",
                                                   "cross",
                                                   "encoder_rollout",
                                                   "decoder_rollout",
                                                   "source_rollout",
                                                   "encoder_tiny",
                                                   "decoder_tiny",
                                                   "encoder_gradient",
                                                   "decoder_gradient",
                                                   "cross_gradient",
                                                   "removal",
                                                   "attention_gradient",
                                                   "input_gradient",
                                                   "encoder_spatial",
                                                   "decoder_spatial"};
  return names.at(static_cast<size_t>(kind));
}

bool is_signed(AttentionKind kind) {
  return kind >= AttentionKind::encoder_gradient;
}

bool asks_in_source(AttentionKind kind) {
  return kind == AttentionKind::encoder || kind == AttentionKind::encoder_rollout ||
         kind == AttentionKind::encoder_gradient || kind == AttentionKind::encoder_spatial ||
         kind == AttentionKind::encoder_tiny;
}

bool looks_at_target(AttentionKind kind) {
  return kind == AttentionKind::decoder || kind == AttentionKind::decoder_rollout ||
         kind == AttentionKind::decoder_gradient || kind == AttentionKind::decoder_spatial ||
         kind == AttentionKind::decoder_tiny;
}

void check_options(const InspectOptions& options) {
  check_options(options.search);
  check_whole("next-pieces", options.next_pieces, {1, 100});
  check_whole("max-source-length", options.max_source_length, {1, 8192});
}

InspectedSentence inspect(const LoadedModel& loaded, const InspectRequest& request, const InspectOptions& options) {
  check_options(options);
  const auto& [source, target] = loaded.tokenizers;
  const std::vector<int> ids = source->encode(request.source);
  check(!ids.empty(), "expected a sentence, found a blank line");
  const auto fits = [&](const std::vector<int>& pieces) {
    check(pieces.size() <= static_cast<size_t>(options.max_source_length), "expected sentences of at most ",
          options.max_source_length, " pieces (max-source-length), got ", pieces.size(), "; split it");
  };
  fits(ids);
  InspectedSentence sentence;
  sentence.text = request.source;
  sentence.source = pieces_of(ids, *source);
  sentence.source.push_back({source->piece(eos_id), -1});
  Look look(loaded, ids, options);
  if (request.target) {
    const std::vector<int> wanted = target->encode(*request.target);
    fits(wanted);
    InspectedHypothesis hypothesis;
    hypothesis.text = *request.target;
    hypothesis.given = true;
    hypothesis.gold = request.gold;
    look.at(wanted, hypothesis, sentence);
    sentence.hypotheses.push_back(std::move(hypothesis));
    return sentence;
  }
  TranslateOptions translating;
  translating.search = options.search;
  translating.max_source_length = 0;
  const std::vector<Translation> found =
      Translator(*loaded.model, *source, *target).translate(std::span(&request.source, 1), translating);
  for (const Candidate& candidate : found.front().candidates) {
    InspectedHypothesis hypothesis;
    hypothesis.text = candidate.text;
    hypothesis.score = candidate.score;
    hypothesis.cut_short = candidate.cut_short;
    look.at(candidate.ids, hypothesis, sentence);
    sentence.hypotheses.push_back(std::move(hypothesis));
  }
  return sentence;
}

Inspection inspection_of(const Network& model, const std::string& name, const InspectOptions& options) {
  const ModelConfig& config = model.config();
  Inspection result;
  result.name = name;
  result.architecture = translates(config) ? config.architecture : config.task;
  result.encoder_layers = config.encoder_layers;
  result.decoder_layers = translates(config) ? config.decoder_layers : 0;
  result.heads = config.heads;
  result.parameters = model.parameters().count();
  result.search = translates(config) ? describe(options.search) : "";
  return result;
}

}  // namespace attune
