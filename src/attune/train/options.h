// How a model is trained: keys of the config file and flags of the command line. The keys are listed once, in visit(),
// with their help; check_options() refuses what cannot work before anything is loaded.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "attune/base/dtype.h"
#include "attune/data/batches.h"

namespace attune {

struct TrainOptions {
  uint64_t seed = 1;
  int threads = 0;
  int max_update = 0, max_epoch = 30;
  double max_minutes = 0;
  int batch_tokens = 4096, update_freq = 1;
  int max_train_length = 256;
  int sequence_length = 128;
  bool completions = false;
  bool whole_word_masking = false;
  int shift = 0;
  std::string optimizer = "adam";
  double lr = 1e-3;
  std::string lr_scheduler = "inverse_sqrt";
  int warmup_updates = 4000;
  double min_lr = 0, lr_shrink = 0.5;
  double adam_beta1 = 0.9, adam_beta2 = 0.98, adam_epsilon = 1e-9;
  double weight_decay = 0;
  double momentum = 0.9;
  bool nesterov = false;
  double clip_norm = 1;
  double label_smoothing = 0.1, word_dropout = 0;
  double ema_decay = 0;
  int average_last = 0;
  int patience = 0;
  int log_freq = 100, save_freq = 1000, valid_freq = 0;
  int keep_last = 0;
  bool keep_best = false;
  std::string compute_type = "float32";
  bool valid_bleu = false;
  int valid_beam_size = 1;

  template <class Self, class Each>
  static void visit(Self& self, Each&& each) {
    each("seed", self.seed, "equal seeds give equal files, whatever the number of threads");
    each("threads", self.threads, "0: all cores this process may use");
    each("max-update", self.max_update, "stop after so many updates; 0: no limit");
    each("max-epoch", self.max_epoch, "stop after so many passes over the data; 0: no limit");
    each(
        "max-minutes", self.max_minutes,
        "stop after so many minutes spent in updates, those before an interruption too; 0: no limit. Where it falls is "
        "up to the clock, so that no two such runs are equal");
    each("batch-tokens", self.batch_tokens, "target tokens a batch at most; a longer sentence is a batch of its own");
    each("update-freq", self.update_freq, "batches whose gradients are summed for one update");
    each("max-train-length", self.max_train_length,
         "longer sentence pairs (pieces) are left out, and counted; 0: no limit");
    each("sequence-length", self.sequence_length,
         "language models, masked or not: pieces of a sequence that text is cut into, special ones included; of "
         "completions longer lines are left out");
    each("completions", self.completions,
         "language models: each line is prompt<TAB>completion, a text of its own; predicted is the completion alone");
    each("whole-word-masking", self.whole_word_masking, "mask all pieces of a word or none");
    each("shift", self.shift,
         "image classification: each image is moved by up to so many pixels up or down and left or right, anew each "
         "epoch");
    each("optimizer", self.optimizer, "adam, adamw or sgd");
    each("lr", self.lr,
         "peak learning rate; with lr-scheduler transformer the factor before the formula (1 in the paper)");
    each("lr-scheduler", self.lr_scheduler,
         "inverse_sqrt, transformer, cosine, linear, constant or plateau; cosine and linear end with max-update or, "
         "without it, with max-minutes");
    each("warmup-updates", self.warmup_updates, "updates over which the learning rate rises linearly");
    each("min-lr", self.min_lr, "the learning rate does not fall below this after the warm-up");
    each("lr-shrink", self.lr_shrink, "plateau: factor after each validation without improvement");
    each("adam-beta1", self.adam_beta1, "decay of the first moment");
    each("adam-beta2", self.adam_beta2, "decay of the second moment");
    each("adam-epsilon", self.adam_epsilon, "added to the root of the second moment");
    each("weight-decay", self.weight_decay, "adamw: decoupled from the gradient; adam and sgd: added to it");
    each("momentum", self.momentum, "sgd");
    each("nesterov", self.nesterov, "sgd: look ahead along the momentum");
    each("clip-norm", self.clip_norm, "largest norm of the whole gradient (per token); 0: no clipping");
    each("label-smoothing", self.label_smoothing, "share of the target distribution spread over all classes");
    each("word-dropout", self.word_dropout,
         "share of the target words read in training that become <unk>, so that the source must be looked at");
    each("ema-decay", self.ema_decay,
         "moving average of the weights, which becomes the model, e.g. 0.999 (less at the start); 0: off");
    each("average-last", self.average_last, "the model is the mean of so many last checkpoints; 0: off");
    each("patience", self.patience, "stop after so many validations without improvement; 0: off");
    each("log-freq", self.log_freq, "updates between reports");
    each("save-freq", self.save_freq, "updates between checkpoints; 0: at the end of each epoch");
    each("valid-freq", self.valid_freq, "updates between validations; 0: at the end of each epoch");
    each("keep-last", self.keep_last, "besides the two newest checkpoints, keep the weights of so many older ones");
    each("keep-best", self.keep_best, "the model is the best validation's, not the last one's");
    each("compute-type", self.compute_type, "of matrix products: float32 or bfloat16");
    each("valid-bleu", self.valid_bleu, "translate the validation set at each validation and score it");
    each("valid-beam-size", self.valid_beam_size, "beam for valid-bleu");
  }
};

// Throws a UsageError naming the key, what was expected and what came.
void check_options(const TrainOptions& options);

// Key -> value as text, for comparing runs.
std::map<std::string, std::string> options_text(const TrainOptions& options);
// The keys that may differ when a run is resumed: limits, threads, logging and saving. With a schedule that ends with
// the run max-update (or max-minutes, where that is the end) may not, with average-last not save-freq.
std::set<std::string> resumable_keys(const TrainOptions& options);

DType compute_type(const TrainOptions& options);

// For the training data's Batcher.
BatchOptions batch_options(const TrainOptions& options);

}  // namespace attune
