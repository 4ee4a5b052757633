#include "attune/decode/search.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <numeric>
#include <tuple>
#include <utility>

#include "attune/base/profile.h"
#include "attune/decode/next_pieces.h"
#include "attune/ops/linear.h"
#include "attune/text/tokenizer.h"

namespace attune {

namespace {

struct Live {
  std::vector<int> ids;
  double log_probability = 0;
  int row = 0;     // of the next step
  int parent = 0;  // row of the step that made it
};

struct Sentence {
  size_t index = 0;   // among the sources
  int limit = 0;      // longest output
  int first_row = 0;  // its live ones fill the rows from here on
  std::vector<Live> live;
  std::vector<Hypothesis> finished;
};

struct Extension {
  double log_probability;
  int parent;  // index among the live
  int id;
  // The best first; ties are broken so that nothing is left to chance.
  bool operator<(const Extension& other) const {
    return std::tie(other.log_probability, parent, id) < std::tie(log_probability, other.parent, other.id);
  }
};

// Gives the live hypotheses their rows of the next step, behind those in `from`. One child of a hypothesis stays where
// that one was, so that little of what the state remembers has to move; the others take the rows that are left.
void place(Sentence& sentence, std::vector<int>& from) {
  const int first = static_cast<int>(from.size()), before = std::exchange(sentence.first_row, first);
  std::vector<int> parents(sentence.live.size(), -1);  // by row
  const auto take = [&](Live& live, size_t row) {
    parents[row] = live.parent;
    live.row = first + static_cast<int>(row);
  };
  std::vector<Live*> others;
  for (Live& live : sentence.live) {
    const auto row = static_cast<size_t>(live.parent - before);
    if (row < parents.size() && parents[row] < 0) {
      take(live, row);
    } else {
      others.push_back(&live);
    }
  }
  for (Live* live : others) {
    take(*live, static_cast<size_t>(std::find(parents.begin(), parents.end(), -1) - parents.begin()));
  }
  from.insert(from.end(), parents.begin(), parents.end());
}

class Search {
 public:
  Search(const Model& model, const SearchOptions& options, const SearchObserver& observer)
      : model_(model),
        options_(options),
        observer_(observer),
        output_(model.output()),
        pass_{.compute = dtype_of_name(options.compute_type)} {
    if (!options.allow_unknown) {
      never_.push_back(unk_id);
    }
    too_early_ = never_;
    too_early_.push_back(eos_id);
  }

  std::vector<std::vector<Hypothesis>> run(std::span<const std::vector<int>> sources);

 private:
  std::unique_ptr<DecodingState> start(std::span<const std::vector<int>> sources);
  int limit_of(int source_pieces) const;
  NextPieces next(DecodingState& state) const;
  std::vector<Extension> extensions(const Sentence& sentence, const NextPieces& pieces) const;
  void advance_all(const NextPieces& pieces);
  void advance(Sentence& sentence, const NextPieces& pieces) const;
  void show(const Sentence& sentence, const std::vector<Live>& before, const std::vector<Extension>& extended,
            size_t ends) const;
  void finish(Sentence& sentence, const Live& live, double log_probability, bool cut_short) const;
  bool done(const Sentence& sentence) const;
  void keep_unfinished(DecodingState& state, std::vector<std::vector<Hypothesis>>& results);

