// attune corpus: writes the corpora that the program makes itself.
#include <array>

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
    "Writes a parallel corpus that is made here: DIR/train, DIR/valid and DIR/test, each as .source and .target (the "
    "grammar's as .en and .vi) and as .align, the gold word alignment (0-0 1-2, words counted from 0). In the test "
    "sequences may be longer than those that are learnt from, which shows what a model makes of length.",
    "  attune corpus --task reverse --directory reverse --train 50000\n"
    "  attune train --train reverse/train.source reverse/train.target --model reverse/model --tokenizer words \\\n"
    "    --valid reverse/valid.source reverse/valid.target --max-update 2000\n"};

void write_corpus(const GeneratedTask& task, const GeneratedTaskOptions& options, const std::string& directory) {
  const GeneratedCorpus corpus = task.make(options);
  const FileEndings endings{std::string(task.source_ending), std::string(task.target_ending)};
  make_directory(directory);
  for (const auto& [name, pairs] :
       {std::pair{"train", &corpus.train}, {"valid", &corpus.valid}, {"test", &corpus.test}}) {
    if (!pairs->empty()) {
      const std::string stem = directory + "/" + name;
      write_pairs(stem, endings, *pairs);
      note("{0}.{1}, {0}.{2}, {0}.align: {3} pairs", stem, endings.source, endings.target,
           with_separators(static_cast<int64_t>(pairs->size())));
    }
  }
}

}  // namespace

int corpus(const Arguments& arguments) {
  std::string word, directory;
  GeneratedTaskOptions options;
  OptionTable table(about);
  table.add("task", &word, list_of_tasks(), {1, 1, "NAME"});
  table.add("directory", &directory, "where the files go", {1, 1, "DIR"});
  table.add_all(options);
  if (table.parse(arguments) == OptionTable::Outcome::help) {
    return success;
  }
  check_usage(!word.empty(), "--task is missing; ", list_of_tasks());
  check_usage(!directory.empty(), "--directory is missing: where the files go");
  const GeneratedTask& task = generated_task(word);
  for (const char* key : {"min-length", "max-length", "test-max-length", "symbols"}) {
    check_usage(task.of_symbols || !table.given(key), "--", key, ": the task ", task.word,
                " makes sentences, not sequences of symbols; leave it out");
  }
  check_options(options, task);
  write_corpus(task, options, directory);
  return success;
}

}  // namespace attune::cli
