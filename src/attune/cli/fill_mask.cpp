// attune fill-mask: text with [MASK] in, the words that a masked language model would put there out.
#include <nlohmann/json.hpp>

#include "attune/base/check.h"
#include "attune/base/option_checks.h"
#include "attune/cli/answers.h"
#include "attune/cli/command.h"
#include "attune/cli/console.h"
#include "attune/cli/option_table.h"
#include "attune/decode/fill_mask.h"
#include "attune/models/model_directory.h"

namespace attune::cli {

namespace {

const About about{"fill-mask", "--model DIR [--top-k N] [flags] < texts",
                  "Reads texts with [MASK] in them from standard input, one a line, and prints for each mask the words "
                  "that the model finds most probable there, with their probabilities. Several masks of a text are "
                  "guessed apart, each with the others masked. ##ing is a piece that goes on with the word before it.",
                  "  echo 'the capital of [MASK] is paris .' | attune fill-mask --model my-masked-lm --top-k 3\n"};

using Masks = std::vector<FilledMask>;

// The text, and below it a line for each mask.
std::string as_text(const std::string& text, const Masks& masks) {
  std::string shown = text + "\n";
  for (size_t i = 0; i < masks.size(); ++i) {
    shown += fmt::format("  mask {}:", i + 1);
    for (const MaskGuess& guess : masks[i].guesses) {
      shown += fmt::format(" {} {:.4f}", guess.word, guess.probability);
    }
    shown += '\n';
  }
  return shown;
}

std::string as_json(const std::string& text, const Masks& masks, const Tokenizer& tokenizer) {
  nlohmann::ordered_json json{{"text", text}, {"masks", nlohmann::ordered_json::array()}};
  for (const FilledMask& mask : masks) {
    nlohmann::ordered_json guesses = nlohmann::ordered_json::array();
    for (const MaskGuess& guess : mask.guesses) {
      guesses.push_back(
          {{"word", guess.word}, {"piece", tokenizer.piece(guess.piece)}, {"probability", guess.probability}});
    }
    json["masks"].push_back({{"position", mask.position}, {"guesses", guesses}});
  }
  return line_of(json);
}

}  // namespace

int fill_mask(const Arguments& arguments) {
  std::string directory, format = "text";
  int top_k = 5, threads = 0;
  OptionTable table(about);
  table.add("model", &directory, "a model directory made by attune train --task masked_language_model", {1, 1, "DIR"});
  table.add("top-k", &top_k, "words for each mask");
  table.add("threads", &threads, "0: all cores this process may use");
  table.add("format", &format, "text, or json: one object a line", {1, 1, "NAME"});
  if (table.parse(arguments) == OptionTable::Outcome::help) {
    return success;
  }
  const bool json = wants_json(format);
  use_threads(threads);
  check_usage(!directory.empty(), "--model is missing: the directory of a trained model");
  check_whole("top-k", top_k, {1, 1'000'000});
  const ModelConfig config = load_config_for("masked_language_model", directory);
  const auto tokenizer = load_tokenizers(directory, config).source;
  MaskedLanguageModel model(config);
  load_weights(model, directory);

  answer_lines("texts", [&](const std::string& text, const std::string& where) {
    const Masks masks = fill_masks(model, *tokenizer, text, top_k);
    check(!masks.empty(), where, ": expected a text with [MASK] in it, got \"", text, "\"");
    return json ? as_json(text, masks, *tokenizer) : as_text(text, masks);
  });
  return success;
}

}  // namespace attune::cli