  const Model& model_;
  const SearchOptions& options_;
  const SearchObserver& observer_;
  OutputLayer output_;
  Pass pass_;
  std::vector<int> never_ = {bos_id}, too_early_;  // too_early_: and no </s>
  std::vector<Sentence> sentences_;                // those that are not done
};

std::vector<std::vector<Hypothesis>> Search::run(std::span<const std::vector<int>> sources) {
  std::vector<std::vector<Hypothesis>> results(sources.size());
  if (sources.empty()) {
    return results;
  }
  const ProfileScope scope("search");
  const std::unique_ptr<DecodingState> state = start(sources);
  while (!sentences_.empty()) {
    const NextPieces pieces = next(*state);
    advance_all(pieces);
    keep_unfinished(*state, results);
  }
  return results;
}

// One row a sentence, nothing written yet.
std::unique_ptr<DecodingState> Search::start(std::span<const std::vector<int>> sources) {
  std::vector<int32_t> source;
  std::vector<int> lengths;
  for (size_t i = 0; i < sources.size(); ++i) {
    source.insert(source.end(), sources[i].begin(), sources[i].end());
    source.push_back(eos_id);
    const auto pieces = static_cast<int>(sources[i].size());
    lengths.push_back(pieces + 1);
    const auto row = static_cast<int>(i);
    sentences_.push_back({i, limit_of(pieces), row, {Live{.ids = {}, .row = row}}, {}});
  }
  std::vector<int> source_of(sources.size());
  std::iota(source_of.begin(), source_of.end(), 0);
  return model_.start(source, Segments::of_lengths(lengths), source_of, pass_);
}

int Search::limit_of(int source_pieces) const {
  const int limit = longest_output(options_, source_pieces);
  const ModelConfig& config = model_.config();
  // <s> and the pieces are read at positions 0 ... limit.
  return decoder_ends_at_max_positions(config) ? std::min(limit, config.max_positions - 1) : limit;
}

NextPieces Search::next(DecodingState& state) const {
  std::vector<int32_t> tokens(static_cast<size_t>(state.rows()));
  for (const Sentence& sentence : sentences_) {
    for (const Live& live : sentence.live) {
      tokens[static_cast<size_t>(live.row)] = live.ids.empty() ? bos_id : live.ids.back();
    }
  }
  const Tensor hidden = model_.step(state, tokens, pass_);
  const Tensor logits = linear(hidden, output_.weight, output_.bias, {.compute = pass_.compute});
  // One more than the beam: with </s> among them, a row still fills the beam by itself.
  const int64_t per_row = std::min<int64_t>(int64_t{options_.beam_size} + 1, logits.size(1));
  // All hypotheses of a batch are equally long.
  const auto written = static_cast<int>(sentences_.front().live.front().ids.size());
  return next_pieces(logits, static_cast<int>(per_row), written < options_.min_decoding_length ? too_early_ : never_);
}

// What a sentence's hypotheses can become, the best first; nothing at the longest output.
std::vector<Extension> Search::extensions(const Sentence& sentence, const NextPieces& pieces) const {
  std::vector<Extension> extended;
  if (static_cast<int>(sentence.live.front().ids.size()) >= sentence.limit) {
    return extended;
  }
  for (size_t i = 0; i < sentence.live.size(); ++i) {
    for (const NextPiece& piece : pieces.row(sentence.live[i].row)) {
      if (piece.id >= 0) {
        extended.push_back({sentence.live[i].log_probability + piece.log_probability, static_cast<int>(i), piece.id});
      }
    }
  }
  std::sort(extended.begin(), extended.end());
  return extended;
}

void Search::advance_all(const NextPieces& pieces) {
  const ProfileScope scope("advance");
  for (Sentence& sentence : sentences_) {
    advance(sentence, pieces);
  }
}

void Search::advance(Sentence& sentence, const NextPieces& pieces) const {
  std::vector<Extension> extended = extensions(sentence, pieces);
  const std::vector<Live> before = std::exchange(sentence.live, {});
  if (extended.empty()) {  // </s> it is
    for (size_t i = 0; i < before.size(); ++i) {
      const Live& live = before[i];
      const double log_probability = live.log_probability + pieces.end[static_cast<size_t>(live.row)];
      finish(sentence, live, log_probability, pieces.row(live.row).front().id != eos_id);
      extended.push_back({log_probability, static_cast<int>(i), eos_id});
    }
    std::sort(extended.begin(), extended.end());
    show(sentence, before, extended, before.size());
    return;
  }
  const auto beam = static_cast<size_t>(options_.beam_size);
  for (size_t rank = 0; rank < extended.size() && (rank < beam || sentence.live.size() < beam); ++rank) {
    const Extension& best = extended[rank];
    const Live& parent = before[static_cast<size_t>(best.parent)];
    if (best.id == eos_id) {
      if (rank < beam) {
        finish(sentence, parent, best.log_probability, false);
      }
    } else if (sentence.live.size() < beam) {
      Live next{.ids = parent.ids, .log_probability = best.log_probability, .parent = parent.row};
      next.ids.push_back(best.id);
      sentence.live.push_back(std::move(next));
    }
  }
  show(sentence, before, extended, std::min(beam, extended.size()));
}

// ends: so many of the first ones finish if they end.
void Search::show(const Sentence& sentence, const std::vector<Live>& before, const std::vector<Extension>& extended,
                  size_t ends) const {
  if (!observer_) {
    return;
  }
  SearchStep step{sentence.index, {}};
  size_t living = 0;
  for (size_t rank = 0; rank < extended.size(); ++rank) {
    const Extension& each = extended[rank];
    SearchStep::Candidate candidate{before[static_cast<size_t>(each.parent)].ids, each.log_probability};
    candidate.ids.push_back(each.id);
    if (each.id == eos_id) {
      candidate.fate = rank < ends ? SearchStep::Fate::finished : SearchStep::Fate::dropped;
    } else if (living < sentence.live.size()) {
      ++living;
      candidate.fate = SearchStep::Fate::lives;
    }
    step.candidates.push_back(std::move(candidate));
  }
  observer_(step);
}

void Search::finish(Sentence& sentence, const Live& live, double log_probability, bool cut_short) const {
  const int pieces = static_cast<int>(live.ids.size()) + 1;
  sentence.finished.push_back(
      {live.ids, log_probability, log_probability / length_penalty(options_, pieces), cut_short});
}

bool Search::done(const Sentence& sentence) const {
  if (sentence.live.empty()) {
    return true;
  }
  const auto beam = static_cast<size_t>(options_.beam_size);
  if (beam == 1 || options_.stopping_rule == "first") {
    return sentence.finished.size() >= beam;
  }
  const auto wanted = static_cast<size_t>(options_.n_best);
  if (options_.stopping_rule != "bound" || sentence.finished.size() < wanted) {
    return false;
  }
  std::vector<double> scores;
  for (const Hypothesis& hypothesis : sentence.finished) {
    scores.push_back(hypothesis.score);
  }
  std::nth_element(scores.begin(), scores.begin() + options_.n_best - 1, scores.end(), std::greater<>());
  // log p only falls and the penalty only grows: no continuation scores above this.
  const double bound = sentence.live.front().log_probability / length_penalty(options_, sentence.limit + 1);
  return bound <= scores[wanted - 1];
}

// Hands over the sentences that are done, and lets the state's rows follow the hypotheses that live on.
void Search::keep_unfinished(DecodingState& state, std::vector<std::vector<Hypothesis>>& results) {
  std::vector<Sentence> kept;
  std::vector<int> from;
  for (Sentence& sentence : sentences_) {
    if (!done(sentence)) {
      place(sentence, from);
      kept.push_back(std::move(sentence));
      continue;
    }
    std::vector<Hypothesis>& finished = sentence.finished;
    std::stable_sort(finished.begin(), finished.end(),
                     [](const Hypothesis& a, const Hypothesis& b) { return a.score > b.score; });
    finished.resize(std::min(finished.size(), static_cast<size_t>(options_.n_best)));
    results[sentence.index] = std::move(finished);
  }
  sentences_ = std::move(kept);
  bool moved = static_cast<int>(from.size()) != state.rows();
  for (size_t i = 0; i < from.size() && !moved; ++i) {
    moved = from[i] != static_cast<int>(i);
  }
  if (moved && !from.empty()) {
    const ProfileScope scope("reorder");
    state.reorder(from);
  }
}

}  // namespace

std::vector<std::vector<Hypothesis>> search(const Model& model, std::span<const std::vector<int>> sources,
                                            const SearchOptions& options, const SearchObserver& observer) {
  check_options(options);
  return Search(model, options, observer).run(sources);
}

}  // namespace attune
