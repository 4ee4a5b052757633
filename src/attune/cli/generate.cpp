// attune generate: the beginning of a text in, what a language model goes on with out.
#include "attune/base/check.h"
#include "attune/cli/command.h"
#include "attune/cli/console.h"
#include "attune/cli/option_table.h"
#include "attune/data/corpus.h"
#include "attune/decode/generator.h"
#include "attune/models/model_directory.h"
#include "attune/models/task.h"

namespace attune::cli {

namespace {

const About about{"generate", "--model DIR [--prompt TEXT] [flags] [< prompt]",
                  "Goes on with a text: prints what a language model would write behind the prompt, each piece as soon "
                  "as it is there. Without --prompt the prompt is standard input, but for its last line's end. Equal "
                  "seeds give equal texts.",
                  "  attune generate --model my-lm --prompt 'ROMEO:' --max-tokens 300 --temperature 0.8 --top-k 20\n"};

// A text from standard input; the end of its last line is the typist's, not the text's.
std::string read_prompt() {
  say_what_is_read("the prompt");
  std::string prompt;
  LineReader lines("-");
  while (const auto line = lines.next()) {
    prompt += (lines.line() > 1 ? "\n" : "") + *line;
  }
  return prompt;
}

// Ends in a line's end, as all output does.
class Output {
 public:
  void write(std::string_view text) {
    if (!text.empty()) {
      print(text);
      flush_output();
      ends_line_ = text.back() == '\n';
    }
  }
  void end() { print(ends_line_ ? "" : "\n"); }

 private:
  bool ends_line_ = false;
};

void report(const Generated& generated, const ModelConfig& config, double seconds) {
  note("{} pieces in {}, {:.0f} pieces a second, prompt included", with_separators(generated.prompt + generated.pieces),
       duration(seconds), static_cast<double>(generated.prompt + generated.pieces) / std::max(seconds, 1e-3));
  if (!generated.cut_short_by.empty()) {
    warn("cut short after {} pieces: the model reads at most {} ({}, max-positions)", generated.pieces,
         config.max_positions, generated.cut_short_by);
  }
}

}  // namespace

int generate(const Arguments& arguments) {
  std::string directory, prompt;
  int threads = 0;
  GenerateOptions options;
  OptionTable table(about);
  table.add("model", &directory, "a model directory made by attune train --task language_model", {1, 1, "DIR"});
  table.add("prompt", &prompt, "what the text begins with; empty: nothing", {1, 1, "TEXT"});
  table.add("threads", &threads, "0: all cores this process may use");
  table.add_all(options);
  if (table.parse(arguments) == OptionTable::Outcome::help) {
    return success;
  }
  check_options(options);
  use_threads(threads);
  check_usage(!directory.empty(), "--model is missing: the directory of a trained model");
  const ModelConfig config = load_config_for(language_model_task, directory);
  const auto tokenizer = load_tokenizers(directory, config).source;
  LanguageModel model(config);
  load_weights(model, directory);
  if (!table.given("prompt")) {
    prompt = read_prompt();
  }
  const Stopwatch watch;
  Output output;
  const Generated generated =
      attune::generate(model, *tokenizer, prompt, options, [&](std::string_view text) { output.write(text); });
  output.end();
  report(generated, config, watch.seconds());
  return success;
}

}  // namespace attune::cli
