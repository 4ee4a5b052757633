#include "attune/decode/fill_mask.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "attune/autograd/tape.h"
#include "attune/ops/linear.h"
#include "attune/ops/softmax.h"

namespace attune {

namespace {

constexpr std::string_view blank = "\xE2\x96\x81";  // U+2581, SentencePiece's visible space

std::string word_of(const Tokenizer& tokenizer, int id) {
  const std::string& piece = tokenizer.piece(id);
  if (piece.starts_with(blank)) {
    return piece == blank ? piece : piece.substr(blank.size());
  }
  const std::vector<int> words = tokenizer.word_of_piece(std::array{id, id});  // one word, or one each
  return words[0] == words[1] ? "##" + piece : piece;
}

std::vector<MaskGuess> best_of(std::span<const float> probabilities, const Tokenizer& tokenizer, int top_k) {
  std::vector<int> order(probabilities.size() - first_ordinary_id);
  std::iota(order.begin(), order.end(), first_ordinary_id);
  const auto count = std::min(order.size(), static_cast<size_t>(top_k));
  const auto better = [&](int a, int b) {
    const float x = probabilities[static_cast<size_t>(a)], y = probabilities[static_cast<size_t>(b)];
    return x != y ? x > y : a < b;
  };
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), order.end(), better);
  std::vector<MaskGuess> guesses;
  for (size_t i = 0; i < count; ++i) {
    guesses.push_back({order[i], word_of(tokenizer, order[i]), probabilities[static_cast<size_t>(order[i])]});
  }
  return guesses;
}

}  // namespace

std::vector<int32_t> masked_text_ids(const Tokenizer& tokenizer, const std::string& text) {
  std::vector<int32_t> ids{cls_id};
  for (const int piece : tokenizer.encode(text)) {
    ids.push_back(piece);
  }
  ids.push_back(sep_id);
  return ids;
}

Tensor read_masked_text(const MaskedLanguageModel& model, std::span<const int32_t> ids, const Pass& pass) {
  const std::vector<int32_t> types(model.config().next_sentence ? ids.size() : 0, 0);
  const Segments whole = Segments::of_lengths(std::array{static_cast<int>(ids.size())});
  return model.encoder()({ids, whole, types}, pass.within("encoder"));
}

std::vector<FilledMask> fill_masks(const MaskedLanguageModel& model, const Tokenizer& tokenizer,
                                   std::span<const int32_t> ids, const Tensor& hidden, int top_k) {
  const NoTape pause;
  std::vector<FilledMask> filled;
  std::vector<int32_t> rows;
  for (size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] == mask_id) {
      filled.push_back({static_cast<int>(i) - 1, {}});
      rows.push_back(static_cast<int32_t>(i));
    }
  }
  if (filled.empty()) {
    return filled;
  }
  const OutputLayer output = model.output();
  const Tensor probabilities = softmax(linear(model.predicted(hidden, rows, {}), output.weight, output.bias));
  const auto width = static_cast<size_t>(probabilities.columns());
  for (size_t i = 0; i < filled.size(); ++i) {
    filled[i].guesses = best_of(probabilities.data<float>().subspan(i * width, width), tokenizer, top_k);
  }
  return filled;
}

std::vector<FilledMask> fill_masks(const MaskedLanguageModel& model, const Tokenizer& tokenizer,
                                   const std::string& text, int top_k) {
  const NoTape pause;
  const std::vector<int32_t> ids = masked_text_ids(tokenizer, text);
  return fill_masks(model, tokenizer, ids, read_masked_text(model, ids, {}), top_k);
}

}  // namespace attune
