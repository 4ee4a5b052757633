// attune corpus: writes the corpora that the program makes itself.
#include <set>

#include "attune/base/check.h"
#include "attune/cli/command.h"
#include "attune/cli/console.h"
#include "attune/cli/generated_files.h"
#include "attune/cli/option_table.h"
#include "attune/data/generated_task.h"

namespace attune::cli {

namespace {

std::string list_of_tasks() {
  std::string list;
  for (const GeneratedTask& task : generated_tasks()) {
    list += fmt::format("{}{}: {}", list.empty() ? "" : "; ", task.word, task.purpose);
  }
  return list;
}

const About about{
    "corpus", "--task NAME --directory DIR [flags]",
    "Writes a corpus that is made here. A parallel one: DIR/train, DIR/valid and DIR/test, each as .source and .target "
    "(the grammar's as .en and .vi) and as .align, the gold word alignment (0-0 1-2, words counted from 0); copy and "
    "reverse may have longer sequences in the test than those that are learnt from, which shows what a model makes of "
    "length. Of duplication and listops one .tsv file each, prompt<TAB>completion for a language model and "
    "text<TAB>label for a classifier.",
    "  attune corpus --task reverse --directory reverse --train 50000\n"
    "  attune train --train reverse/train.source reverse/train.target --model reverse/model --tokenizer words \\\n"
    "    --valid reverse/valid.source reverse/valid.target --max-update 2000\n"
    "  attune corpus --task duplication --directory duplication --length 64\n"
    "  attune train --task language_model --completions --train duplication/train.tsv --tokenizer words \\\n"
    "    --valid duplication/valid.tsv --model duplication/model --max-update 2000\n"};

void write_part(const GeneratedTask& task, const std::string& stem, const std::vector<GeneratedPair>& pairs) {
  const FileEndings endings{std::string(task.source_ending), std::string(task.target_ending)};
  const std::string count = with_separators(static_cast<int64_t>(pairs.size()));
  if (endings.target.empty()) {
    write_columns(stem + "." + endings.source, pairs);
    note("{}.{}: {} pairs", stem, endings.source, count);
  } else {
    write_pairs(stem, endings, pairs);
    note("{0}.{1}, {0}.{2}, {0}.align: {3} pairs", stem, endings.source, endings.target, count);
  }
}

void write_corpus(const GeneratedTask& task, const GeneratedTaskOptions& options, const std::string& directory) {
  const GeneratedCorpus corpus = task.make(options);
  make_directory(directory);
  for (const auto& [name, pairs] :
       {std::pair{"train", &corpus.train}, {"valid", &corpus.valid}, {"test", &corpus.test}}) {
    if (!pairs->empty()) {
      write_part(task, directory + "/" + name, *pairs);
    }
  }
}

struct Settings {
  std::string word, directory;
  GeneratedTaskOptions options = {};
};

// With the options that a task has of its own.
void check_given(const OptionTable& table, const GeneratedTask& task) {
  std::set<std::string_view> others;
  for (const GeneratedTask& other : generated_tasks()) {
    others.insert(other.keys.begin(), other.keys.end());
  }
  for (const std::string_view key : task.keys) {
    others.erase(key);
  }
  for (const std::string_view key : others) {
    check_usage(!table.given(std::string(key)), "--", key, ": means nothing to the task ", task.word, "; leave it out");
  }
}

OptionTable::Outcome read_settings(Settings& settings, const Arguments& arguments) {
  OptionTable table(about);
  table.add("task", &settings.word, list_of_tasks(), {1, 1, "NAME"});
  table.add("directory", &settings.directory, "where the files go", {1, 1, "DIR"});
  table.add_all(settings.options);
  const OptionTable::Outcome outcome = table.parse(arguments);
  if (outcome == OptionTable::Outcome::run && !settings.word.empty()) {
    check_given(table, generated_task(settings.word));
  }
  return outcome;
}

}  // namespace

int corpus(const Arguments& arguments) {
  Settings named;
  if (read_settings(named, arguments) == OptionTable::Outcome::help) {
    return success;
  }
  check_usage(!named.word.empty(), "--task is missing; ", list_of_tasks());
  check_usage(!named.directory.empty(), "--directory is missing: where the files go");
  const GeneratedTask& task = generated_task(named.word);
  Settings settings;
  settings.options = task.defaults;  // known only now
  read_settings(settings, arguments);
  check_options(settings.options, task);
  write_corpus(task, settings.options, settings.directory);
  return success;
}

}  // namespace attune::cli
