// What must be the same for a run to go on, and finding out what is not.
#pragma once

#include <initializer_list>
#include <map>
#include <string>

#include "attune/models/config.h"
#include "attune/train/options.h"

namespace attune {

// Every option and config key, what the objective and the caller say of themselves.
using Identity = std::map<std::string, std::string>;
std::map<std::string, std::string> run_config(const TrainOptions& options, const ModelConfig& model,
                                              std::initializer_list<Identity> identities);

// Throws a UsageError that names every key whose value differs, except those that may (resumable_keys). A key
// that is younger than the saved run had its default.
void check_same_run(const std::map<std::string, std::string>& saved, const std::map<std::string, std::string>& now,
                    const TrainOptions& options, const std::string& where);

}  // namespace attune
