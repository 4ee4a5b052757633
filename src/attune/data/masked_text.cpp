#include "attune/data/masked_text.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "attune/base/check.h"
#include "attune/base/profile.h"

namespace attune {

namespace {

// One sequence before it joins its batch.
struct Sequence {
  std::vector<int32_t> ids, types;
  std::vector<uint8_t> word_starts;  // special pieces begin a word, and are none
  std::vector<uint8_t> ordinary;     // 0 for special pieces
  int follows = 1;

  void add_special(int32_t id, int32_t type) {
    ids.push_back(id);
    types.push_back(type);
    word_starts.push_back(1);
    ordinary.push_back(0);
  }
  void add(std::span<const int32_t> pieces, std::span<const uint8_t> starts, int32_t type) {
    ids.insert(ids.end(), pieces.begin(), pieces.end());
    types.insert(types.end(), pieces.size(), type);
    word_starts.insert(word_starts.end(), starts.begin(), starts.end());
    ordinary.insert(ordinary.end(), pieces.size(), 1);
  }
};

// A sequence of another document.
int other_document(const PackedText& text, int sequence, const Rng& rng) {
  int begin = sequence, end = sequence + 1;
  while (begin > 0 && text.document(begin - 1) == text.document(sequence)) {
    --begin;
  }
  while (end < text.count() && text.document(end) == text.document(sequence)) {
    ++end;
  }
  const int others = text.count() - (end - begin);
  const auto chosen = static_cast<int>(rng.below(0, static_cast<uint64_t>(others)));
  return chosen < begin ? chosen : chosen + (end - begin);
}

// Where B begins: at a line's begin if there is one inside, else at a word's, else anywhere.
size_t split_of(const PackedText& text, int sequence, const Rng& rng) {
  std::vector<size_t> places;
  for (const auto starts : {text.line_starts(sequence), text.word_starts(sequence)}) {
    for (size_t i = 1; i < starts.size(); ++i) {
      if (starts[i] != 0) {
        places.push_back(i);
      }
    }
    if (!places.empty()) {
      return places[rng.below(0, places.size())];
    }
  }
  return 1 + rng.below(0, text.pieces(sequence).size() - 1);
}

Sequence single(const PackedText& text, int number) {
  Sequence sequence;
  sequence.add_special(cls_id, 0);
  sequence.add(text.pieces(number), text.word_starts(number), 0);
  sequence.add_special(sep_id, 0);
  return sequence;
}

Sequence pair(const PackedText& text, int number, const Rng& rng) {
  const auto pieces = text.pieces(number);
  const auto starts = text.word_starts(number);
  const size_t split = split_of(text, number, rng.stream("split"));
  Sequence sequence;
  sequence.add_special(cls_id, 0);
  sequence.add(pieces.first(split), starts.first(split), 0);
  sequence.add_special(sep_id, 0);
  sequence.follows = rng.stream("follows").uniform(0) < 0.5 ? 1 : 0;
  if (sequence.follows == 1) {
    sequence.add(pieces.subspan(split), starts.subspan(split), 1);
  } else {
    const int other = other_document(text, number, rng.stream("other"));
    const size_t size = std::min(pieces.size() - split, text.pieces(other).size());
    sequence.add(text.pieces(other).first(size), text.word_starts(other).first(size), 1);
  }
  sequence.add_special(sep_id, 1);
  return sequence;
}

// What is masked as one: [begin, end) of a sequence.
struct Unit {
  size_t begin, end;
  size_t size() const { return end - begin; }
};

std::vector<Unit> units_of(const Sequence& sequence, bool whole_words) {
  std::vector<Unit> units;
  for (size_t i = 0; i < sequence.ids.size(); ++i) {
    if (sequence.ordinary[i] == 0) {
      continue;
    }
    const bool goes_on = whole_words && sequence.word_starts[i] == 0 && !units.empty() && units.back().end == i;
    if (goes_on) {
      ++units.back().end;
    } else {
      units.push_back({i, i + 1});
    }
  }
  return units;
}

// Rising positions of 15 % of the ordinary pieces, at least one. A word that would make them more is passed over.
std::vector<size_t> chosen(const Sequence& sequence, bool whole_words, const Rng& rng) {
  std::vector<Unit> units = units_of(sequence, whole_words);
  const auto ordinary = std::accumulate(sequence.ordinary.begin(), sequence.ordinary.end(), size_t{0});
  const auto wanted =
      std::max<size_t>(1, static_cast<size_t>(std::llround(masked_share * static_cast<double>(ordinary))));
  shuffle(std::span(units), rng);
  std::vector<size_t> positions;
  const auto take = [&](const Unit& unit) {
    for (size_t i = unit.begin; i < unit.end; ++i) {
      positions.push_back(i);
    }
  };
  for (const Unit& unit : units) {
    if (positions.size() + unit.size() <= wanted) {
      take(unit);
    }
  }
  if (positions.empty()) {
    take(*std::min_element(units.begin(), units.end(),
                           [](const Unit& a, const Unit& b) { return a.size() < b.size(); }));
  }
  std::sort(positions.begin(), positions.end());
  return positions;
}

int32_t masked(int32_t piece, size_t position, int vocabulary, const Rng& rng) {
  constexpr double becomes_mask = 0.8, becomes_other = 0.9;
  const double kind = rng.stream("kind").uniform(position);
  if (kind < becomes_mask) {
    return mask_id;
  }
  const auto others = static_cast<uint64_t>(vocabulary - first_ordinary_id);
  return kind < becomes_other ? first_ordinary_id + static_cast<int32_t>(rng.stream("piece").below(position, others))
                              : piece;
}

}  // namespace

MaskedBatch make_masked_batch(const PackedText& text, std::span<const int> sequences, const MaskingOptions& options,
                              const Rng& rng) {
  const ProfileScope scope("make_batch");
  check(options.vocabulary > first_ordinary_id, "masked text: a vocabulary of ", options.vocabulary, " pieces");
  MaskedBatch batch;
  std::vector<int> lengths;
  for (const int number : sequences) {
    const Rng own = rng.stream(static_cast<uint64_t>(number));
    const Sequence sequence = options.next_sentence ? pair(text, number, own) : single(text, number);
    const size_t begin = batch.ids.size();
    batch.ids.insert(batch.ids.end(), sequence.ids.begin(), sequence.ids.end());
    for (const size_t position : chosen(sequence, options.whole_words, own.stream("positions"))) {
      batch.rows.push_back(static_cast<int32_t>(begin + position));
      batch.gold.push_back(sequence.ids[position]);
      batch.ids[begin + position] = masked(sequence.ids[position], position, options.vocabulary, own);
    }
    if (options.next_sentence) {
      batch.types.insert(batch.types.end(), sequence.types.begin(), sequence.types.end());
      batch.follows.push_back(sequence.follows);
    }
    lengths.push_back(static_cast<int>(sequence.ids.size()));
  }
  batch.segments = Segments::of_lengths(lengths);
  return batch;
}

namespace {

std::vector<std::vector<int>> cut(const PackedText& text, std::span<const int> order, int batch_tokens) {
  std::vector<std::vector<int>> batches;
  int64_t tokens = 0;
  for (const int number : order) {
    if (batches.empty() || tokens + text.tokens(number) > batch_tokens) {
      batches.emplace_back();
      tokens = 0;
    }
    batches.back().push_back(number);
    tokens += text.tokens(number);
  }
  return batches;
}

std::vector<int> all_sequences(const PackedText& text) {
  std::vector<int> order(static_cast<size_t>(text.count()));
  std::iota(order.begin(), order.end(), 0);
  return order;
}

}  // namespace

std::vector<std::vector<int>> shuffled_batches(const PackedText& text, int batch_tokens, const Rng& rng) {
  std::vector<int> order = all_sequences(text);
  shuffle(std::span(order), rng);
  return cut(text, order, batch_tokens);
}

std::vector<std::vector<int>> batches_in_order(const PackedText& text, int batch_tokens) {
  return cut(text, all_sequences(text), batch_tokens);
}

}  // namespace attune
