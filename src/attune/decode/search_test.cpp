#include "attune/decode/search.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "attune/base/check.h"
#include "attune/base/parallel.h"
#include "attune/decode/toy_model_test.h"

namespace attune {
namespace {

using Ids = std::vector<int>;

Ids with_end(Ids source) {
  source.push_back(eos_id);
  return source;
}

// log p of every piece, in double, by the definition.
std::vector<double> log_probabilities(const ToyModel& model, const Ids& source, const Ids& written) {
  Ids input = {bos_id};
  input.insert(input.end(), written.begin(), written.end());
  const std::vector<float> logits = model.logits(with_end(source), input);
  double sum = 0;
  for (const float x : logits) sum += std::exp(static_cast<double>(x));
  std::vector<double> result;
  for (const float x : logits) result.push_back(static_cast<double>(x) - std::log(sum));
  return result;
}

// Every output of at most `most` pieces, any piece but <s>.
void all_outputs(const ToyModel& model, const Ids& source, const SearchOptions& options, int most,
                 const Hypothesis& from, std::vector<Hypothesis>& all) {
  const std::vector<double> next = log_probabilities(model, source, from.ids);
  const double whole = from.log_probability + next[eos_id];
  const double n = static_cast<double>(from.ids.size()) + 1, alpha = options.length_penalty_alpha;
  const double penalty = options.length_penalty == "none"   ? 1.0
                         : options.length_penalty == "gnmt" ? std::pow((5 + n) / 6, alpha)
                                                            : std::pow(n, alpha);
  all.push_back({from.ids, whole, whole / penalty, false});
  for (int id = 0; id < static_cast<int>(next.size()) && static_cast<int>(from.ids.size()) < most; ++id) {
    if (id != bos_id && id != eos_id) {
      Hypothesis longer{from.ids, from.log_probability + next[static_cast<size_t>(id)], 0, false};
      longer.ids.push_back(id);
      all_outputs(model, source, options, most, longer, all);
    }
  }
}

std::vector<Ids> some_sources(int count, int vocabulary) {
  const Rng rng(5);
  std::vector<Ids> sources;
  for (int i = 0; i < count; ++i) {
    const auto stream = rng.stream(static_cast<uint64_t>(i));
    Ids source(stream.below(100, 9));
    for (size_t k = 0; k < source.size(); ++k) {
      source[k] = 3 + static_cast<int>(stream.below(k, static_cast<uint64_t>(vocabulary - 3)));
    }
    sources.push_back(source);
  }
  return sources;
}

void expect_same_bits(const std::vector<Hypothesis>& a, const std::vector<Hypothesis>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].ids, b[i].ids);
    EXPECT_EQ(a[i].score, b[i].score);
    EXPECT_EQ(a[i].log_probability, b[i].log_probability);
    EXPECT_EQ(a[i].cut_short, b[i].cut_short);
  }
}

TEST(Search, with_a_beam_of_all_prefixes_equals_exhaustive_search) {
  const ToyModel model(4);  // V = 4; L = 4 pieces with </s>; V^(L-1) = 64
  for (const char* penalty : {"none", "gnmt", "power"}) {
    for (const double alpha : {0.0, 0.6, 1.0, 2.5}) {
      for (const Ids& source : {Ids{3}, Ids{}, Ids{3, 3, 0}, Ids{0, 3}, Ids{3, 3, 3, 3}}) {
        const SearchOptions options{.beam_size = 64,
                                    .n_best = 10,
                                    .length_penalty = penalty,
                                    .length_penalty_alpha = alpha,
                                    .max_decoding_length = 3,
                                    .stopping_rule = "none",
                                    .allow_unknown = true};
        std::vector<Hypothesis> all;
        all_outputs(model, source, options, 3, {}, all);
        ASSERT_EQ(all.size(), 15U);  // 1 + 2 + 4 + 8
        std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.score > b.score; });
        const auto found = search(model, std::vector<Ids>{source}, options).front();
        ASSERT_EQ(found.size(), 10U);
        for (size_t i = 0; i < found.size(); ++i) {
          EXPECT_EQ(found[i].ids, all[i].ids) << penalty << " " << alpha << " rank " << i;
          EXPECT_NEAR(found[i].score, all[i].score, 1e-6);
          EXPECT_NEAR(found[i].log_probability, all[i].log_probability, 1e-6);
        }
      }
    }
  }
}

