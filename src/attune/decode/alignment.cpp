#include "attune/decode/alignment.h"

#include <algorithm>
#include <charconv>
#include <numeric>
#include <string>
#include <string_view>

#include "attune/base/check.h"
#include "attune/base/option_checks.h"

namespace attune {

namespace {

// The head-averaged cross-attention of the wanted layers for each sequence of a batch, added up over layers.
class CrossAttention {
 public:
  explicit CrossAttention(int sequences) : sums_(static_cast<size_t>(sequences)) {}

  // "decoder.layers.LAYER.cross_attention.weights.SEQUENCE": weights [heads, queries, keys]
  void receive(std::string_view name, const Tensor& weights, int wanted_layer) {
    constexpr std::string_view before = "decoder.layers.", between = ".cross_attention.weights.";
    const size_t at = name.find(between);
    if (!name.starts_with(before) || at == std::string_view::npos) {
      return;
    }
    const int layer = number(name.substr(before.size(), at - before.size()));
    if (wanted_layer >= 0 && layer != wanted_layer) {
      return;
    }
    add(sums_[static_cast<size_t>(number(name.substr(at + between.size())))], weights);
  }

  // [queries, keys], the sum over heads and layers; empty when nothing came.
  const std::vector<double>& of(int sequence) const { return sums_[static_cast<size_t>(sequence)]; }

 private:
  static int number(std::string_view digits) {
    int value = -1;
    std::from_chars(digits.data(), digits.data() + digits.size(), value);
    check(value >= 0, "alignment: expected a number in the name of cross-attention weights, found '", digits, "'");
    return value;
  }

  static void add(std::vector<double>& sum, const Tensor& weights) {
    const auto cells = static_cast<size_t>(weights.size(1) * weights.size(2));
    sum.resize(cells);
    dispatch_floating(weights.dtype(), [&](auto zero) {
      const auto values = weights.data<decltype(zero)>();
      for (size_t i = 0; i < values.size(); ++i) {
        sum[i % cells] += static_cast<double>(values[i]);
      }
    });
  }

  std::vector<std::vector<double>> sums_;
};

// weights [rows, columns]: row i predicts target piece i, the last row </s>; so the last column.
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

}  // namespace

void check_options(const AlignmentOptions& options, const ModelConfig& config) {
  check_usage(options.layer >= -2 && options.layer < config.decoder_layers, "alignment-layer: expected 0 to ",
              config.decoder_layers - 1, ", -1 (the mean of all) or -2 (the last but one), got ", options.layer);
  check_whole("batch-size", options.batch_size, {1});
  check_usage(config.cross_mixer != "mean",
              "alignment: this model reads the mean of the source (cross-mixer mean): it looks at no word");
}

std::vector<WordAttention> attend_words(const Model& model, std::span<const Example> pairs,
                                        std::span<const WordsOfPieces> words, const AlignmentOptions& options) {
  check_options(options, model.config());
  check(words.size() == pairs.size(), "attend_words: ", words.size(), " word lists for ", pairs.size(), " pairs");
  const int layer = options.layer == -2 ? std::max(0, model.config().decoder_layers - 2) : options.layer;
  std::vector<WordAttention> result(pairs.size());
  for (size_t begin = 0; begin < pairs.size(); begin += static_cast<size_t>(options.batch_size)) {
    std::vector<int> indices(std::min(static_cast<size_t>(options.batch_size), pairs.size() - begin));
    std::iota(indices.begin(), indices.end(), static_cast<int>(begin));
    CrossAttention attention(static_cast<int>(indices.size()));
    const Probe probe([&](const std::string& name, const Tensor& value) { attention.receive(name, value, layer); });
    const Batch batch = make_batch(pairs, indices);
    model.hidden(batch, Pass{.probe = &probe});
    for (int i = 0; i < batch.count(); ++i) {
      const auto pair = begin + static_cast<size_t>(i);
      const auto columns = static_cast<size_t>(batch.sources.length(i));
      const std::vector<double>& weights = attention.of(i);
      check(weights.size() == columns * static_cast<size_t>(batch.targets.length(i)),
            "alignment: this model (architecture ", model.config().architecture,
            ") offers no cross-attention weights; translate without --alignment");
      check(words[pair].source.size() == pairs[pair].source.size() &&
                words[pair].target.size() == pairs[pair].target.size(),
            "attend_words: one word for each piece, please");
      result[pair] = between_words(weights, columns, words[pair]);
    }
  }
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

}  // namespace attune
