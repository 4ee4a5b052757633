#include "attune/nn/attention_state.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>

#include "attune/base/parallel.h"
#include "attune/base/profile.h"
#include "attune/ops/reshape.h"

namespace attune {

namespace {

// Tokens are forgotten by so many, so that attention finds those that stay in the same blocks: a step keeps its bits.
constexpr int64_t together = 64;

constexpr int64_t worth_a_thread = 1 << 14;  // elements copied: some microseconds

int64_t grain_of(int64_t elements_each) {
  return 1 + worth_a_thread / std::max<int64_t>(1, elements_each);
}

void count_copied(int64_t elements) {
  ProfileScope::count(0, 2.0 * sizeof(float) * static_cast<double>(elements));
}

}  // namespace

void GrowingState::append(std::initializer_list<Tensor> parts) {
  const auto width_of = [](const Tensor& part) { return part.elements() / part.size(0); };
  int64_t token = 0;
  for (const Tensor& part : parts) {
    token += width_of(part);
  }
  reserve(token);
  float* cache = cache_.pointer<float>();
  parallel_for(rows_, grain_of(token), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      float* to = cache + (row * capacity_ + length_) * token;
      for (const Tensor& part : parts) {
        to = std::copy_n(part.pointer<float>() + row * part.stride(0), width_of(part), to);
      }
    }
  });
  ++length_;
}

Segments GrowingState::keys() const {
  std::vector<int64_t> begins;
  for (int64_t row = 0; row < rows_; ++row) {
    begins.push_back(row * capacity_);
  }
  return Segments::at(std::move(begins), std::vector<int>(static_cast<size_t>(rows_), length_), cache_.size(0));
}

void GrowingState::reserve(int64_t token) {
  if (!cache_) {
    capacity_ = 16;
    cache_ = Tensor::empty({int64_t{rows_} * capacity_, token});
  } else if (length_ == capacity_ && capacity_ == enough()) {
    forget();
  } else if (length_ == capacity_) {
    const ProfileScope scope("grow_cache");
    std::vector<int> same(static_cast<size_t>(rows_));
    std::iota(same.begin(), same.end(), 0);
    move_to(same, static_cast<int>(std::min<int64_t>(2 * int64_t{capacity_}, enough())));
  }
}

int64_t GrowingState::first() const {
  return (kept_.first + together - 1) / together * together;
}

int64_t GrowingState::enough() const {
  return first() + kept_.last + std::max(kept_.last, together);
}

// The last - 1 tokens before the next one stay.
void GrowingState::forget() {
  const ProfileScope scope("forget_cache");
  const int64_t token = cache_.columns(), spare = length_ - first() - (kept_.last - 1);
  const int64_t gone = spare / together * together, staying = length_ - first() - gone;
  float* data = cache_.pointer<float>();
  count_copied(rows_ * staying * token);
  parallel_for(rows_, grain_of(staying * token), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      float* to = data + (row * capacity_ + first()) * token;
      std::copy_n(to + gone * token, staying * token, to);
    }
  });
  length_ -= static_cast<int>(gone);
  forgotten_ += static_cast<int>(gone);
}

std::vector<int> GrowingState::distances() const {
  std::vector<int> result;
  for (int i = 0; i < length_; ++i) {
    result.push_back(length_ - 1 - i + (i < first() ? forgotten_ : 0));
  }
  return result;
}

void GrowingState::reorder(std::span<const int> from) {
  const ProfileScope scope("reorder_cache");
  if (cache_ && can_copy_in_place(from)) {
    copy_in_place(from);
  } else if (cache_) {
    move_to(from, capacity_);
  }
  rows_ = static_cast<int>(from.size());
}

void GrowingState::move_to(std::span<const int> from, int new_capacity) {
  const int64_t token = cache_.columns(), filled = length_ * token;
  const auto count = static_cast<int64_t>(from.size());
  Tensor moved = Tensor::empty({count * new_capacity, token});
  const float* source = std::as_const(cache_).pointer<float>();
  float* to = moved.pointer<float>();
  count_copied(count * filled);
  parallel_for(count, grain_of(filled), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      std::copy_n(source + from[static_cast<size_t>(row)] * capacity_ * token, filled, to + row * new_capacity * token);
    }
  });
  cache_ = moved;
  capacity_ = new_capacity;
}

// Row after row in ascending order: no row may be read behind the one whose copy has overwritten it.
bool GrowingState::can_copy_in_place(std::span<const int> from) const {
  for (size_t row = 0; row < from.size(); ++row) {
    const auto source = static_cast<size_t>(from[row]);
    if (source < row && from[source] != from[row]) {
      return false;
    }
  }
  return static_cast<int64_t>(from.size()) * capacity_ <= cache_.size(0);
}

// A thread copies some tokens of all rows, so that the order of rows is kept.
void GrowingState::copy_in_place(std::span<const int> from) {
  std::vector<std::pair<int, int>> copies;  // to, from
  for (size_t row = 0; row < from.size(); ++row) {
    if (from[row] != static_cast<int>(row)) {
      copies.emplace_back(static_cast<int>(row), from[row]);
    }
  }
  const int64_t token = cache_.columns();
  float* data = cache_.pointer<float>();
  const auto count = static_cast<int64_t>(copies.size());
  count_copied(count * length_ * token);
  parallel_for(length_, grain_of(count * token), [&](int64_t begin, int64_t end) {
    for (const auto& [to, source] : copies) {
      std::copy_n(data + (int64_t{source} * capacity_ + begin) * token, (end - begin) * token,
                  data + (int64_t{to} * capacity_ + begin) * token);
    }
  });
}

Tensor part_in_heads(const Tensor& joined, int part, const Heads& heads) {
  const std::array<int64_t, 3> strides{joined.stride(0), heads.depth, 1};
  return joined.strided_view({joined.size(0), heads.count, heads.depth}, strides, part * heads.count * heads.depth);
}

Tensor attend_to_past(const Tensor& query, const GrowingState& past, const attention::Options& options) {
  const Heads heads{query.size(1), query.size(2)};
  const Segments queries = Segments::equal(static_cast<int>(query.size(0)), 1);
  const Tensor mixed = attention::scaled_dot(query, part_in_heads(past.cache(), 0, heads),
                                             part_in_heads(past.cache(), 1, heads), queries, past.keys(), options)
                           .out;
  return reshape(mixed, {query.size(0), heads.count * heads.depth});
}

FixedState::FixedState(const Tensor& cache, const Segments& memory, std::span<const int> source_of)
    : cache_(cache), memory_(memory), source_of_(source_of.begin(), source_of.end()) {
  lay_out();
}

void FixedState::reorder(std::span<const int> from) {
  std::vector<int> moved;
  for (const int row : from) {
    moved.push_back(source_of_[static_cast<size_t>(row)]);
  }
  if (moved != source_of_) {
    source_of_ = std::move(moved);
    lay_out();
  }
}

void FixedState::lay_out() {
  std::vector<int64_t> begins;
  std::vector<int> queries, lengths;
  for (size_t row = 0; row < source_of_.size(); ++row) {
    if (row > 0 && source_of_[row] == source_of_[row - 1]) {
      ++queries.back();
      continue;
    }
    begins.push_back(memory_.begin(source_of_[row]));
    lengths.push_back(memory_.length(source_of_[row]));
    queries.push_back(1);
  }
  queries_ = Segments::of_lengths(queries);
  keys_ = Segments::at(std::move(begins), std::move(lengths), cache_.size(0));
}

}  // namespace attune