TEST(Search, with_beam_1_is_greedy_whatever_the_stopping_rule) {
  const ToyModel model(9, 1.0);
  for (const char* rule : {"first", "bound", "none"}) {
    for (const Ids& source : some_sources(20, 9)) {
      Ids greedy;
      double sum = 0;
      for (int piece = -1; piece != eos_id;) {
        const std::vector<double> next = log_probabilities(model, source, greedy);
        piece = eos_id;
        for (int id = 3; id < 9; ++id) {
          if (next[static_cast<size_t>(id)] > next[static_cast<size_t>(piece)]) piece = id;
        }
        sum += next[static_cast<size_t>(piece)];
        if (piece != eos_id) greedy.push_back(piece);
        ASSERT_LT(greedy.size(), 50U);
      }
      const auto found = search(model, std::vector<Ids>{source}, {.beam_size = 1, .stopping_rule = rule}).front();
      ASSERT_EQ(found.size(), 1U);
      EXPECT_EQ(found[0].ids, greedy);
      EXPECT_NEAR(found[0].log_probability, sum, 1e-5);
      EXPECT_FALSE(found[0].cut_short);
    }
  }
}

// Beam search by its description: every extension of every live hypothesis, sorted; no caches, no top-k.
std::vector<Hypothesis> plain_beam_search(const ToyModel& model, const Ids& source, size_t beam, int most) {
  std::vector<Hypothesis> live = {{}}, finished;
  for (int length = 0; length < most && finished.size() < beam; ++length) {
    std::vector<Hypothesis> all;
    for (const Hypothesis& parent : live) {
      const std::vector<double> next = log_probabilities(model, source, parent.ids);
      for (int id = eos_id; id < static_cast<int>(next.size()); ++id) {
        all.push_back({parent.ids, parent.log_probability + next[static_cast<size_t>(id)], 0, false});
        all.back().ids.push_back(id);
      }
    }
    std::sort(all.begin(), all.end(),
              [](const auto& a, const auto& b) { return a.log_probability > b.log_probability; });
    live.clear();
    for (size_t rank = 0; rank < all.size(); ++rank) {
      if (all[rank].ids.back() != eos_id && live.size() < beam) {
        live.push_back(all[rank]);
      } else if (all[rank].ids.back() == eos_id && rank < beam) {
        finished.push_back(all[rank]);
        finished.back().ids.pop_back();
      }
    }
  }
  std::sort(finished.begin(), finished.end(),
            [](const auto& a, const auto& b) { return a.log_probability > b.log_probability; });
  return finished;
}

TEST(Search, with_a_small_beam_equals_a_plain_beam_search) {
  for (const double end : {0.5, 1.5}) {
    const ToyModel model(6, end);
    for (const int beam : {2, 3, 5}) {
      const std::vector<Ids> sources = some_sources(30, 6);
      const auto found = search(
          model, sources, {.beam_size = beam, .n_best = beam, .length_penalty = "none", .stopping_rule = "first"});
      for (size_t i = 0; i < sources.size(); ++i) {
        const auto expected = plain_beam_search(model, sources[i], static_cast<size_t>(beam), 50);
        ASSERT_GE(expected.size(), found[i].size());
        ASSERT_EQ(found[i].size(), static_cast<size_t>(beam));
        for (size_t k = 0; k < found[i].size(); ++k) {
          EXPECT_EQ(found[i][k].ids, expected[k].ids) << "source " << i << " rank " << k;
          EXPECT_NEAR(found[i][k].log_probability, expected[k].log_probability, 1e-5);
        }
      }
    }
  }
}

TEST(Search, gives_a_sentence_the_same_bits_in_any_batch_and_with_any_threads) {
  const ToyModel model(37, 1.0);
  const std::vector<Ids> sources = some_sources(23, 37);
  for (const char* rule : {"first", "bound"}) {
    const SearchOptions options{.beam_size = 4, .n_best = 3, .stopping_rule = rule};
    const int before = threads();
    set_threads(1);
    const auto together = search(model, sources, options);
    set_threads(3);
    const auto threaded = search(model, sources, options);
    const auto backwards = search(model, std::vector<Ids>(sources.rbegin(), sources.rend()), options);
    set_threads(before);
    for (size_t i = 0; i < sources.size(); ++i) {
      expect_same_bits(together[i], threaded[i]);
      expect_same_bits(together[i], backwards[sources.size() - 1 - i]);
      expect_same_bits(together[i], search(model, std::vector<Ids>{sources[i]}, options).front());
    }
  }
}

