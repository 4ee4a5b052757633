#include "attune/inspect/inspector.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>

#include "attune/attention/lsh.h"
#include "attune/decode/scorer.h"
#include "attune/decode/translator.h"
#include "attune/inspect/made_model_test.h"
#include "attune/nn/mixer.h"

namespace attune {
namespace {

using testing::forms;
using testing::made_model;
using testing::sentence_of;
using testing::tiny;

int count_of(const std::vector<AttentionMap>& maps, AttentionKind kind) {
  return static_cast<int>(std::count_if(maps.begin(), maps.end(), [&](const auto& map) { return map.kind == kind; }));
}

TEST(Inspector, a_probe_that_takes_everything_changes_no_bit_of_any_architecture) {
  const std::vector<Example> examples = testing::examples();
  const std::vector<int> all{0, 1, 2, 3};
  for (const testing::Form& form : forms()) {
    SCOPED_TRACE(form.name);
    const auto model = testing::ready(form.config);
    const Batch batch = make_batch(examples, all);
    int offered = 0;
    const Probe probe([&](std::string_view name, const Tensor&) {
      offered += name.find(".weights.") != std::string_view::npos ? 1 : 0;
    });
    const Tensor plain = model->hidden(batch, {}), probed = model->hidden(batch, {.probe = &probe});
    for (int64_t i = 0; i < plain.elements(); ++i) ASSERT_EQ(plain.at(i), probed.at(i));
    const std::string& architecture = form.config.architecture;
    EXPECT_EQ(offered == 0, architecture == "rnn" || architecture == "gru" || architecture == "lstm");
  }
}

// Every kind of attention that a form has, with as many layers and heads, of the right sizes.
TEST(Inspector, shows_every_head_of_every_layer_of_every_architecture) {
  for (const testing::Form& form : forms()) {
    SCOPED_TRACE(form.name);
    const ModelConfig& config = form.config;
    const LoadedModel loaded = made_model(config, {"a b c d e", "f g"});
    const InspectedSentence sentence = inspect(loaded, {"a b c", "f g d e", {}});
    ASSERT_EQ(sentence.hypotheses.size(), 1U);
    const InspectedHypothesis& hypothesis = sentence.hypotheses.front();
    const bool transformer = config.architecture == "transformer";
    const auto expected = [&](const std::string& mixer, int layers) {
      return transformer && mixer_kind(mixer).attends ? layers * (mixer == "mean" ? 1 : config.heads) : 0;
    };
    EXPECT_EQ(count_of(sentence.maps, AttentionKind::encoder), expected(config.encoder_mixer, config.encoder_layers));
    EXPECT_EQ(count_of(hypothesis.maps, AttentionKind::decoder), expected(config.decoder_mixer, config.decoder_layers));
    const bool recurrent_attention = config.architecture == "bahdanau" || config.architecture == "luong";
    EXPECT_EQ(count_of(hypothesis.maps, AttentionKind::cross),
              transformer                              ? expected(config.cross_mixer, config.decoder_layers)
              : config.architecture == "convolutional" ? config.decoder_layers
                                                       : static_cast<int>(recurrent_attention));
    for (const AttentionMap& map : hypothesis.maps) {
      EXPECT_EQ(map.queries, 5);
      EXPECT_EQ(map.keys, looks_at_target(map.kind) ? 5 : 4);
      for (int i = 0; i < map.queries; ++i) {
        double sum = 0;
        bool sees = false;  // a sparse pattern may leave a row nothing
        for (int j = 0; j < map.keys; ++j) {
          sum += static_cast<double>(map.weight(i, j));
          sees = sees || !map.is_hidden(i, j);
          EXPECT_TRUE(!map.is_hidden(i, j) || map.weight(i, j) == 0);
        }
        if (config.normaliser == "softmax" && config.attention_window != "local-p" && map.head >= 0 &&
            !is_signed(map.kind)) {
          EXPECT_NEAR(sum, sees ? 1 : 0, 1e-5);
        }
      }
    }
    ASSERT_EQ(hypothesis.steps.size(), 5U);
    EXPECT_EQ(hypothesis.words.has_value(),
              count_of(hypothesis.maps, AttentionKind::cross) > 0 && config.cross_mixer != "mean");
  }
}

// Small enough for a sentence of nine pieces.
ModelConfig family_config(std::string_view mixer) {
  ModelConfig config = tiny("transformer");
  config.encoder_mixer = mixer;
  if (mixer_kind(mixer).causal) config.decoder_mixer = mixer;
  config.window = 2, config.global_tokens = mixer == "local" ? 1 : 0, config.stride = 3;
  config.block = 1, config.window_blocks = 1, config.global_blocks = 1, config.random_blocks = 2;
  config.projected_length = 4, config.features = 6, config.landmarks = 3, config.lsh_chunk = 3;
  return config;
}

// A new row of the table of mixers is looked at here without a line of its own.
TEST(Inspector, shows_maps_of_every_mixer_that_attends_and_what_stands_in_place_of_weights) {
  const std::string text = sentence_of(8);
  std::set<std::string> parts;
  for (const MixerKind& kind : mixers()) {
    if (!kind.attends || kind.word == "mean") continue;
    SCOPED_TRACE(kind.word);
    const ModelConfig config = family_config(kind.word);
    const InspectedSentence sentence = inspect(made_model(config, {text}), {text, text, {}});
    const InspectedHypothesis& hypothesis = sentence.hypotheses.front();
    EXPECT_EQ(count_of(sentence.maps, AttentionKind::encoder), config.encoder_layers * config.heads);
    EXPECT_EQ(count_of(hypothesis.maps, AttentionKind::decoder), config.decoder_layers * config.heads);
    for (const auto* maps : {&sentence.maps, &hypothesis.maps}) {
      for (const AttentionMap& map : *maps) {
        int seen = 0;
        for (size_t i = 0; i < map.weights.size(); ++i) {
          ASSERT_TRUE(std::isfinite(map.weights[i]));
          EXPECT_TRUE(map.hidden.empty() || !map.hidden[i] || map.weights[i] == 0) << name_of(map.kind) << " " << i;
          seen += map.weights[i] != 0 ? 1 : 0;
        }
        EXPECT_GT(seen, map.queries - 3) << name_of(map.kind);
      }
    }
    for (const auto* all : {&sentence.parts, &hypothesis.parts}) {
      for (const InspectedPart& part : *all) {
        parts.insert(std::string(kind.word) + " " + part.name);
        EXPECT_EQ(part.values.size(), static_cast<size_t>(part.rows) * static_cast<size_t>(part.columns));
        EXPECT_EQ(part.of, all == &sentence.parts ? AttentionKind::encoder : AttentionKind::decoder);
        EXPECT_TRUE(!part.rows_are_pieces || part.rows == 9) << part.name;
        EXPECT_TRUE(!part.columns_are_pieces || part.columns == 9) << part.name;
      }
    }
  }
  EXPECT_EQ(parts,
            (std::set<std::string>{"linear query_features", "linear key_features", "performer query_features",
                                   "performer key_features", "linformer projected_weights", "linformer key_projection",
                                   "linformer value_projection", "nystrom token_landmarks", "nystrom landmarks",
                                   "nystrom landmark_tokens", "lsh buckets", "lsh chunks"}));
}

// x Wq + bq of one head, as a module of a made model projects its input.
std::vector<std::vector<double>> queries_of(const Parameters& parameters, const std::string& module, const Tensor& x,
                                            int head, int depth) {
  const Tensor w = *parameters.find(module + ".query.weight")->parameter,
               b = *parameters.find(module + ".query.bias")->parameter;
  std::vector<std::vector<double>> queries;
  for (int64_t i = 0; i < x.size(0); ++i) {
    std::vector<double>& q = queries.emplace_back();
    for (int64_t row = int64_t{head} * depth; row < (head + 1) * depth; ++row) {
      q.push_back(b.at(row));
      for (int64_t c = 0; c < x.size(1); ++c) q.back() += x.at(i * x.size(1) + c) * w.at(row * x.size(1) + c);
    }
  }
  return queries;
}

// argmax over [q R; -q R], R [columns, depth] of one head and round
int bucket_of(const std::vector<double>& q, const Tensor& rotations, int64_t head_and_round, int64_t columns) {
  std::vector<double> turned(static_cast<size_t>(2 * columns));
  for (int64_t c = 0; c < columns; ++c) {
    double dot = 0;
    for (size_t d = 0; d < q.size(); ++d) {
      dot += q[d] * rotations.at((head_and_round * columns + c) * std::ssize(q) + static_cast<int64_t>(d));
    }
    turned[static_cast<size_t>(c)] = dot, turned[static_cast<size_t>(columns + c)] = -dot;
  }
  return static_cast<int>(std::max_element(turned.begin(), turned.end()) - turned.begin());
}

TEST(Inspector, shows_the_bucket_and_the_chunk_of_every_token_in_every_round) {
  const std::string text = sentence_of(8);
  ModelConfig config = family_config("lsh");
  config.lsh_hashes = 3;
  const LoadedModel loaded = made_model(config, {text});
  const InspectedSentence sentence = inspect(loaded, {text, text, {}});
  const Example pair{loaded.tokenizers.source->encode(text), loaded.tokenizers.target->encode(text)};
  std::map<std::string, Tensor> inputs;
  const Probe probe([&](const std::string& name, const Tensor& value) {
    if (name.ends_with("self_attention.input")) inputs[name] = value.clone();
  });
  loaded.model->hidden(make_batch(std::span(&pair, 1), std::array{0}), {.probe = &probe});
  const int n = 9, chunks = 3, depth = config.width / config.heads;
  int looked = 0;
  for (const auto& [side, parts] :
       {std::pair{"encoder", &sentence.parts}, {"decoder", &sentence.hypotheses[0].parts}}) {
    for (size_t p = 0; p < parts->size(); ++p) {
      const InspectedPart& shown = (*parts)[p];
      if (shown.name != "buckets") continue;
      const InspectedPart& cut = (*parts)[p + static_cast<size_t>(config.heads)];
      ASSERT_TRUE(shown.numbered && cut.name == "chunks" && cut.head == shown.head && cut.layer == shown.layer);
      ASSERT_TRUE(shown.rows == n && shown.columns == 3 && cut.rows == n && cut.columns == 3);
      const std::string module = std::string(side) + ".layers." + std::to_string(shown.layer) + ".self_attention";
      const auto queries =
          queries_of(loaded.model->parameters(), module, inputs.at(module + ".input"), shown.head, depth);
      const Tensor rotations =
          attention::lsh_rotations(config.heads, depth, n, Rng(0), shown.layer, {.rounds = 3, .chunk = 3});
      for (int r = 0; r < 3; ++r) {
        std::vector<std::pair<int, int>> order;
        for (int i = 0; i < n; ++i) {
          order.emplace_back(bucket_of(queries[static_cast<size_t>(i)], rotations, shown.head * 3 + r, chunks), i);
          EXPECT_EQ(shown.value(i, r), static_cast<float>(order.back().first)) << module << " " << i;
        }
        std::sort(order.begin(), order.end());
        for (int place = 0; place < n; ++place) {
          EXPECT_EQ(cut.value(order[static_cast<size_t>(place)].second, r), static_cast<float>(place / 3)) << module;
        }
      }
      ++looked;
    }
  }
  EXPECT_EQ(looked, config.heads * (config.encoder_layers + config.decoder_layers));
  config.lsh_chunk = 16;
  EXPECT_TRUE(inspect(made_model(config, {text}), {text, text, {}}).parts.empty()) << "one chunk: nothing is hashed";
}

// phi(q) phi(k)', divided by its rows' sums, are the weights shown.
TEST(Inspector, features_of_a_linear_mixer_come_to_its_weights) {
  const std::string text = sentence_of(8);
  for (const char* mixer : {"linear", "performer"}) {
    const InspectedSentence sentence = inspect(made_model(family_config(mixer), {text}), {text, text, {}});
    const InspectedPart &q = sentence.parts.at(0), &k = sentence.parts.at(tiny("transformer").heads);
    ASSERT_TRUE(q.name == "query_features" && k.name == "key_features" && k.head == 0 && k.layer == 0);
    const AttentionMap& map = sentence.maps.front();
    const auto at = [](const InspectedPart& part, int row, int column) {
      return static_cast<double>(part.values[static_cast<size_t>(row * part.columns + column)]);
    };
    for (int i = 0; i < map.queries; ++i) {
      std::vector<double> alike(static_cast<size_t>(map.keys));
      double sum = 0;
      for (int j = 0; j < map.keys; ++j) {
        for (int f = 0; f < q.columns; ++f) alike[static_cast<size_t>(j)] += at(q, i, f) * at(k, j, f);
        sum += alike[static_cast<size_t>(j)];
      }
      for (int j = 0; j < map.keys; ++j) {
        EXPECT_NEAR(static_cast<double>(map.weight(i, j)), alike[static_cast<size_t>(j)] / sum, 1e-4) << mixer;
      }
    }
  }
}

TEST(Inspector, a_sparse_pattern_hides_what_it_does_not_let_through) {
  const std::string text = sentence_of(8);
  const InspectedSentence sentence = inspect(made_model(family_config("local"), {text}), {text, text, {}});
  const AttentionMap &encoder = sentence.maps.front(), &decoder = sentence.hypotheses.front().maps.front();
  for (int i = 0; i < 9; ++i) {
    for (int j = 0; j < 9; ++j) {
      EXPECT_EQ(encoder.is_hidden(i, j), std::abs(i - j) > 1 && i != 0 && j != 0) << i << " " << j;
      EXPECT_EQ(decoder.is_hidden(i, j), j > i || (i - j > 1 && j != 0)) << i << " " << j;
    }
  }
}

TEST(Inspector, masks_later_pieces_and_what_a_local_window_leaves_out) {
  ModelConfig local = tiny("luong");
  local.attention_window = "local-m", local.window_reach = 1;
  const std::string text = sentence_of(9);
  const InspectedSentence windowed = inspect(made_model(local, {text}), {text, text, {}});
  const AttentionMap& cross = windowed.hypotheses[0].maps[0];
  for (int i = 0; i < cross.queries; ++i) {
    for (int j = 0; j < cross.keys; ++j) EXPECT_EQ(cross.is_hidden(i, j), std::abs(i - j) > 1) << i << " " << j;
  }
  const InspectedSentence plain = inspect(made_model(tiny("transformer"), {text}), {text, text, {}});
  for (const AttentionMap& map : plain.hypotheses[0].maps) {
    for (int i = 0; i < map.queries; ++i) {
      for (int j = 0; j < map.keys; ++j) {
        EXPECT_EQ(map.is_hidden(i, j), j > i && name_of(map.kind).starts_with("decoder"));
      }
    }
  }
}

TEST(Inspector, finds_the_translations_of_the_translator_and_the_probabilities_of_the_scorer) {
  const LoadedModel loaded = made_model(tiny("transformer"), {"a b c d e", "f g h"});
  InspectOptions options;
  options.search.n_best = 3;
  options.search.max_decoding_length = 6;
  options.next_pieces = 4;
  const std::string text = "b a f";
  const InspectedSentence sentence = inspect(loaded, {text, {}, {}}, options);
  TranslateOptions translating;
  translating.search = options.search;
  const auto& [source, target] = loaded.tokenizers;
  const Translation expected =
      Translator(*loaded.model, *source, *target).translate(std::span(&text, 1), translating)[0];
  ASSERT_EQ(sentence.hypotheses.size(), expected.candidates.size());
  for (size_t i = 0; i < expected.candidates.size(); ++i) {
    const InspectedHypothesis& found = sentence.hypotheses[i];
    EXPECT_EQ(found.text, expected.candidates[i].text);
    EXPECT_EQ(found.score, expected.candidates[i].score);
    EXPECT_NEAR(found.log_probability, expected.candidates[i].log_probability, 1e-4);
    const Example pair{source->encode(text), expected.candidates[i].ids};
    const PairScore score = score_pairs(*loaded.model, std::span(&pair, 1)).front();
    ASSERT_EQ(found.steps.size(), score.log_probabilities.size());
    for (size_t step = 0; step < found.steps.size(); ++step) {
      EXPECT_EQ(found.steps[step].log_probability, static_cast<double>(score.log_probabilities[step]));
      ASSERT_EQ(found.steps[step].next.size(), 4U);
      for (const PieceProbability& piece : found.steps[step].next) {
        if (piece.text == found.written[step].text) {
          EXPECT_NEAR(piece.log_probability, found.steps[step].log_probability, 1e-5);
        }
      }
    }
    EXPECT_EQ(found.read.front().text, "<s>");
    EXPECT_EQ(found.written.back().text, "</s>");
  }
}

TEST(Inspector, measures_each_head_against_gold_links) {
  const LoadedModel loaded = made_model(tiny("transformer"), {"a b c d e"});
  const GoldAlignment gold{{{0, 0}, {1, 1}}, {{0, 0}, {1, 1}, {2, 2}}};
  const InspectedSentence sentence = inspect(loaded, {"a b c", "c d e", gold});
  for (const AttentionMap& map : sentence.hypotheses[0].maps) {
    ASSERT_EQ(map.alignment_error.has_value(), map.kind == AttentionKind::cross);
    if (!map.alignment_error) continue;
    Alignment links;  // one word is one piece: the largest weight of each row, without that of </s>
    for (int i = 0; i < 3; ++i) {
      int best = 0;
      for (int j = 1; j < 3; ++j) best = map.weight(i, j) > map.weight(i, best) ? j : best;
      links.push_back({best, i});
    }
    EXPECT_EQ(*map.alignment_error, alignment_error_rate(std::span(&links, 1), std::span(&gold, 1)).error_rate);
  }
}

TEST(Inspector, refuses_blank_and_long_sentences) {
  const LoadedModel loaded = made_model(tiny("transformer"), {"a b c"});
  EXPECT_THROW(inspect(loaded, {" ", {}, {}}), Error);
  InspectOptions options;
  options.max_source_length = 3;
  EXPECT_THROW(inspect(loaded, {"a b c a", {}, {}}, options), Error);
  EXPECT_THROW(inspect(loaded, {"a", "a b c a", {}}, options), Error);
  EXPECT_NO_THROW(inspect(loaded, {"a b c", "a b c", {}}, options));
  options.next_pieces = 0;
  EXPECT_THROW(inspect(loaded, {"a", {}, {}}, options), UsageError);
}

}  // namespace
}  // namespace attune
