#include "attune/nn/lsh_mixer.h"

#include <algorithm>
#include <numeric>

#include "attune/nn/attention_state.h"

namespace attune {

namespace {

constexpr uint64_t evaluation_seed = 0;

}  // namespace

// Queries and values of what each row has read, and the buckets of its queries.
struct HashedPast : MixerState {
  explicit HashedPast(int rows) : read(rows) {}

  void reorder(std::span<const int> from) override {
    read.reorder(from);
    std::vector<int> same(from.size());
    std::iota(same.begin(), same.end(), 0);
    if (!std::equal(from.begin(), from.end(), same.begin())) buckets = {};
  }

  GrowingState read;
  Tensor rotations;  // for sequences of up to rotated_for tokens
  int rotated_for = 0;
  Tensor buckets;        // as rows lie in `read`; not given: to be computed for all of them
  int bucket_count = 0;  // that they are numbered by
};

LshMixer::LshMixer(const MixerOptions& options) : ProjectedMixer("lsh", options, Keys::queries), layer_(options.layer) {
  options_.causal = options.causal;
  options_.rounds = options.lsh.rounds;
  options_.chunk = options.lsh.chunk;
  options_.sees_itself = options.lsh.sees_itself;
}

Tensor LshMixer::rotations(int longest, const Pass& pass) const {
  const Rng rng = pass.dropout ? pass.dropout->stream("hashes") : Rng(evaluation_seed);
  return attention::lsh_rotations(heads_, depth_, longest, rng, pass.dropout ? 0 : layer_, options_);
}

Tensor LshMixer::buckets(const Rows& rows, const Pass& pass) const {
  const int longest = rows.segments.longest();
  return hashes(longest) ? attention::lsh_buckets(rows.q, rows.segments, rotations(longest, pass), options_) : Tensor();
}

Tensor LshMixer::attend(const Rows& rows, const Pass& pass) const {
  return attention::lsh(rows.q, rows.v, buckets(rows, pass), rows.segments, options_);
}

LshMixer::Parts LshMixer::parts(const Rows& of_one) const {
  const Tensor hashed = buckets(of_one, {});
  if (!hashed) return {};
  return {{"buckets", by_head(hashed)},
          {"chunks", by_head(attention::lsh_chunks(hashed, of_one.segments, heads_, options_))}};
}

std::unique_ptr<MixerState> LshMixer::start(int rows) const {
  return std::make_unique<HashedPast>(rows);
}

void LshMixer::update_buckets(const Tensor& q, HashedPast& past) const {
  const Segments read = past.read.keys();
  const int length = past.read.length(), count = attention::lsh_bucket_count(length, options_);
  if (length > past.rotated_for) {
    past.rotated_for = std::max(2 * length, 256);
    past.rotations = rotations(past.rotated_for, {});
  }
  if (!past.buckets || past.buckets.size(0) != read.rows() || past.bucket_count != count) {
    past.buckets =
        attention::lsh_buckets(part_in_heads(past.read.cache(), 0, {heads_, depth_}), read, past.rotations, options_);
    past.bucket_count = count;
    return;
  }
  const Tensor added = attention::lsh_buckets(q, length, past.rotations, options_);
  for (int row = 0; row < read.count(); ++row) {
    past.buckets.rows_view(read.begin(row) + length - 1, 1).copy_from(added.rows_view(row, 1));
  }
}

Tensor LshMixer::step(const Tensor& x, MixerState& state, const Pass& pass) const {
  auto& past = dynamic_cast<HashedPast&>(state);
  const auto [q, k, v] = project_step(x, pass);
  past.read.append({q, v});
  if (hashes(past.read.length())) update_buckets(q, past);
  const Heads heads{heads_, depth_};
  const Tensor &cache = past.read.cache(), queries = part_in_heads(cache, 0, heads),
               values = part_in_heads(cache, 1, heads);
  return put_out(attention::lsh_last(queries, values, past.buckets, past.read.keys(), options_), pass);
}

MixerCost LshMixer::cost(const MixerOptions& options, int length) {
  const int64_t width = options.width, rounds = options.lsh.rounds;
  const bool one = options.lsh.chunk == 0 || length <= options.lsh.chunk;
  const int64_t seen = one ? length : rounds * std::min(2 * options.lsh.chunk, length);
  MixerCost cost = projected_cost(options);
  cost.per_key -= width * width;  // keys are the queries
  cost.per_query += 2 * width * seen;
  cost.kept += options.heads * (1 + 2 * rounds) - width;  // the logarithm of each head's sum, and the order
  cost.readers = 2;
  return cost;
}

}  // namespace attune