TEST(Search, stopped_by_the_bound_finds_what_it_finds_unstopped) {
  const ToyModel model(8, 1.5);
  const std::vector<Ids> sources = some_sources(60, 8);
  for (const char* penalty : {"none", "gnmt", "power"}) {
    for (const double alpha : {0.6, 1.0, 1.5}) {
      SearchOptions options{.beam_size = 3,
                            .n_best = 2,
                            .length_penalty = penalty,
                            .length_penalty_alpha = alpha,
                            .max_decoding_length = 12};
      options.stopping_rule = "none";
      const auto unstopped = search(model, sources, options);
      EXPECT_EQ(model.step_rows.size(), 13U);
      EXPECT_EQ(model.step_rows.back(), 180);
      options.stopping_rule = "bound";
      const auto stopped = search(model, sources, options);
      if (alpha < 1) {
        EXPECT_TRUE(model.step_rows.size() < 13 || model.step_rows.back() < 180) << penalty;
      }
      for (size_t i = 0; i < sources.size(); ++i) {
        expect_same_bits(stopped[i], unstopped[i]);
      }
    }
  }
}

TEST(Search, lets_finished_sentences_leave_the_batch) {
  const ToyModel model(9, 1.0);
  search(model, some_sources(20, 9), {.beam_size = 1});
  ASSERT_GT(model.step_rows.size(), 2U);
  EXPECT_EQ(model.step_rows.front(), 20);
  EXPECT_LT(model.step_rows.back(), 20);
  EXPECT_TRUE(std::is_sorted(model.step_rows.rbegin(), model.step_rows.rend()));
}

TEST(Search, leaves_a_hypothesis_that_lives_on_in_its_row) {
  const ToyModel model(30);
  const int sentences = 5, beam = 4;
  search(model, some_sources(sentences, 30),
         {.beam_size = beam, .min_decoding_length = 12, .max_decoding_length = 12, .stopping_rule = "none"});
  ASSERT_FALSE(model.orders.empty());
  int moved = 0;
  for (const std::vector<int>& from : model.orders) {
    if (std::set<int>(from.begin(), from.end()).size() <= sentences) {
      continue;  // the first step, before which there is one row a sentence
    }
    ASSERT_EQ(from.size(), static_cast<size_t>(sentences * beam));
    for (size_t row = 0; row < from.size(); ++row) {
      const auto parent = static_cast<size_t>(from[row]);
      EXPECT_EQ(from[parent], from[row]) << "row " << row;  // itself or a brother of the one that stayed
      EXPECT_EQ(parent / beam, row / beam);
      moved += parent != row ? 1 : 0;
    }
  }
  EXPECT_GT(moved, 0);
}

TEST(Search, gives_n_best_sorted_and_distinct_without_special_pieces) {
  const ToyModel model(12, 1.0);
  for (const auto& found : search(model, some_sources(20, 12), {.beam_size = 6, .n_best = 6})) {
    ASSERT_EQ(found.size(), 6U);
    std::set<Ids> distinct;
    for (size_t i = 0; i < found.size(); ++i) {
      EXPECT_TRUE(i == 0 || found[i - 1].score >= found[i].score);
      distinct.insert(found[i].ids);
      for (const int id : found[i].ids) EXPECT_GE(id, 3);
    }
    EXPECT_EQ(distinct.size(), 6U);
  }
}

TEST(Search, flags_what_is_cut_short_at_the_longest_output) {
  const ToyModel never_ends(9, -50.0);
  for (const int beam : {1, 4}) {
    const auto cut =
        search(never_ends, std::vector<Ids>{{3, 4}}, {.beam_size = beam, .max_decoding_length = 7}).front();
    ASSERT_EQ(cut.size(), 1U);
    EXPECT_EQ(cut[0].ids.size(), 7U);
    EXPECT_TRUE(cut[0].cut_short);
    EXPECT_LT(cut[0].log_probability, -40);  // </s> is counted though it was forced
    EXPECT_EQ(search(never_ends, std::vector<Ids>{{3, 4}}, {.beam_size = beam}).front()[0].ids.size(), 54U);
  }
  ToyModel positions(9, -50.0);
  positions.config().positions = "learned";
  positions.config().max_positions = 12;
  EXPECT_EQ(search(positions, std::vector<Ids>{{3, 4}}, {.beam_size = 2}).front()[0].ids.size(), 11U);
  const ToyModel ends_at_once(9, 50.0);
  const auto empty = search(ends_at_once, std::vector<Ids>{{3, 4}}, {.beam_size = 1, .max_decoding_length = 1}).front();
  EXPECT_TRUE(empty[0].ids.empty());
  EXPECT_FALSE(empty[0].cut_short);
}

