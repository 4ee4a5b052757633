// What training on labels has in common, whatever is labelled.
#pragma once

#include <string>
#include <vector>

#include "attune/cli/training_run.h"
#include "attune/data/batches.h"
#include "attune/data/labels.h"
#include "attune/models/encoder_model.h"
#include "attune/train/label_scores.h"

namespace attune::cli {

// Throws unless --train and, where given, --valid are one file each; form: "text<TAB>label".
void check_one_file(const TrainingRun& run, const char* form);
// The number of labels becomes the config's; one that says otherwise is for other data.
void set_labels(ModelConfig& config, const Labels& labels);
// The examples that are not longer than so many pieces (0: all). Throws when none is.
std::vector<size_t> short_enough(const std::vector<Example>& examples, int longest);

void say_what_was_read_of(const Batcher& data, const char* things, const TrainingRun& run);
void say_labels_and_model(const EncoderModel& model, const Labels& labels, int batches);
void say_report(const LabelScore& score, const Labels& labels);

}  // namespace attune::cli
