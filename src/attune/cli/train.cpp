// attune train: parallel text in, a model directory out.
#include "attune/base/check.h"
#include "attune/cli/command.h"
#include "attune/cli/console.h"
#include "attune/cli/interrupt.h"
#include "attune/cli/option_table.h"
#include "attune/cli/training_log.h"
#include "attune/cli/training_run.h"

namespace attune::cli {

namespace {

const About about{
    "train", "--train FILE... --model DIR [--valid FILE...] [--task NAME] [--config FILE] [flags]",
    "Trains a model on parallel text: two files with one sentence a line, plain or gzip, or one file of "
    "source<TAB>target. With --task language_model on plain text, every piece of it predicted from those before it, or "
    "with --completions on lines of prompt<TAB>completion; with masked_language_model on plain text, where blank lines "
    "or WikiText's headings stand between documents; with classification on lines of text<TAB>label, with tagging on "
    "lines of word<TAB>tag and blank lines between sentences, with image_classification on idx files of images and "
    "labels. Ctrl-C saves; the same command goes on from there, and ends with the same model as if nothing had "
    "happened. Progress goes to standard error and, in full, to DIR/training.jsonl.",
    "  attune train --train demo/train.en demo/train.vi --valid demo/valid.en demo/valid.vi --model my-model \\\n"
    "    --tokenizer words --joint-vocabulary=false --encoder-layers 2 --decoder-layers 2 --width 64 --heads 4 \\\n"
    "    --feed-forward 256 --warmup-updates 200 --max-update 500\n"
    "  attune train --task masked_language_model --train demo/train.en --valid demo/valid.en --model my-masked-lm \\\n"
    "    --tokenizer words --sequence-length 32 --encoder-layers 2 --width 64 --heads 4 --feed-forward 256 \\\n"
    "    --warmup-updates 200 --max-update 500\n"};

void say_how_it_ended(const TrainResult& result, const std::string& directory) {
  if (result.already_finished) {
    note("{}: this run has finished (update {}); raise its limit to go on, or train into another directory", directory,
         with_separators(result.update));
    return;
  }
  const std::string where =
      fmt::format("update {}, {} of training", with_separators(result.update), duration(result.seconds));
  if (result.interrupted) {
    note("interrupted and saved at {}; the same command goes on from there", where);
    return;
  }
  std::string valid;
  if (result.best_valid_nll) {
    valid = fmt::format("; best validation nll {:.4f} at update {}", *result.best_valid_nll,
                        with_separators(result.best_update));
  }
  if (result.baseline) {
    valid += "; " + text_of(*result.baseline);
  }
  note("done at {} ({}){}\nmodel: {}", where, result.stopped_by, valid, directory);
}

}  // namespace

int train(const Arguments& arguments) {
  TrainingRun run;
  OptionTable table(about);
  add_run(table, run);
  table.add("model", &run.directory, "the model's directory; an unfinished run in it is resumed", {1, 1, "DIR"});
  table.add_config_file();
  table.section("The training");
  table.add_all(run.options);
  table.add_model(run.config);
  if (table.parse(arguments) == OptionTable::Outcome::help) {
    return success;
  }
  adopt_settings(run, table);
  check_usage(!run.directory.empty(), "--model is missing: the directory for the model");
  const TrainResult result = run_training(run);
  say_how_it_ended(result, run.directory);
  return result.interrupted ? InterruptGuard::exit_code() : success;
}

}  // namespace attune::cli
