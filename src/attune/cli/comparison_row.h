// A row of attune compare: a config with a seed, trained and then measured in a directory of its own. What it has come
// to lies in that directory alone, so that a comparison that was broken off at any moment goes on from there.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "attune/cli/corpus_files.h"
#include "attune/cli/training_run.h"
#include "attune/decode/options.h"

namespace attune::cli {

struct ComparisonRow {
  std::string name;    // in the table, and of the directory
  std::string config;  // the file
  TrainingRun run = {};
  CorpusFiles test = {};      // for BLEU
  SearchOptions search = {};  // of the beam; the greedy search is the same with a beam of 1
  // Of length_buckets(), in words of the source, by which the beam's translations are scored apart.
  std::vector<int> length_bounds = {};
};

struct RowResult {
  std::map<std::string, double> figures = {};  // by the keys of comparison_columns()
  std::string signature = {};                  // BLEU's
  // Checksums of the model and of the texts, and the search: while they are equal, nothing is measured again.
  std::map<std::string, std::string> measured_on = {};

  bool operator==(const RowResult&) const = default;
};

// Throws what makes a row impossible before anything is read.
void check_row(const ComparisonRow& row);

struct RowOutcome {
  RowResult result;
  bool done_before = false;  // neither trained nor measured in this call
};
// Trains, goes on with or finds finished what is in the row's directory, and measures the model where its
// comparison.json does not say it already. Nothing when interrupted. Throws what run_training throws.
std::optional<RowOutcome> run_row(const ComparisonRow& row);

}  // namespace attune::cli
