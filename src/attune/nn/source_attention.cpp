#include "attune/nn/source_attention.h"

#include <array>

#include "attune/attention/additive.h"
#include "attune/attention/dot.h"
#include "attune/attention/local.h"
#include "attune/attention/location.h"
#include "attune/attention/scaled_dot.h"
#include "attune/autograd/tape.h"
#include "attune/base/option_checks.h"
#include "attune/ops/activation.h"
#include "attune/ops/reshape.h"

namespace attune {

namespace {

constexpr std::array<std::pair<std::string_view, Score>, 5> scores{{{"additive", Score::additive},
                                                                    {"dot", Score::dot},
                                                                    {"general", Score::general},
                                                                    {"concat", Score::concat},
                                                                    {"location", Score::location}}};
constexpr std::array<std::pair<std::string_view, Reach>, 3> reaches{
    {{"global", Reach::global}, {"local-m", Reach::local_monotonic}, {"local-p", Reach::local_predictive}}};

std::vector<std::string_view> words_of(const auto& known) {
  std::vector<std::string_view> words;
  for (const auto& [word, value] : known) words.push_back(word);
  return words;
}

// One head of scale 1.
Tensor all_at_once(const Tensor& query, const SourceAttention::Memory& memory, const attention::ReadOptions& options) {
  const auto one_head = [](const Tensor& x) { return reshape(x, {x.size(0), 1, x.size(1)}); };
  const Tensor out = attention::scaled_dot(one_head(query), one_head(memory.keys), one_head(memory.values),
                                           options.queries, options.keys, {.scale = 1.0})
                         .out;
  return reshape(out, {out.size(0), out.size(2)});
}

}  // namespace

Score score_of_name(std::string_view name) {
  return entry_of_word("cross-mixer", name, scores, &std::pair<std::string_view, Score>::first).second;
}

Reach reach_of_name(std::string_view name) {
  return entry_of_word("attention-window", name, reaches, &std::pair<std::string_view, Reach>::first).second;
}

std::vector<std::string_view> score_names() {
  return words_of(scores);
}

std::vector<std::string_view> reach_names() {
  return words_of(reaches);
}

SourceAttention::SourceAttention(const SourceAttentionOptions& settings) : options(settings) {
  const auto matrix = [&](int64_t in, int64_t out) { return Linear({in, out, false}, settings.initialiser); };
  switch (settings.score) {
    case Score::additive:
    case Score::concat:
      query = matrix(settings.query, settings.depth);
      key = matrix(settings.memory, settings.depth);
      vector = Parameter({settings.depth}, {Initialiser::Kind::lecun_uniform, 0});
      break;
    case Score::general:
      key = matrix(settings.memory, settings.query);
      break;
    case Score::location:
      query = matrix(settings.query, settings.positions);
      break;
    case Score::dot:
      check(settings.query == settings.memory, "SourceAttention: dot needs states and annotations of one width, got ",
            settings.query, " and ", settings.memory);
      break;
  }
  if (settings.reach == Reach::local_predictive) {
    centre = matrix(settings.query, settings.query);
    centre_vector = matrix(settings.query, 1);
  }
}

SourceAttention::Memory SourceAttention::read(const Tensor& annotations, const Pass& pass) const {
  switch (options.score) {
    case Score::dot:
      return {annotations, annotations};
    case Score::location:
      return {{}, annotations};
    default:
      return {key(annotations, pass), annotations};
  }
}

SourceAttentionSteps::SourceAttentionSteps(const SourceAttention& attention, const Pass& pass)
    : attention_(attention), pass_(pass) {
  if (attention.query.weight) {
    query_ = StepLinear(attention.query.weight, {}, pass.compute);
  }
  if (attention.centre.weight) {
    centre_ = StepLinear(attention.centre.weight, {}, pass.compute);
    centre_vector_ = StepLinear(attention.centre_vector.weight, {}, pass.compute);
  }
}

attention::Window SourceAttentionSteps::window(const Tensor& states, const SourceQueries& at) const {
  const SourceAttentionOptions& options = attention_.options;
  switch (options.reach) {
    case Reach::local_monotonic:
      return {attention::monotonic_centre(at.queries, at.sources, at.first, states.dtype()), options.window, false};
    case Reach::local_predictive:
      return {attention::predicted_centre(sigmoid(centre_vector_(tanh(centre_(states)))), at.queries, at.sources),
              options.window, true};
    default:
      return {};
  }
}

attention::SourceRead SourceAttentionSteps::operator()(const Tensor& states, const SourceAttention::Memory& memory,
                                                       const SourceQueries& at) const {
  attention::SourceRead result = read(states, memory, at);
  pass_.offer("input", states);
  pass_.offer("values", memory.values);
  pass_.offer("mixed", result.context);
  return result;
}

attention::SourceRead SourceAttentionSteps::read(const Tensor& states, const SourceAttention::Memory& memory,
                                                 const SourceQueries& at) const {
  const attention::ReadOptions options{at.queries, at.sources, window(states, at)};
  switch (attention_.options.score) {
    case Score::additive:
    case Score::concat:
      return attention::additive(query_(states), memory.keys, attention_.vector, memory.values, options);
    case Score::location:
      check(at.sources.longest() <= attention_.options.positions, "cross-mixer location: a source has ",
            at.sources.longest(), " tokens, but the model was made for max-positions = ", attention_.options.positions,
            "; train with a larger max-positions or leave out longer sentences");
      return attention::location(query_(states), memory.values, options);
    default:
      break;
  }
  if (!at.whole || options.window.centre) {
    return attention::dot(states, memory.keys, memory.values, options);
  }
  attention::SourceRead result{all_at_once(states, memory, options), {}};
  if (pass_.probe != nullptr) {
    const NoTape aside;
    result.weights = attention::dot(states, memory.keys, memory.values, options).weights;
  }
  return result;
}

}  // namespace attune
