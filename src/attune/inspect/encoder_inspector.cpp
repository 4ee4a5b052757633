#include "attune/inspect/encoder_inspector.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <numeric>

#include "attune/autograd/tape.h"
#include "attune/base/check.h"
#include "attune/decode/fill_mask.h"
#include "attune/decode/label_predictions.h"
#include "attune/inspect/attention_maps.h"
#include "attune/inspect/rollout.h"
#include "attune/inspect/spatial_weights.h"
#include "attune/models/task.h"
#include "attune/text/unicode.h"

namespace attune {

namespace {

// One reading of one text or image.
class Reading {
 public:
  Reading(const LoadedEncoder& loaded, const InspectRequest& request, const InspectOptions& options)
      : loaded_(loaded),
        request_(request),
        options_(options),
        probe_([this](const std::string& name, const Tensor& value) {
          if (const auto named = attention_of_weights(name)) {
            add_heads(*named, value, config(), sentence_.maps);
          } else {
            add_parts(name, value, config(), sentence_.parts);
          }
        }) {
    sentence_.text = request.source;
  }

  InspectedSentence take() {
    const NoTape pause;
    if (const auto* filling = dynamic_cast<const MaskedLanguageModel*>(loaded_.model.get())) {
      fill(*filling);
    } else if (const auto* classifying = dynamic_cast<const ClassificationModel*>(loaded_.model.get())) {
      classify(*classifying);
    } else if (const auto* tagging = dynamic_cast<const TaggingModel*>(loaded_.model.get())) {
      tag(*tagging);
    } else {
      see(dynamic_cast<const ImageModel&>(*loaded_.model));
    }
    add_maps_of_the_model();
    return std::move(sentence_);
  }

 private:
  const ModelConfig& config() const { return loaded_.model->config(); }
  Pass watched() const {
    Pass pass;
    pass.probe = &probe_;
    return pass;
  }

  void fill(const MaskedLanguageModel& model) {
    const std::vector<int32_t> ids = masked_text_ids(*loaded_.tokenizer, request_.source);
    add_pieces(ids);
    const Tensor hidden = read_masked_text(model, ids, watched());
    for (const FilledMask& mask : fill_masks(model, *loaded_.tokenizer, ids, hidden, options_.next_pieces)) {
      InspectedAnswer answer{fmt::format("mask {}", sentence_.answers.size() + 1), {}};
      for (const MaskGuess& guess : mask.guesses) {
        answer.probable.push_back({guess.word, std::log(guess.probability)});
      }
      sentence_.answers.push_back(std::move(answer));
    }
  }

  void classify(const ClassificationModel& model) {
    const auto examples =
        encode_texts(std::span(&request_.source, 1), *loaded_.tokenizer, text_options(model.config()));
    const Batch batch = make_batch(examples, std::array{0});
    add_pieces(batch.source);
    add_answer("text", log_probabilities(model.logits({batch.source, batch.sources}, watched())).front());
  }

  void tag(const TaggingModel& model) {
    std::vector<std::string> words;
    for (const std::string_view word : split_whitespace(request_.source)) {
      words.emplace_back(word);
    }
    const WordExamples examples = encode_words(std::span(&words, 1), *loaded_.tokenizer);
    const Batch batch = make_batch(examples.examples, std::array{0});
    add_pieces(batch.source);
    const auto all =
        log_probabilities(model.logits({batch.source, batch.sources}, first_rows(examples, batch), watched()));
    for (size_t i = 0; i < words.size(); ++i) {
      add_answer(words[i], all[i]);
    }
  }

  void see(const ImageModel& model) {
    check(request_.image.has_value(), "expected an image for a model of ", config().task);
    check_images(*request_.image, config());
    const ImageShape shape = image_shape(config());
    for (int i = 0; i < shape.patches(); ++i) {
      const int across = shape.width / shape.patch;
      sentence_.source.push_back({fmt::format("{},{}", i / across, i % across), -1});
    }
    const Tensor patches = patches_of(*request_.image, std::array{0}, patch_options(config()));
    add_answer("image", log_probabilities(model.logits(patches, image_segments(config(), 1), watched())).front());
  }

  void add_pieces(std::span<const int32_t> ids) {
    const auto limit = static_cast<size_t>(options_.max_source_length);
    check(ids.size() <= limit, "expected texts of at most ", limit, " pieces (max-source-length), got ", ids.size(),
          "; split it");
    const auto stands_around = [](int32_t id) { return id == bos_id || id == eos_id || id == cls_id || id == sep_id; };
    const auto begin = std::find_if_not(ids.begin(), ids.end(), stands_around);
    const auto end = std::find_if_not(ids.rbegin(), ids.rend(), stands_around).base();
    check(begin < end, "expected a text, found a blank line");
    const auto special = [&](int32_t id) { return InspectedPiece{loaded_.tokenizer->piece(id), -1}; };
    std::transform(ids.begin(), begin, std::back_inserter(sentence_.source), special);
    const std::vector<int> within(begin, end);
    for (InspectedPiece& piece : pieces_of(within, *loaded_.tokenizer)) {
      sentence_.source.push_back(std::move(piece));
    }
    std::transform(end, ids.end(), std::back_inserter(sentence_.source), special);
  }

  void add_answer(std::string about, const LogProbabilities& p) {
    std::vector<int> order(p.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(),
                     [&](int a, int b) { return p[static_cast<size_t>(a)] > p[static_cast<size_t>(b)]; });
    order.resize(std::min(order.size(), static_cast<size_t>(options_.next_pieces)));
    InspectedAnswer answer{std::move(about), {}};
    for (const int label : order) {
      answer.probable.push_back({loaded_.labels.name(label), p[static_cast<size_t>(label)]});
    }
    sentence_.answers.push_back(std::move(answer));
  }

  void add_maps_of_the_model() {
    auto& maps = sentence_.maps;
    sort_by_kind(maps);
    const auto length = static_cast<int>(sentence_.source.size());
    for (auto& more : {encoder_rollout(maps, config().encoder_layers),
                       spatial_maps(*loaded_.model, AttentionKind::encoder_spatial, length)}) {
      maps.insert(maps.end(), more.begin(), more.end());
    }
  }

  const LoadedEncoder& loaded_;
  const InspectRequest& request_;
  const InspectOptions& options_;
  Probe probe_;
  InspectedSentence sentence_;
};

}  // namespace

LoadedEncoder load_encoder(const std::string& directory) {
  const ModelConfig config = load_config(directory);
  LoadedEncoder loaded;
  loaded.model = make_network(config);
  load_weights(*loaded.model, directory);
  if (reads_text(config)) {
    loaded.tokenizer = load_tokenizers(directory, config).source;
  }
  if (config.labels > 0) {
    loaded.labels = load_labels(directory, config);
  }
  return loaded;
}

InspectedSentence inspect(const LoadedEncoder& loaded, const InspectRequest& request, const InspectOptions& options) {
  check_options(options);
  return Reading(loaded, request, options).take();
}

}  // namespace attune