TEST(Search, shows_every_step_to_whoever_looks_on_and_finds_the_same) {
  const ToyModel model(9, 1.0);
  const std::vector<Ids> sources = some_sources(4, 9);
  const SearchOptions options{.beam_size = 3, .n_best = 3, .max_decoding_length = 7, .stopping_rule = "none"};
  std::vector<std::vector<Ids>> living(sources.size(), {{}}), finished(sources.size());
  const auto found = search(model, sources, options, [&](const SearchStep& step) {
    std::vector<Ids> next;
    double before = 0;
    for (const SearchStep::Candidate& candidate : step.candidates) {
      EXPECT_LE(candidate.log_probability, before);
      before = candidate.log_probability;
      const Ids parent(candidate.ids.begin(), candidate.ids.end() - 1);
      const auto& alive = living[step.sentence];
      EXPECT_NE(std::find(alive.begin(), alive.end(), parent), alive.end()) << "extends what was dropped";
      EXPECT_EQ(candidate.fate == SearchStep::Fate::finished,
                candidate.ids.back() == eos_id && candidate.fate != SearchStep::Fate::dropped);
      if (candidate.fate == SearchStep::Fate::lives) next.push_back(candidate.ids);
      if (candidate.fate == SearchStep::Fate::finished) finished[step.sentence].push_back(parent);
    }
    EXPECT_LE(next.size(), 3U);
    living[step.sentence] = next;
  });
  const auto unseen = search(model, sources, options);
  for (size_t i = 0; i < sources.size(); ++i) {
    EXPECT_TRUE(living[i].empty());
    ASSERT_EQ(found[i].size(), 3U);
    expect_same_bits(found[i], unseen[i]);
    for (const Hypothesis& hypothesis : found[i]) {
      EXPECT_NE(std::find(finished[i].begin(), finished[i].end(), hypothesis.ids), finished[i].end());
    }
  }
}

TEST(Search, takes_no_sources_and_empty_sources) {
  const ToyModel model(9, 1.0);
  EXPECT_TRUE(search(model, {}, {}).empty());
  const auto found = search(model, std::vector<Ids>{{}, {5}, {}}, {});
  ASSERT_EQ(found.size(), 3U);
  expect_same_bits(found[0], found[2]);
}

TEST(SearchOptions, are_checked_and_described) {
  const auto message = [](const SearchOptions& options) -> std::string {
    try {
      check_options(options);
    } catch (const UsageError& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(message({}), "");
  EXPECT_NE(message({.beam_size = 0}).find("beam-size: expected 1 to 10000, got 0"), std::string::npos);
  EXPECT_NE(message({.beam_size = 2, .n_best = 3}).find("n-best"), std::string::npos);
  EXPECT_NE(message({.length_penalty = "gnmt2"}).find("got \"gnmt2\""), std::string::npos);
  EXPECT_NE(message({.length_penalty_alpha = -1}).find("length-penalty-alpha"), std::string::npos);
  EXPECT_NE(message({.max_decoding_length = -1}).find("max-decoding-length"), std::string::npos);
  EXPECT_NE(message({.stopping_rule = ""}).find("stopping-rule"), std::string::npos);
  EXPECT_NE(message({.compute_type = "int4"}).find("compute-type"), std::string::npos);
  EXPECT_EQ(
      describe(SearchOptions{}),
      "beam 5; score = log p / n^1, n pieces with </s>; stops when no live hypothesis can still beat the best finished "
      "one (bound); at most 2 x source + 50 pieces");
  EXPECT_EQ(describe(SearchOptions{.beam_size = 1, .length_penalty = "none", .max_decoding_length = 9}),
            "greedy; score = log p; stops at </s>; at most 9 pieces");
}

TEST(Search, writes_no_end_before_the_shortest_output) {
  const ToyModel model(12);
  const std::vector<Ids> sources = some_sources(5, 12);
  for (const int beam : {1, 3}) {
    const auto free = search(model, sources, {.beam_size = beam, .max_decoding_length = 9});
    const auto bound = search(model, sources, {.beam_size = beam, .min_decoding_length = 6, .max_decoding_length = 9});
    const auto exact = search(model, sources, {.beam_size = beam, .min_decoding_length = 9, .max_decoding_length = 9});
    size_t shortest = 9;
    for (size_t i = 0; i < sources.size(); ++i) {
      shortest = std::min(shortest, free[i].front().ids.size());
      EXPECT_GE(bound[i].front().ids.size(), 6U);
      EXPECT_EQ(exact[i].front().ids.size(), 9U);
    }
    EXPECT_LT(shortest, 6U) << "the toy model would have written nothing shorter anyway";
  }
  EXPECT_THROW(search(model, sources, {.min_decoding_length = 10, .max_decoding_length = 9}), UsageError);
}

}  // namespace
}  // namespace attune
