// Random rotations, buckets, and the sorted order that follows from them.
#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "attune/attention/lsh_items.h"
#include "attune/attention/products-inl.h"
#include "attune/base/parallel.h"
#include "attune/base/profile.h"

namespace attune::attention {

namespace {

constexpr int largest_digit = 64;

// size^digits, or the most that an int holds
int64_t numbers(const LshDigits& digits) {
  int64_t result = 1;
  for (int d = 0; d < digits.digits; ++d) {
    result = std::min<int64_t>(result * digits.size, std::numeric_limits<int>::max());
  }
  return result;
}

int columns_for(int longest, const LshOptions& options) {
  int columns = 1;
  const int step = std::max(options.chunk, 1);
  for (int64_t tokens = 1; tokens < int64_t{longest} + step; tokens += step) {
    const int shorter = static_cast<int>(std::min<int64_t>(tokens, longest));
    columns = std::max(columns, lsh_digits(shorter, options).columns());
  }
  return columns;
}

// One row's bucket from its columns. The largest |x| decides, the lowest column among equals; numbers of one sign are
// ordered as their bits are.
int32_t bucket_of(const float* columns, const LshDigits& digits) {
  const int half = digits.size / 2;
  int32_t bucket = 0;
  for (int d = 0; d < digits.digits; ++d, columns += half) {
    int32_t largest = 0;
    for (int c = 0; c < half; ++c) {
      largest = std::max(largest, std::bit_cast<int32_t>(columns[c]) & std::numeric_limits<int32_t>::max());
    }
    int at = 0;
    while ((std::bit_cast<int32_t>(columns[at]) & std::numeric_limits<int32_t>::max()) != largest) ++at;
    bucket = bucket * digits.size + (columns[at] < 0 ? at + half : at);
  }
  return bucket;
}

// Rows that belong to sequences of one length.
struct Stretch {
  int64_t begin, count;
  LshDigits digits;
};

void append_stretches(int64_t begin, int64_t count, const LshDigits& digits, std::vector<Stretch>& to) {
  constexpr int64_t tallest = 256;  // rows whose columns stay in the cache
  for (int64_t first = 0; first < count; first += tallest) {
    to.push_back({begin + first, std::min(tallest, count - first), digits});
  }
}

Tensor hashed(const Tensor& given, const std::vector<Stretch>& stretches, const Tensor& rotations) {
  const ProfileScope scope("lsh_buckets");
  check(given.rank() == 3 && rotations.rank() == 4 && rotations.size(0) == given.size(1) &&
            rotations.size(3) == given.size(2),
        "lsh: q ", given.shape(), " and rotations ", rotations.shape(),
        ", expected [rows, heads, depth] and [heads, rounds, columns, depth]");
  for (const Stretch& stretch : stretches) {
    check(stretch.digits.columns() <= rotations.size(2), "lsh: ", numbers(stretch.digits), " buckets take ",
          stretch.digits.columns(), " columns of a rotation, it has ", rotations.size(2));
  }
  const Tensor q = given.to(DType::float32);
  const int64_t heads = q.size(1), depth = q.size(2), rounds = rotations.size(1), columns = rotations.size(2);
  Tensor buckets = Tensor::zeros({q.size(0), heads, rounds}, DType::int32);
  int32_t* to = buckets.pointer<int32_t>();
  parallel_items(static_cast<int64_t>(stretches.size()) * heads, [&](int64_t item) {
    const Stretch& at = stretches[static_cast<size_t>(item / heads)];
    const int64_t head = item % heads, wide = rounds * columns;
    const Tensor turned = Tensor::empty({at.count, wide});
    const float* x = turned.pointer<float>();
    Products products;
    products({q.pointer<float>() + at.begin * q.stride(0) + head * q.stride(1), at.count, depth, q.stride(0)},
             {rotations.pointer<float>() + head * wide * depth, wide, depth, depth, true},
             {const_cast<float*>(x), at.count, wide, wide});
    for (int64_t row = 0; row < at.count; ++row) {
      for (int64_t round = 0; round < rounds; ++round) {
        to[((at.begin + row) * heads + head) * rounds + round] = bucket_of(x + row * wide + round * columns, at.digits);
      }
    }
  });
  return buckets;
}

}  // namespace

LshCut lsh_cut(int tokens, const LshOptions& options) {
  const int64_t chunk = options.chunk == 0 ? std::max(tokens, 1) : options.chunk;
  return {tokens, std::max<int64_t>(1, (tokens + chunk - 1) / chunk)};
}

LshDigits lsh_digits(int tokens, const LshOptions& options) {
  const int64_t wanted = 2 * lsh_cut(tokens, options).chunks;
  LshDigits digits{1, 0};
  while (true) {
    const double root = std::pow(static_cast<double>(wanted), 1.0 / digits.digits);
    digits.size = std::max(2, 2 * static_cast<int>(root / 2));
    while (numbers(digits) < wanted) digits.size += 2;
    if (digits.size <= largest_digit) return digits;
    ++digits.digits;
  }
}

int lsh_bucket_count(int tokens, const LshOptions& options) {
  return static_cast<int>(numbers(lsh_digits(tokens, options)));
}

Tensor lsh_rotations(int64_t heads, int64_t depth, int longest, const Rng& rng, int64_t draw,
                     const LshOptions& options) {
  check(heads >= 1 && depth >= 1 && longest >= 0 && draw >= 0 && options.rounds >= 1 && options.chunk >= 0,
        "lsh_rotations: ", heads, " heads of ", depth, ", ", longest, " tokens, draw ", draw, ", ", options.rounds,
        " rounds, chunks of ", options.chunk, ": expected at least 1, 1, 0, 0, 1 and 0");
  const int64_t columns = columns_for(longest, options), rounds = options.rounds;
  Tensor rotations = Tensor::empty({heads, rounds, columns, depth});
  const Rng drawn = rng.stream("lsh rotations").stream(static_cast<uint64_t>(draw));
  float* to = rotations.pointer<float>();
  parallel_for(heads * rounds, 1, [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      const Rng own = drawn.stream(static_cast<uint64_t>(item / rounds)).stream(static_cast<uint64_t>(item % rounds));
      for (int64_t e = 0; e < columns * depth; ++e) {
        to[item * columns * depth + e] = static_cast<float>(own.normal(static_cast<uint64_t>(e)));
      }
    }
  });
  return rotations;
}

