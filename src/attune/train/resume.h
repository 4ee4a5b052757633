// What must be the same for a run to go on, and finding out what is not.
#pragma once

#include <map>
#include <string>

#include "attune/data/batches.h"
#include "attune/models/config.h"
#include "attune/train/options.h"

namespace attune {

// Every option and config key, the caller's identity, and a checksum of the training examples.
std::map<std::string, std::string> run_config(const TrainOptions& options, const ModelConfig& model,
                                              const std::vector<Example>& examples,
                                              const std::map<std::string, std::string>& identity);

// Throws a UsageError that names every key whose value differs, except those that may (resumable_keys).
void check_same_run(const std::map<std::string, std::string>& saved, const std::map<std::string, std::string>& now,
                    const TrainOptions& options, const std::string& where);

}  // namespace attune
