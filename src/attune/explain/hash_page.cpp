// The page of attention by hashing, lsh, one head.
#include "attune/attention/lsh.h"

#include <cmath>

#include "attune/base/check.h"
#include "attune/explain/mechanism_page.h"
#include "attune/ops/matmul.h"
#include "attune/ops/reshape.h"

namespace attune::explain {

namespace {

attention::LshOptions options_of(const Setting& s) {
  return {.causal = s.causal, .rounds = s.lsh_rounds, .chunk = s.lsh_chunk, .sees_itself = s.lsh_sees_itself};
}
// Else all is one chunk, and nothing is hashed.
bool hashes(const Setting& s) {
  return s.lsh_chunk > 0 && s.tokens > s.lsh_chunk;
}
Segments all_of(const Setting& s) {
  return Segments::equal(1, static_cast<int>(s.tokens));
}
// [tokens, 1, rounds], from 0; given: the page's B, from 1, or nothing
Tensor buckets_of(const Tensor& q, const Tensor& given, const Setting& s) {
  if (!hashes(s)) return {};
  if (given) {
    const Shape shape{s.tokens, 1, s.lsh_rounds};
    Tensor buckets = Tensor::empty(shape, DType::int32);
    const int count = attention::lsh_bucket_count(static_cast<int>(s.tokens), options_of(s));
    for (int64_t i = 0; i < shape.elements(); ++i) {
      check(given.at(i) >= 1 && given.at(i) <= count && given.at(i) == std::floor(given.at(i)),
            "lsh: B holds buckets, whole numbers from 1 to ", count, " for ", s.tokens, " tokens; found ", given.at(i));
      buckets.data<int32_t>()[static_cast<size_t>(i)] = static_cast<int32_t>(given.at(i)) - 1;
    }
    return buckets;
  }
  const Tensor rotations =
      attention::lsh_rotations(1, s.depth, static_cast<int>(s.tokens), Rng(s.seed), 0, options_of(s));
  return attention::lsh_buckets(detach(q).viewed({s.tokens, 1, s.depth}), all_of(s), rotations, options_of(s));
}

std::vector<InputSpec> lsh_inputs(const Setting& s) {
  std::vector<InputSpec> list{{"X", {s.tokens, s.width}, false}};
  add_inputs(s, "Wq", "bq", {s.width, s.depth}, list);
  add_inputs(s, "Wv", "bv", {s.width, s.value_depth}, list);
  if (s.draws_given) {
    list.push_back({"B", {s.tokens, s.lsh_rounds}, false});
  }
  return list;
}

Tensor lsh_forward(Calculation& c, const Setting& s) {
  const Tensor x = c.input("X");
  const Tensor q = c.keep("Q", affine(c, s, branch(c, "X_q", x), "Wq", "bq"));
  const Tensor v = c.keep("V", affine(c, s, branch(c, "X_v", x), "Wv", "bv"));
  const Shape pairs{s.tokens, s.tokens};
  c.expect("QK", "S", pairs);
  c.expect("dP", "dP", pairs);
  for (const char* name : {"P", "dS"}) c.expect(name, name, pairs, 0);
  return c.keep(
      "O", reshape(attention::lsh(reshape(q, {s.tokens, 1, s.depth}), reshape(v, {s.tokens, 1, s.value_depth}),
                                  buckets_of(q, s.draws_given ? c.input("B") : Tensor(), s), all_of(s), options_of(s)),
                   {s.tokens, s.value_depth}));
}

// ---- What is laid out from the quantities ---------------------------------------------------------------------------

Tensor keys(const Calculated& run) {
  const Tensor& q = run.values.at("Q");
  Tensor k = q.clone();
  for (int64_t i = 0; i < q.rows(); ++i) {
    double square = 0;
    for (int64_t c = 0; c < q.columns(); ++c) square += q.at(i * q.columns() + c) * q.at(i * q.columns() + c);
    for (int64_t c = 0; c < q.columns() && square > 0; ++c) {
      k.data<double>()[static_cast<size_t>(i * q.columns() + c)] /= std::sqrt(square);
    }
  }
  return k;
}

Tensor buckets(const Calculated& run, const Setting& s) {
  return buckets_of(run.values.at("Q"), s.draws_given ? run.values.at("B") : Tensor(), s);
}

Tensor chunks(const Calculated& run, const Setting& s) {
  return attention::lsh_chunks(buckets(run, s), all_of(s), 1, options_of(s));
}

// [tokens, rounds], counted from 1.
Tensor counted_from_1(const Tensor& numbers) {
  Tensor result = numbers.to(DType::float64).viewed({numbers.size(0), numbers.size(2)}).clone();
  for (double& each : result.data<double>()) each += 1;
  return result;
}

// How many rounds show a token another one, or itself if nothing else; 0: it does not see it.
Tensor shown(const Calculated& run, const Setting& s) {
  const Tensor &scores = run.values.at("S"), in = chunks(run, s);
  const int rounds = s.lsh_rounds, count = static_cast<int>((s.tokens + s.lsh_chunk - 1) / s.lsh_chunk);
  Tensor result = Tensor::zeros(scores.shape(), DType::float64);
  for (int64_t pair = 0; pair < scores.elements(); ++pair) {
    if (std::isnan(scores.at(pair))) continue;
    const int64_t i = pair / s.tokens, j = pair % s.tokens;
    const bool alone = i == j && !s.lsh_sees_itself;
    double times = alone ? 1 : 0;
    for (int64_t r = 0; r < rounds && !alone; ++r) {
      const auto own = static_cast<int>(in.at(i * rounds + r)), other = static_cast<int>(in.at(j * rounds + r));
      times += other == own || other == (own + count - 1) % count ? 1 : 0;
    }
    result.data<double>()[static_cast<size_t>(pair)] = times;
  }
  return result;
}

Tensor keys_gradient(const Calculated& run) {
  return matmul(run.gradients.at("S"), run.values.at("Q"), {.transpose_a = true});
}

// In which bucket and chunk each token lies, and who is shown whom.
void add_hashing(const Setting& s, std::vector<Line>& lines) {
  constexpr Axis tokens = Axis::tokens;
  const std::vector<std::string> numbers{std::to_string(s.lsh_rounds), std::to_string(s.lsh_chunk)};
  lines.push_back({.name = "B",
                   .equation = "B_ir = argmax(Q_i R_r, - Q_i R_r)",
                   .text = "lsh.B",
                   .rows = tokens,
                   .all_rows = true,
                   .value = [s](const Calculated& run) { return counted_from_1(buckets(run, s)); },
                   .arguments = numbers});
  lines.push_back({.name = "C",
                   .equation = "C",
                   .text = "lsh.C",
                   .rows = tokens,
                   .all_rows = true,
                   .value = [s](const Calculated& run) { return counted_from_1(chunks(run, s)); },
                   .arguments = numbers});
  lines.push_back({.name = "N",
                   .equation = "N",
                   .text = s.lsh_sees_itself ? "lsh.N.itself"
                           : s.causal        ? "lsh.N.causal"
                                             : "lsh.N",
                   .rows = tokens,
                   .columns = tokens,
                   .all_rows = true,
                   .value = [s](const Calculated& run) { return shown(run, s); }});
}

void lsh_lines(const Setting& s, Lines& all) {
  constexpr Axis tokens = Axis::tokens;
  const std::string q = plus(s, "bq"), v = plus(s, "bv");
  all.forward = {{"X", "X", "X", "a_i = X_i", tokens, {}, true},
                 {"Wq", "Wq", "lsh.Wq", "", {}, {}, true},
                 {"Wv", "Wv", "attention.Wv", "", {}, {}, true}};
  add_biases(s, {"bq", "bv"}, all.forward);
  append(
      {{"Q", "Q = {X Wq}" + q, "attention.Q", "q_i = {a_i Wq}" + q, tokens},
       {.name = "K", .equation = "K_i = Q_i / |Q_i|", .text = "lsh.K", .rows = tokens, .all_rows = true, .value = keys},
       {"V", "V = {X Wv}" + v, "attention.V", "v_i = {a_i Wv}" + v, tokens, {}, true}},
      all.forward);
  if (hashes(s)) {
    add_hashing(s, all.forward);
  }
  append({{"S", "S = {Q K'}", "lsh.S", "alpha_ij = {q_i k_j'}", tokens, tokens},
          {"P", "P = softmax(S)", "lsh.P", "beta_ij = exp(alpha_ij) / sum_k exp(alpha_ik)", tokens, tokens},
          {"O", "O = {P V}", "attention.O", "b_i = sum_j beta_ij v_j", tokens}},
         all.forward);
  all.output = std::string("O");
  all.backward = {{"dV", "dV = {P' dO}", "attention.dV", "dv_j = sum_i beta_ij db_i", tokens},
                  {"dP", "dP = {dO V'}", "attention.dP", "dbeta_ij = {db_i v_j'}", tokens, tokens}};
  add_jacobian(all.backward, tokens);
  append({{"dS", "dS_ij = P_ij (dP_ij - sum_k dP_ik P_ik)", "attention.dS.softmax", "", tokens, tokens},
          {.name = "dK",
           .equation = "dK = {dS' Q}",
           .text = "attention.dK",
           .vector = "dk_j = sum_i dalpha_ij q_i",
           .rows = tokens,
           .value = keys_gradient},
          {"dQ", "dQ_i = {dS_i K} + (dK_i - ({dK_i K_i'}) K_i) / |Q_i|", "lsh.dQ", "", tokens},
          {"dWq", "dWq = {X' dQ}", "gradient.weight", "dWq = sum_i {a_i' dq_i}"},
          {"dWv", "dWv = {X' dV}", "gradient.weight", "dWv = sum_i {a_i' dv_i}"}},
         all.backward);
  add_bias_backward(s, "q", "Q", all.backward);
  add_bias_backward(s, "v", "V", all.backward);
  append({{"dX_q", "dX_q = {dQ Wq'}", "attention.dX_q", "", tokens},
          {"dX_v", "dX_v = {dV Wv'}", "attention.dX_v", "", tokens},
          {"dX", "dX = dX_q + dX_v", "lsh.dX", "da_i = {dq_i Wq'} + {dv_i Wv'}", tokens}},
         all.backward);
}

}  // namespace

std::span<const MechanismPage> hash_pages() {
  static constexpr MechanismPage::Form form{.causal = true, .long_example = true, .drawn = "B"};
  static constexpr MechanismPage pages[]{{"lsh", lsh_inputs, lsh_forward, lsh_lines, form}};
  return pages;
}

}  // namespace attune::explain