Tensor lsh_buckets(const Tensor& q, const Segments& segments, const Tensor& rotations, const LshOptions& options) {
  check(q.rank() == 3 && q.size(0) == segments.rows(), "lsh: q ", q.shape(), ", expected [", segments.rows(),
        ", heads, depth] to fit the segments");
  std::vector<Stretch> stretches;
  for (int s = 0; s < segments.count(); ++s) {
    append_stretches(segments.begin(s), segments.length(s), lsh_digits(segments.length(s), options), stretches);
  }
  return hashed(q, stretches, rotations);
}

Tensor lsh_buckets(const Tensor& q, int tokens, const Tensor& rotations, const LshOptions& options) {
  std::vector<Stretch> stretches;
  append_stretches(0, q.size(0), lsh_digits(tokens, options), stretches);
  return hashed(q, stretches, rotations);
}

// ---- Sorting --------------------------------------------------------------------------------------------------------

LshOrder::LshOrder(const Tensor& buckets, const Segments& segments, int64_t heads, const LshOptions& options)
    : segments_(segments), options_(options), heads_(heads) {
  const ProfileScope scope("lsh_sort");
  check(options.rounds >= 1 && options.chunk >= 0, "lsh: ", options.rounds, " rounds and chunks of ", options.chunk,
        ", expected at least 1 and 0 (one chunk)");
  const bool hashes = lsh_cut(segments.longest(), options).chunks > 1;
  check(!hashes || (buckets && buckets.dtype() == DType::int32 && buckets.contiguous() &&
                    buckets.shape() == Shape{segments.rows(), heads, options.rounds}),
        "lsh: buckets ", buckets.shape(), ", expected int32 [", segments.rows(), ", ", heads, ", ", options.rounds,
        "]: rows, heads, rounds");
  positions_ = Tensor::empty({heads, options.rounds, segments.rows()}, DType::int32);
  chunks_ = Tensor::empty(positions_.shape(), DType::int32);
  parallel_items(segments.count() * heads * options.rounds, [&](int64_t item) {
    const int sequence = static_cast<int>(item / options.rounds / heads);
    const int round = static_cast<int>(item % options.rounds);
    if (round < rounds(sequence)) sort(buckets, sequence, item / options.rounds % heads, round);
  });
}

// By counting: first how many tokens each bucket has, then where the next of it stands.
void LshOrder::sort(const Tensor& buckets, int sequence, int64_t head, int round) {
  const LshCut cut = this->cut(sequence);
  auto* positions = const_cast<int32_t*>(this->positions(sequence, head, round));
  auto* chunks = const_cast<int32_t*>(this->chunks(sequence, head, round));
  const auto length = static_cast<int32_t>(cut.tokens);
  if (cut.chunks == 1) {
    for (int32_t i = 0; i < length; ++i) positions[i] = i, chunks[i] = 0;
    return;
  }
  const int count = lsh_bucket_count(length, options_);
  const int64_t distance = heads_ * options_.rounds;
  const int32_t* given =
      buckets.pointer<int32_t>() + segments_.begin(sequence) * distance + head * options_.rounds + round;
  std::vector<int32_t> next(static_cast<size_t>(count) + 1);
  for (int64_t i = 0; i < length; ++i) {
    const int32_t bucket = given[i * distance];
    check(bucket >= 0 && bucket < count, "lsh: a token of a sequence of ", length, " is in bucket ", bucket,
          ", expected 0 ... ", count - 1);
    ++next[static_cast<size_t>(bucket) + 1];
  }
  for (size_t b = 1; b < next.size(); ++b) next[b] += next[b - 1];
  for (int32_t i = 0; i < length; ++i) positions[next[static_cast<size_t>(given[i * distance])]++] = i;
  for (int64_t t = 0; t < cut.chunks; ++t) {
    for (int64_t place = cut.begin(t); place < cut.begin(t + 1); ++place) {
      chunks[positions[place]] = static_cast<int32_t>(t);
    }
  }
}

Tensor lsh_chunks(const Tensor& buckets, const Segments& segments, int64_t heads, const LshOptions& options) {
  const LshOrder order(buckets, segments, heads, options);
  Tensor result = Tensor::zeros({segments.rows(), heads, options.rounds}, DType::int32);
  int32_t* to = result.pointer<int32_t>();
  for (int s = 0; s < segments.count(); ++s) {
    for (int64_t i = 0; i < segments.length(s); ++i) {
      for (int64_t each = 0; each < heads * order.rounds(s); ++each) {
        const int64_t head = each / order.rounds(s), round = each % order.rounds(s);
        to[((segments.begin(s) + i) * heads + head) * options.rounds + round] =
            order.chunks(s, head, static_cast<int>(round))[i];
      }
    }
  }
  return result;
}

}  // namespace attune::attention
