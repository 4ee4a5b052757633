#include "attune/decode/generator.h"

#include <limits>

#include "attune/base/check.h"
#include "attune/base/option_checks.h"
#include "attune/base/profile.h"
#include "attune/data/text_stream.h"
#include "attune/decode/streamed_text.h"
#include "attune/ops/linear.h"

namespace attune {

namespace {

// Pieces that can be generated behind a prompt: all but the last one are fed to the model.
int64_t room_behind(size_t prompt, const ModelConfig& config) {
  if (!decoder_ends_at_max_positions(config)) {
    return std::numeric_limits<int64_t>::max();
  }
  check(prompt <= static_cast<size_t>(config.max_positions), "prompt: ", prompt,
        " pieces, the line's end in front included, but the model reads at most ", config.max_positions, " (",
        what_ends_at_max_positions(config), ", max-positions); shorten the prompt");
  return config.max_positions - static_cast<int64_t>(prompt) + 1;
}

std::vector<int> never_written(const Tokenizer& tokenizer) {
  std::vector<int> never{unk_id, bos_id};
  if (tokenizer.line_end() != eos_id) {
    never.push_back(eos_id);
  }
  return never;
}

}  // namespace

void check_options(const GenerateOptions& options) {
  check_whole("max-tokens", options.max_tokens, {1, 1'000'000'000});
  check_whole("max-lines", options.max_lines, {0, 1'000'000'000});
  check_options(options.sampling);
}

Generated generate(const LanguageModel& model, const Tokenizer& tokenizer, std::string_view prompt,
                   const GenerateOptions& options, const std::function<void(std::string_view)>& write) {
  check_options(options);
  const ProfileScope scope("generate");
  std::vector<int> read{tokenizer.line_end()};
  const std::vector<int> given = pieces_of_text(prompt, tokenizer);
  read.insert(read.end(), given.begin(), given.end());
  const int64_t room = room_behind(read.size(), model.config());
  Generated result{static_cast<int64_t>(read.size())};

  const auto state = model.start(1);
  Tensor hidden;
  for (const int32_t id : read) {
    hidden = model.step(*state, std::span(&id, 1), {});
  }
  const OutputLayer output = model.output();
  const std::vector<int> never = never_written(tokenizer);
  const Rng rng = Rng(options.sampling.seed).stream("generate");
  StreamedText text(tokenizer, read);
  int lines = 0;
  const auto complete = [&] {
    return result.pieces == options.max_tokens || (options.max_lines > 0 && lines == options.max_lines);
  };
  for (;;) {
    const Tensor logits = linear(hidden, output.weight, output.bias);
    const int32_t next = sample(logits, options.sampling, never, rng.uniform(static_cast<uint64_t>(result.pieces)));
    write(text.add(next));
    lines += next == tokenizer.line_end() ? 1 : 0;
    if (++result.pieces == room || complete()) {
      break;
    }
    hidden = model.step(*state, std::span(&next, 1), {});
  }
  write(text.end());
  if (!complete()) {
    result.cut_short_by = what_ends_at_max_positions(model.config());
  }
  return result;
}

}  // namespace attune
