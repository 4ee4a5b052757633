#include "attune/decode/alignment.h"

#include <algorithm>
#include <functional>
#include <map>
#include <numeric>

#include "attune/base/check.h"
#include "attune/base/option_checks.h"
#include "attune/decode/cross_attention.h"
#include "attune/models/architecture.h"

namespace attune {

namespace {

void check_words(const Example& pair, const WordsOfPieces& words) {
  check(words.source.size() == pair.source.size() && words.target.size() == pair.target.size(),
        "alignment: one word for each piece, please");
}

// Calls each(first pair, batch) for batches of pairs in their order.
template <class Each>
void for_batches(std::span<const Example> pairs, std::span<const WordsOfPieces> words, int batch_size,
                 const Each& each) {
  check(words.size() == pairs.size(), "alignment: ", words.size(), " word lists for ", pairs.size(), " pairs");
  for (size_t i = 0; i < pairs.size(); ++i) {
    check_words(pairs[i], words[i]);
  }
  for (size_t begin = 0; begin < pairs.size(); begin += static_cast<size_t>(batch_size)) {
    std::vector<int> indices(std::min(static_cast<size_t>(batch_size), pairs.size() - begin));
    std::iota(indices.begin(), indices.end(), static_cast<int>(begin));
    each(begin, make_batch(pairs, indices));
  }
}

void add(std::vector<double>& sum, const std::vector<double>& weights) {
  sum.resize(weights.size());
  std::transform(sum.begin(), sum.end(), weights.begin(), sum.begin(), std::plus<>());
}

void check_head(int head, const Tensor& weights) {
  check_usage(head < weights.size(0), "alignment-head: expected 0 to ", weights.size(0) - 1,
              " or -1 (the mean of all), got ", head);
}

void refuse_mean(const ModelConfig& config) {
  check_usage(config.cross_mixer != "mean",
              "alignment: this model reads the mean of the source (cross-mixer mean): it looks at no word");
}

void check_offered(bool offered, const ModelConfig& config) {
  check(offered, "alignment: this model (architecture ", config.architecture,
        ") looks at no source word: it offers no cross-attention weights");
}

// The attention to the source, layer by layer from 0: of some decoders with several layers there is but one.
std::vector<AttentionPlace> looking(const ModelConfig& config) {
  std::vector<AttentionPlace> places = architecture_of_name(config.architecture).attends(config);
  std::erase_if(places, [](const AttentionPlace& place) { return !place.module.ends_with(".cross_attention"); });
  check_offered(!places.empty(), config);
  return places;
}

}  // namespace

void check_options(const AlignmentOptions& options, const ModelConfig& config) {
  const std::vector<AttentionPlace> places = looking(config);
  const auto layers = static_cast<int>(places.size());
  check_usage(options.layer >= -2 && options.layer < layers, "alignment-layer: expected 0 to ", layers - 1,
              " (the decoder layers that look at the source), -1 (the mean of all) or -2 (the last but one), got ",
              options.layer);
  check_usage(options.head >= -1 && options.head < config.heads, "alignment-head: expected 0 to ", config.heads - 1,
              " or -1 (the mean of all), got ", options.head);
  check_whole("batch-size", options.batch_size, {1});
  refuse_mean(config);
}

WordAttention between_words(const std::vector<double>& weights, size_t columns, const WordsOfPieces& words) {
  const auto count_words = [](const std::vector<int>& of) {
    return of.empty() ? 0 : *std::max_element(of.begin(), of.end()) + 1;
  };
  WordAttention result{count_words(words.source), count_words(words.target), {}, {}};
  const auto source_words = static_cast<size_t>(result.source_words);
  result.weights.resize(source_words * static_cast<size_t>(result.target_words));
  std::vector<double> whole(static_cast<size_t>(result.target_words));  // over all pieces, </s> too
  for (size_t i = 0; i < words.target.size(); ++i) {
    if (words.target[i] < 0) {
      continue;
    }
    const auto target = static_cast<size_t>(words.target[i]);
    const double* row = weights.data() + i * columns;
    whole[target] += std::accumulate(row, row + columns, 0.0);
    for (size_t j = 0; j < words.source.size(); ++j) {
      if (words.source[j] >= 0) {
        result.weights[target * source_words + static_cast<size_t>(words.source[j])] += row[j];
      }
    }
  }
  for (size_t target = 0; target < whole.size(); ++target) {
    result.written.push_back(whole[target] > 0);
    for (size_t source = 0; source < source_words && whole[target] > 0; ++source) {
      result.weights[target * source_words + source] /= whole[target];
    }
  }
  return result;
}

Alignment links_of(const WordAttention& attention) {
  Alignment links;
  for (int target = 0; target < attention.target_words && attention.source_words > 0; ++target) {
    if (attention.written[static_cast<size_t>(target)]) {
      const auto row = attention.weights.begin() + static_cast<std::ptrdiff_t>(target) * attention.source_words;
      links.push_back({static_cast<int>(std::max_element(row, row + attention.source_words) - row), target});
    }
  }
  return links;
}

std::vector<WordAttention> attend_words(const Model& model, std::span<const Example> pairs,
                                        std::span<const WordsOfPieces> words, const AlignmentOptions& options) {
  check_options(options, model.config());
  const auto layers = static_cast<int>(looking(model.config()).size());
  const int layer = options.layer == -2 ? std::max(0, layers - 2) : options.layer;
  std::vector<WordAttention> result(pairs.size());
  for_batches(pairs, words, options.batch_size, [&](size_t begin, const Batch& batch) {
    std::vector<std::vector<double>> sums(static_cast<size_t>(batch.count()));
    see_cross_attention(model, batch, [&](int from, int sequence, const Tensor& weights) {
      if (layer < 0 || from == layer) {
        check_head(options.head, weights);
        add(sums[static_cast<size_t>(sequence)], weights_of_head(weights, options.head));
      }
    });
    for (size_t i = 0; i < sums.size(); ++i) {
      check_offered(!sums[i].empty(), model.config());
      const auto columns = static_cast<size_t>(batch.sources.length(static_cast<int>(i)));
      result[begin + i] = between_words(sums[i], columns, words[begin + i]);
    }
  });
  return result;
}

std::vector<Alignment> align_words(const Model& model, std::span<const Example> pairs,
                                   std::span<const WordsOfPieces> words, const AlignmentOptions& options) {
  std::vector<Alignment> result;
  for (const WordAttention& attention : attend_words(model, pairs, words, options)) {
    result.push_back(links_of(attention));
  }
  return result;
}

std::vector<HeadAlignments> align_words_by_head(const Model& model, std::span<const Example> pairs,
                                                std::span<const WordsOfPieces> words, int batch_size) {
  refuse_mean(model.config());
  check_whole("batch-size", batch_size, {1});
  std::map<std::pair<int, int>, std::vector<Alignment>> links;  // by layer and head
  for_batches(pairs, words, batch_size, [&](size_t begin, const Batch& batch) {
    std::vector<std::vector<double>> sums(static_cast<size_t>(batch.count()));  // over layers
    const auto keep = [&](std::pair<int, int> where, int sequence, const std::vector<double>& weights) {
      const size_t pair = begin + static_cast<size_t>(sequence);
      std::vector<Alignment>& of_all = links[where];
      of_all.resize(pairs.size());
      of_all[pair] = links_of(between_words(weights, static_cast<size_t>(batch.sources.length(sequence)), words[pair]));
    };
    see_cross_attention(model, batch, [&](int layer, int sequence, const Tensor& weights) {
      for (int head = -1; head < weights.size(0); ++head) {
        keep({layer, head}, sequence, weights_of_head(weights, head));
      }
      add(sums[static_cast<size_t>(sequence)], weights_of_head(weights, -1));
    });
    for (size_t i = 0; i < sums.size(); ++i) {
      check_offered(!sums[i].empty(), model.config());
      keep({-1, -1}, static_cast<int>(i), sums[i]);
    }
  });
  std::vector<HeadAlignments> result;
  for (auto& [where, alignments] : links) {
    result.push_back({where.first, where.second, std::move(alignments)});
  }
  return result;
}

}  // namespace attune
