// The program's manners: what it says to wrong calls and bad input, its help, and the figures it prints.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "program.h"

namespace attune {
namespace {

using testing::InOnePlace;
using testing::lines_of;
using testing::Ran;
using testing::Workplace;

const std::vector<std::string> all_commands{"train",  "compare",  "translate", "evaluate", "score",
                                            "corpus", "classify", "describe",  "bench",    "demo",
                                            "diff",   "explain",  "inspect",   "generate"};

struct BadInput {
  const char* command;
  int code;
  std::vector<const char*> says;  // in the one message
  const char* before = "";        // in front of the program's name
};

// ok.en and ok.vi have three lines; see SetUpTestSuite for the others.
const std::vector<BadInput> bad_inputs{
    {"", 2, {}},
    {"trian", 2, {"unknown command trian", "attune train"}},
    {"--versoin", 2, {"unknown flag --versoin"}},
    {"--completion", 2, {"--completion", "expected bash"}},
    {"--completion zsh", 2, {"--completion", "expected bash"}},
    {"--profile", 2, {"--profile", "expected a command"}},
    {"--profile=p.json", 2, {"--profile=p.json", "expected a command"}},
    {"--profile= describe", 2, {"--profile=", "name of a file"}},
    {"--profile nonsense", 2, {"unknown command nonsense"}},
    {"--profile --profile describe", 2, {"unknown flag --profile"}},
    {"--profiel describe", 2, {"unknown flag --profiel"}},
    {"train --widht 64", 2, {"--widht", "did you mean --width?"}},
    {"train --batch-token=64", 2, {"--batch-token", "--batch-tokens"}},
    {"translate --beam 5", 2, {"--beam", "--beam-size"}},
    {"evaluate --zzzzzz", 2, {"--zzzzzz", "evaluate --help"}},
    {"describe surplus", 2, {"surplus"}},
    {"describe --lowercase false", 2, {"false", "="}},
    {"describe --width", 2, {"--width", "value"}},
    {"describe --width abc", 2, {"--width", "whole number", "abc"}},
    {"describe --width 12.5", 2, {"--width", "whole number", "12.5"}},
    {"describe --width 0", 2, {"width", "0"}},
    {"describe --width -64", 2, {"width", "-64"}},
    {"describe --width 99999999999999999999", 2, {"--width", "99999999999999999999"}},
    {"describe --width 2000000000 --heads 1", 2, {"width", "2000000000"}},
    {"describe --encoder-layers 1000000", 2, {"encoder-layers", "1000000"}},
    {"describe --width 100 --heads 3", 2, {"heads", "width (100)", "got 3"}},
    {"describe --dropout 1.5", 2, {"dropout", "1.5"}},
    {"describe --dropout nan", 2, {"--dropout", "nan"}},
    {"describe --dropout 1e999", 2, {"--dropout", "1e999"}},
    {"describe --lowercase=maybe", 2, {"--lowercase", "true or false", "maybe"}},
    {"describe --norm batch", 2, {"norm", "batch", "layer_norm"}},
    {"describe --architecture nonesuch", 2, {"architecture", "nonesuch"}},
    {"describe --length -1", 2, {"length", "-1"}},
    {"describe --format yaml", 2, {"--format", "yaml", "json"}},
    {"describe --config typo.toml", 2, {"typo.toml:3", "widht", "did you mean width?"}},
    {"describe --config twice.toml", 2, {"twice.toml:2", "width", "twice"}},
    {"describe --config word.toml", 2, {"word.toml:1", "quotes", "fifty"}},
    {"describe --config number.toml", 2, {"number.toml:1", "width", "fifty"}},
    {"describe --config nowhere.toml", 1, {"nowhere.toml", "no such file"}},
    {"describe --config folder", 1, {"folder", "directory"}},
    {"describe", 2, {"ATTUNE_WIDTH", "abc"}, "ATTUNE_WIDTH=abc"},
    {"describe --model nowhere", 1, {"nowhere", "no such"}},
    {"describe --model ok.en", 1, {"ok.en"}},
    {"describe --model folder", 1, {"folder/config.json"}},
    {"describe --model folder --width 3", 2, {"--model", "--width"}},
    {"describe --model broken", 1, {"broken/config.json", "JSON"}},
    {"describe --model unknown-key", 1, {"unknown-key/config.json", "surprise"}},
    {"describe --width 64 >/dev/full", 1, {"standard output"}},
    {"train --model new", 2, {"--train is missing"}},
    {"train --train ok.en ok.vi", 2, {"--model is missing"}},
    {"train --train ok.en ok.vi --model new --lr -1", 2, {"lr", "-1"}},
    {"train --train ok.en ok.vi --model new --seed -1", 2, {"--seed", "-1"}},
    {"train --train ok.en ok.vi --model new --batch-tokens 0", 2, {"batch-tokens", "0"}},
    {"train --train ok.en ok.vi --model new --threads 1000000", 2, {"threads", "1000000"}},
    {"train --train a b c --model new", 2, {"c"}},
    {"train --train ok.en --train ok.vi --train ok.vi --model new", 2, {"--train", "3"}},
    {"train --train ok.en nowhere.vi --model new", 1, {"nowhere.vi", "no such file"}},
    {"train --train ok.en folder --model new", 1, {"folder", "directory"}},
    {"train --train ok.en empty.txt --model new", 1, {"empty.txt", "empty"}},
    {"train --train ok.en two.txt --model new", 1, {"ok.en has 3", "two.txt has 2"}},
    {"train --train ok.en latin1.txt --model new", 1, {"latin1.txt:2", "UTF-8"}},
    {"train --train ok.en nul.txt --model new", 1, {"nul.txt:1", "NUL"}},
    {"train --train ok.en --model new", 1, {"ok.en:1", "tab"}},
    {"train --train blank.txt blank.txt --model new --tokenizer words", 1, {}},
    {"train --train ok.en ok.vi --model new --vocab-size 5000", 1, {"5000"}},
    {"train --train ok.en ok.vi --model ok.en --tokenizer words", 1, {"ok.en"}},
    {"train --train ok.en ok.vi --model ok.en/below --tokenizer words", 1, {"ok.en/below"}},
    {"train --train ok.en ok.vi --model new --tokenizer words --width 1000000 --heads 1", 1, {"this machine has"}},
    {"train --train ok.en ok.vi --model new --tokenizer words --max-train-length 1", 1, {}},
    {"train --task nonsense --train ok.en --model new", 2, {"task", "nonsense", "masked_language_model"}},
    {"train --task masked_language_model --model new", 2, {"--train is missing"}},
    {"train --task masked_language_model --train ok.en --model new --decoder-layers 2",
     2,
     {"--decoder-layers", "the task masked_language_model"}},
    {"train --task masked_language_model --train ok.en --model new --architecture lstm", 2, {"architecture", "lstm"}},
    {"train --task masked_language_model --train ok.en --model new --tied-embeddings decoder", 2, {"tied-embeddings"}},
    {"train --task masked_language_model --train ok.en --model new --positions learned --max-positions 64",
     2,
     {"sequence-length is 128", "64"}},
    {"train --task masked_language_model --train ok.en --model new --tokenizer words --next-sentence",
     1,
     {"next-sentence", "only one"}},
    {"train --task masked_language_model --train blank.txt --model new --tokenizer words", 1, {"blank"}},
    {"train --task masked_language_model --train ok.en nowhere.en --model new", 1, {"nowhere.en", "no such file"}},
    {"train --train ok.en ok.vi --model new --sequence-length 64", 2, {"--sequence-length", "the task translation"}},
    {"train --task classification --model new", 2, {"--train is missing", "text<TAB>label"}},
    {"train --task classification --train ok.en ok.vi --model new", 2, {"--train", "one file of text<TAB>label", "2"}},
    {"train --task classification --train ok.en --model new", 1, {"ok.en:1", "text<TAB>label", "no tab"}},
    {"train --task classification --train labelled.tsv --valid other-label.tsv --model new --tokenizer words",
     1,
     {"other-label.tsv:2", "\"neutral\" does not occur in the training data", "neg, pos"}},
    {"train --task classification --train one-label.tsv --model new --tokenizer words", 1, {"one label alone", "pos"}},
    {"train --task classification --train labelled.tsv --model new --tokenizer words --labels 3",
     2,
     {"labels: the training data has 2", "3"}},
    {"train --task classification --train three-labels.tsv --model new --tokenizer words --binary-head",
     2,
     {"binary-head", "2 labels", "3"}},
    {"train --task classification --train labelled.tsv --model new --pooling max", 2, {"pooling", "max", "mean"}},
    {"train --task classification --train labelled.tsv --model new --patch-size 4",
     2,
     {"--patch-size", "classification"}},
    {"train --task classification --train labelled.tsv --model new --positions learned --max-positions 64",
     2,
     {"max-train-length is 256", "64"}},
    {"train --task classification --train labelled.tsv --model new --architecture gru", 2, {"architecture", "gru"}},
    {"train --task tagging --train ok.en --model new", 1, {"ok.en:1", "word<TAB>tag"}},
    {"train --task tagging --train labelled.tsv --model new", 1, {"labelled.tsv:1", "as the word"}},
    {"train --task tagging --train tags.txt --valid other-tags.txt --model new --tokenizer words",
     1,
     {"other-tags.txt:3", "\"B-X\" does not occur"}},
    {"train --task tagging --train tags.txt --model new --pooling mean", 2, {"--pooling", "tagging"}},
    {"train --task image_classification --train four.images --model new", 2, {"--train", "images and labels", "1"}},
    {"train --task image_classification --train ok.en four.labels --model new", 1, {"ok.en", "idx"}},
    {"train --task image_classification --train cut.images four.labels --model new", 1, {"cut.images", "cut short"}},
    {"train --task image_classification --train four.images three.labels --model new",
     1,
     {"four.images has 4", "three.labels has 3"}},
    {"train --task image_classification --train four.images four.labels --model new --patch-size 4",
     2,
     {"patch-size", "height (6)", "got 4"}},
    {"train --task image_classification --train four.images four.labels --model new --image-size 28",
     2,
     {"image-size", "6 pixels", "28"}},
    {"train --task image_classification --train four.images four.labels --model new --image-size wide",
     2,
     {"image-size", "wide"}},
    {"train --task image_classification --train four.images four.labels --valid small.images four.labels --model new "
     "--patch-size 2",
     1,
     {"small.images", "4x4", "6x6"}},
    {"train --task image_classification --train four.images four.labels --model new --tokenizer words",
     2,
     {"--tokenizer", "image_classification"}},
    {"train --train ok.en ok.vi --model new --shift 2", 2, {"--shift", "the task translation"}},
    {"describe --task image_classification", 2, {"image-size"}},
    {"describe --task image_classification --image-size 224 --image-channels 3 --patch-size 15 --labels 10",
     2,
     {"patch-size", "224", "got 15"}},
    {"describe --task classification", 2, {"labels"}},
    {"classify < ok.en", 2, {"--model is missing"}},
    {"classify --model nowhere < ok.en", 1, {"nowhere"}},
    {"classify --model nowhere --batch-tokens 0 < ok.en", 2, {"batch-tokens", "0"}},
    {"fill-mask < ok.en", 2, {"--model is missing"}},
    {"fill-mask --model nowhere < ok.en", 1, {"nowhere", "no such directory"}},
    {"fill-mask --model nowhere --top-k 0 < ok.en", 2, {"top-k", "0"}},
    {"generate --prompt a", 2, {"--model is missing"}},
    {"generate --model nowhere --prompt a", 1, {"nowhere", "no such directory"}},
    {"generate --model nowhere --max-tokens 0", 2, {"max-tokens", "0"}},
    {"generate --model nowhere --temperature -0.5", 2, {"temperature", "-0.5"}},
    {"generate --model nowhere --top-p 0", 2, {"top-p", "0"}},
    {"train --task language-model --model new", 2, {"--train is missing"}},
    {"train --task language_model --train ok.en --model new --encoder-layers 2",
     2,
     {"--encoder-layers", "the task language_model"}},
    {"train --task language_model --train ok.en --model new --architecture lstm", 2, {"architecture", "lstm"}},
    {"train --task language_model --train ok.en --model new --tied-embeddings all", 2, {"tied-embeddings"}},
    {"train --task language_model --train ok.en --model new --decoder-mixer mean", 2, {"decoder-mixer", "causal"}},
    {"train --task language_model --train ok.en --model new --positions learned --max-positions 64",
     2,
     {"sequence-length is 128", "max-positions = 64"}},
    {"train --task language_model --train blank.txt --model new --tokenizer characters", 1, {"blank"}},
    {"train --task language_model --train empty.txt --model new --tokenizer bytes", 1, {"empty.txt", "empty"}},
    {"train --task language_model --completions --model new", 2, {"--train is missing", "prompt<TAB>completion"}},
    {"train --task language_model --completions --train ok.en --model new", 1, {"ok.en:1", "prompt<TAB>completion"}},
    {"train --task language_model --completions --train empty.txt --model new", 1, {"empty.txt", "empty file"}},
    {"train --train ok.en ok.vi --completions --model new", 2, {"--completions", "the task translation"}},
    {"generate --model nowhere --max-lines -1", 2, {"max-lines", "-1"}},
    {"evaluate --test ok.en", 2, {"--model is missing"}},
    {"evaluate --test ok.en --model nowhere", 1, {"nowhere/config.json", "no such file"}},
    {"evaluate --test ok.en --model nowhere --sequence-length 1", 2, {"sequence-length", "1"}},
    {"evaluate --test ok.en --model nowhere --reference ok.en", 2, {"--reference", "--test"}},
    {"evaluate --test ok.en --model nowhere --alignment links.txt", 2, {"--test", "--alignment"}},
    {"evaluate --reference ok.vi --set heads=2 < ok.vi", 2, {"--set", "--test"}},
    {"evaluate --reference ok.vi --model nowhere < ok.vi", 2, {"--model", "--alignment or --test"}},
    {"translate < ok.en", 2, {"--model is missing"}},
    {"translate --model nowhere < ok.en", 1, {"nowhere", "no such directory"}},
    {"translate --model nowhere --beam-size 0", 2, {"beam-size", "got 0"}},
    {"translate --model nowhere --n-best 9 --beam-size 2", 2, {"n-best", "got 9"}},
    {"translate --model nowhere --batch-size -1", 2, {"batch-size", "-1"}},
    {"translate --model nowhere --threads -1", 2, {"--threads", "-1"}},
    {"translate --model nowhere --input-format xml", 2, {"--input-format", "xml", "json"}},
    {"evaluate < ok.vi", 2, {"--reference is missing"}},
    {"evaluate --reference nowhere.vi < ok.vi", 1, {"nowhere.vi", "no such file"}},
    {"evaluate --reference two.txt < ok.vi", 1, {"two.txt has 2 lines", "standard input 3"}},
    {"evaluate --reference ok.vi", 1, {"standard input", "empty"}},
    {"evaluate --reference ok.vi --metrics ter < ok.vi", 2, {"--metrics", "ter"}},
    {"evaluate --reference ok.vi --tokenize zh < ok.vi", 2, {"--tokenize", "zh", "13a"}},
    {"evaluate --reference ok.vi < latin1.txt", 1, {"standard input:2", "UTF-8"}},
    {"evaluate --alignment nowhere < ok.vi", 1, {"nowhere", "no such file"}},
    {"evaluate --alignment ok.en < links.txt", 1, {"ok.en:1", "'a' is not a link"}},
    {"evaluate --alignment links.txt --one-based < links.txt", 1, {"links.txt:1", "word 0"}},
    {"evaluate --alignment links.txt < ok.vi", 1, {"standard input:1", "'con' is not a link"}},
    {"evaluate --alignment links.txt < one.txt", 1, {"links.txt has 2 lines", "standard input 1"}},
    {"evaluate --alignment links.txt --lowercase < links.txt", 2, {"--lowercase", "--alignment"}},
    {"evaluate --alignment links.txt --model nowhere", 2, {"--source is missing"}},
    {"evaluate --alignment links.txt --source ok.en", 2, {"--source", "--model"}},
    {"evaluate --alignment links.txt --model nowhere --source ok.en --target ok.vi", 1, {"links.txt has 2", "ok.en 3"}},
    {"evaluate --reference ok.vi --one-based < ok.vi", 2, {"--one-based", "--alignment"}},
    {"inspect < ok.en", 2, {"--model is missing"}},
    {"inspect --model nowhere --format pdf < ok.en", 2, {"format", "pdf", "svg"}},
    {"inspect --model nowhere --alignment links.txt < ok.en", 2, {"--target is missing"}},
    {"inspect --model nowhere --target ok.vi --one-based < ok.en", 2, {"--one-based", "--alignment"}},
    {"inspect --model nowhere nowhere --checkpoints < ok.en", 2, {"--checkpoints", "one --model"}},
    {"inspect --model nowhere --top-k 0 < ok.en", 2, {"top-k", "0"}},
    {"inspect --model nowhere < ok.en", 1, {"nowhere"}},
    {"score --model nowhere --source ok.en", 2, {"--target is missing"}},
    {"score --model nowhere --source ok.en --target two.txt", 1, {"two.txt has 2"}},
    {"diff --model nowhere < ok.en", 2, {"--model", "two", "got 1"}},
    {"diff --model nowhere --model nowhere --compute-type float32 int8 < ok.en",
     2,
     {"compute-type", "int8", "bfloat16"}},
    {"diff --model nowhere --model nowhere < ok.en", 1, {"nowhere"}},
    {"bench", 2, {"name of a measurement"}},
    {"bench product", 2, {"product", "attune bench products"}},
    {"bench products --size 0", 2, {"--size", "0"}},
    {"bench products --rounds 1e9", 2, {"--rounds", "1e9"}},
    {"bench layers --lengths 16 16", 2, {"--lengths", "expected 17"}},
    {"bench layers --lengths 4096", 2, {"--lengths", "4096"}},
    {"bench layers --width 100 --heads 3", 2, {"heads (3)"}},
    {"bench mixers --length 64 64", 2, {"--length", "expected 65"}},
    {"bench mixers --mechanism sparce", 2, {"--mechanism", "sparce", "sparse"}},
    {"bench mixers --seconds -1", 2, {"--seconds", "-1"}},
    {"bench mixers --max-seconds -1", 2, {"--max-seconds", "-1"}},
    {"bench decode", 2, {"--model is missing"}},
    {"bench decode --model nowhere --length 0", 2, {"--length", "0"}},
    {"bench decode --model nowhere", 1, {"nowhere"}},
    {"bench generate", 2, {"--model is missing"}},
    {"bench generate --model nowhere", 1, {"nowhere"}},
    {"bench generate --model nowhere --positions 5 36", 2, {"--positions", "--pieces (32)", "36"}},
    {"bench generate --model nowhere --pieces 0", 2, {"--pieces", "0"}},
    {"translate --model nowhere --min-decoding-length 9 --max-decoding-length 8", 2, {"min-decoding-length", "9"}},
    {"compare --train ok.en ok.vi", 2, {"--configs is missing"}},
    {"compare --train ok.en ok.vi --configs good.toml", 2, {"--directory is missing"}},
    {"compare --valid ok.en ok.vi --configs good.toml --directory new", 2, {"good.toml", "--train is missing"}},
    {"compare --train ok.en ok.vi --configs good.toml --directory new", 2, {"good.toml", "--valid is missing"}},
    {"compare --configs good.toml typo.toml --directory new", 2, {"typo.toml:3", "widht", "did you mean width?"}},
    {"compare --configs good.toml heads.toml --train ok.en ok.vi --valid ok.en ok.vi --directory new",
     2,
     {"heads.toml: ", "heads: ", "width (100)", "got 3"}},
    {"compare --configs good.toml frame.toml --directory new", 2, {"frame.toml: ", "format", "not in a config"}},
    {"compare --configs good.toml folder/../good.toml --directory new",
     2,
     {"good.toml and folder/../good.toml", "the row good"}},
    {"compare --configs good.toml nowhere.toml --directory new", 1, {"nowhere.toml", "no such file"}},
    {"compare --configs good.toml --train ok.en ok.vi --valid ok.en ok.vi --test ok.en two.txt --directory new",
     1,
     {"ok.en has 3", "two.txt has 2"}},
    {"compare --configs good.toml --train ok.en - --valid ok.en ok.vi --directory new", 2, {"standard input"}},
    {"compare --configs good.toml --train ok.en ok.vi --valid ok.en ok.vi --directory ok.en", 1, {"ok.en/good"}},
    {"compare --configs good.toml --directory new --seeds 1 x", 2, {"--seeds", "x"}},
    {"compare --configs good.toml --directory new --seeds 1 1", 2, {"--seeds", "twice"}},
    {"compare --configs good.toml --directory new --length-bounds 9 x", 2, {"--length-bounds", "x"}},
    {"compare --configs good.toml --directory new --length-bounds 9 9", 2, {"--length-bounds", "rising"}},
    {"compare --configs good.toml --directory new --format xml", 2, {"--format", "xml", "json"}},
    {"compare --configs good.toml --train ok.en ok.vi --valid ok.en ok.vi --directory new --beam-size 0",
     2,
     {"beam-size", "0"}},
    {"corpus --directory new", 2, {"--task is missing", "reverse"}},
    {"corpus --task copy", 2, {"--directory is missing"}},
    {"corpus --task sort --directory new", 2, {"task", "sort", "reverse"}},
    {"corpus --task grammar --symbols 9 --directory new", 2, {"--symbols", "grammar"}},
    {"corpus --task copy --length 9 --directory new", 2, {"--length", "copy"}},
    {"corpus --task listops --test-max-length 900 --directory new", 2, {"--test-max-length", "listops"}},
    {"corpus --task listops --min-length 500 --directory new", 2, {"max-length", "500"}},
    {"corpus --task listops --min-length 1 --max-length 3 --directory new", 2, {"length", "no new sequence"}},
    {"corpus --task duplication --length 7 --directory new", 2, {"length", "even", "7"}},
    {"corpus --task copy --max-length 3 --directory new", 2, {"max-length", "3"}},
    {"corpus --task copy --symbols 1 --directory new", 2, {"symbols", "too few"}},
    {"corpus --task copy --directory ok.en", 1, {"ok.en"}},
    {"explain --mechanism nonesuch", 2, {"mechanism", "nonesuch", "local-p"}},
    {"explain --loss mse", 2, {"loss", "mse", "cross-entropy"}},
    {"explain --view tensor", 2, {"view", "tensor", "matrix"}},
    {"explain --convention diagonal", 2, {"convention", "diagonal"}},
    {"explain --language de", 2, {"language", "de", "vi"}},
    {"explain --format pdf", 2, {"format", "pdf", "html"}},
    {"explain --normaliser l2", 2, {"normaliser", "l2", "sigmoid"}},
    {"explain --mechanism gru --heads 2", 2, {"heads", "scaled_dot"}},
    {"explain --mechanism gru --causal", 2, {"causal"}},
    {"explain --heads 3", 2, {"heads", "divisor", "3"}},
    {"explain --mechanism sparse --heads 1", 2, {"heads", "sparse", "at least 2"}},
    {"explain --mechanism sparse --sparse-pattern fixed --summary 4", 2, {"summary", "stride (3)", "4"}},
    {"explain --mechanism local --window 3", 2, {"window", "even", "3"}},
    {"explain --mechanism local --normaliser relu", 2, {"normaliser", "softmax", "--global-tokens 0"}},
    {"explain --mechanism local --dilation 1,2", 2, {"dilation", "1 heads"}},
    {"explain --mechanism bigbird --window-blocks 2", 2, {"window-blocks", "odd", "2"}},
    {"explain --mechanism bigbird --causal", 2, {"causal", "local, sparse"}},
    {"explain --mechanism lsh --lsh-hashes 0", 2, {"lsh-hashes", "0"}},
    {"explain --mechanism lsh --heads 2", 2, {"heads", "scaled_dot"}},
    {"explain --mechanism nystrom --value-kernel 2", 2, {"value-kernel", "odd", "2"}},
    {"explain --feature-kernel cosine", 2, {"feature-kernel", "cosine", "relu"}},
    {"explain --sparse-pattern random", 2, {"sparse-pattern", "random", "fixed"}},
    {"explain complexity --heads 3", 2, {"heads", "divisor", "3"}},
    {"explain ' '", 2, {"no words"}},
    {"explain one two", 2, {"two"}},
    {"explain positions --width 3", 2, {"width", "even", "3"}},
    {"explain positions --length 1", 2, {"length", "1"}},
    {"explain positions --positions learned", 2, {"positions", "learned", "before training"}},
    {"explain positions --positions alibi --heads 0", 2, {"heads", "0"}},
    {"explain positions --positions relative_offset --max-positions 0", 2, {"max-positions", "0"}},
    {"explain initialisers --layers 0", 2, {"layers", "0"}},
    {"explain complexity --width 0", 2, {"width", "0"}},
    {"explain words --head 1", 2, {"head", "belongs to --model"}},
    {"explain --model nowhere", 2, {"sentence"}},
    {"explain words --model nowhere --heads 2", 2, {"heads", "comes from the model"}},
    {"explain words --model nowhere", 1, {"nowhere"}},
    {"explain beam --model nowhere", 2, {"sentence"}},
    {"explain beam words", 2, {"--model is missing"}},
    {"explain beam words --model nowhere", 1, {"nowhere"}},
    {"explain beam words --model nowhere --beam-size 0", 2, {"beam-size", "0"}},
    {"explain words --matrices m.json", 2, {"--matrices", "sentence"}},
    {"explain --matrices ok.en", 2, {"matrices", ".json or .csv"}},
    {"explain --matrices nowhere.json", 1, {"nowhere.json", "no such file"}},
    {"explain --matrices broken/config.json", 1, {"broken/config.json", "JSON"}},
    {"explain --matrices ragged.json", 1, {"ragged.json: X", "row 2 has 1"}},
    {"explain --matrices words.json", 1, {"words.json: X", "a number"}},
    {"explain --mechanism lsh --lsh-hashes 1 --lsh-chunk 1 --matrices buckets.json",
     1,
     {"B holds buckets", "1 to 6", "found 9"}},
    {"explain --matrices unknown.json", 1, {"unknown.json", "Wz", "Wq"}},
    {"explain --matrices shape.json", 1, {"shape.json", "Wq is [3, 2]", "[2, 2]"}},
    {"explain --matrices words.csv", 1, {"words.csv:2", "one"}},
    {"demo --directory ''", 2, {"--directory"}},
    {"demo --directory ok.en", 1, {"ok.en"}},
};

class CommandLine : public InOnePlace<Workplace> {
 protected:
  static void SetUpTestSuite() {
    InOnePlace::SetUpTestSuite();
    place->write("ok.en", "a cat sleeps .\na dog runs .\nthe cat runs .\n");
    place->write("ok.vi", "con mèo ngủ .\ncon chó chạy .\ncon mèo chạy .\n");
    place->write("links.txt", "0-0 1-1\n0-0\n");
    place->write("one.txt", "0-0\n");
    place->write("two.txt", "one\ntwo\n");
    place->write("labelled.tsv", "a fine film\tpos\na dull film\tneg\n");
    place->write("other-label.tsv", "a fine film\tpos\na film\tneutral\n");
    place->write("one-label.tsv", "a fine film\tpos\na film\tpos\n");
    place->write("three-labels.tsv", "a fine film\tpos\na film\tneutral\na dull film\tneg\n");
    place->write("tags.txt", "Anna\tB-PER\nsleeps\tO\n");
    place->write("other-tags.txt", "Anna\tB-PER\n\nBerlin\tB-X\n");
    const std::string pixels(4 * 36, 'x');
    place->write("four.images", testing::idx_file({4, 6, 6}, pixels));
    place->write("small.images", testing::idx_file({4, 4, 4}, pixels.substr(0, 64)));
    place->write("cut.images", testing::idx_file({4, 6, 6}, pixels.substr(1)));
    place->write("four.labels", testing::idx_file({4}, "abab"));
    place->write("three.labels", testing::idx_file({3}, "aba"));
    place->write("empty.txt", "");
    place->write("blank.txt", "\n\n\n");
    place->write("latin1.txt", "fine\ncaf\xe9\nfine\n");
    place->write("nul.txt", std::string("a\0b\nc\nd\n", 8));
    place->write("typo.toml", "# a typo\n[model]\nwidht = 64\n");
    place->write("twice.toml", "width = 64\nwidth = 32\n");
    place->write("word.toml", "width = fifty\n");
    place->write("number.toml", "width = \"fifty\"\n");
    place->write("good.toml",
                 "[model]\nwidth = 64  # units\nheads = 4\ndropout = 0.2\n[training]\nlr = 1e-3\n"
                 "[search]\nbeam-size = 4\nlength-penalty = \"none\"\n");
    place->write("heads.toml", "width = 100\nheads = 3\n");
    place->write("ragged.json", R"({"X": [[1, 2], [3]]})");
    place->write("words.json", R"({"X": [["one", 2]]})");
    place->write("buckets.json", R"({"X": [[1, 2], [1, 0], [0, 1]], "B": [[1], [9], [2]]})");
    place->write("unknown.json", R"({"X": [[1, 2]], "Wz": [[1]]})");
    place->write("shape.json", R"({"X": [[1, 2]], "Wq": [[1, 0], [0, 1], [1, 1]]})");
    place->write("words.csv", "1,2\n3,one\n");
    place->write("frame.toml", "format = \"json\"\n");
    std::filesystem::create_directory(place->path("folder"));
    std::filesystem::create_directory(place->path("broken"));
    place->write("broken/config.json", "{\"format-version\": 1,");
    std::filesystem::create_directory(place->path("unknown-key"));
    place->write("unknown-key/config.json", "{\"format-version\": 1, \"surprise\": 3}");
  }
};

TEST_F(CommandLine, answers_every_mistake_with_one_message_that_names_it) {
  for (const BadInput& bad : bad_inputs) {
    SCOPED_TRACE(std::string("attune ") + bad.command);
    const Ran ran = place->run(bad.command, bad.before);
    EXPECT_EQ(ran.code, bad.code) << ran.err;
    EXPECT_EQ(ran.out, bad.command[0] == '\0' ? ran.out : "");
    int errors = 0;
    for (const std::string& line : lines_of(ran.err)) {
      errors += line.starts_with("error: ") ? 1 : 0;
    }
    EXPECT_EQ(errors, bad.command[0] == '\0' ? 0 : 1) << ran.err;
    for (const char* words : bad.says) {
      EXPECT_NE(ran.err.find(words), std::string::npos) << "expected to read: " << words << "\nfound: " << ran.err;
    }
    EXPECT_FALSE(std::filesystem::exists(place->path("new"))) << "a failed call left something behind";
    std::filesystem::remove_all(place->path("new"));
  }
}

TEST_F(CommandLine, explains_every_command_with_an_example_in_narrow_lines) {
  for (const std::string& command : all_commands) {
    const Ran ran = place->run(command + " --help");
    EXPECT_EQ(ran.code, 0);
    EXPECT_EQ(ran.err, "");
    EXPECT_NE(ran.out.find("Usage: attune " + command), std::string::npos) << ran.out;
    EXPECT_NE(ran.out.find("Example:\n  "), std::string::npos) << ran.out;
    for (const std::string& line : lines_of(ran.out)) {
      EXPECT_LE(line.size(), 120U) << line;
    }
    EXPECT_NE(place->run("--help").out.find("  " + command), std::string::npos);
  }
}

TEST_F(CommandLine, examples_of_the_help_use_flags_that_exist) {
  for (const std::string& command : all_commands) {
    const std::string help = place->run(command + " --help").out;
    const size_t begin = help.find("Example:"), end = help.find("\n\n", begin);
    std::istringstream words(help.substr(begin, end - begin));
    std::string current;
    for (std::string word, before; words >> word; before = word) {
      if (before == "attune") {
        current = place->run(word + " --help").out;
      } else if (word.starts_with("--")) {
        const std::string flag = "  " + word.substr(0, word.find('='));
        EXPECT_NE(current.find(flag), std::string::npos) << command << ": " << word;
      }
    }
  }
}

TEST_F(CommandLine, says_its_version) {
  const Ran ran = place->run("--version");
  EXPECT_EQ(ran.code, 0);
  EXPECT_EQ(ran.out.rfind("attune " ATTUNE_VERSION " (", 0), 0U) << ran.out;
}

TEST_F(CommandLine, completes_commands_and_their_flags_in_bash) {
  place->write("complete.sh",
               ". ./completion\nprogram=$1; shift\nCOMP_WORDS=(attune \"$@\")\nCOMP_CWORD=$#\n"
               "_attune \"$program\"\necho \"${COMPREPLY[@]}\"\n");
  ASSERT_EQ(place->run("--completion bash > completion").code, 0);
  const auto completed = [](const std::string& words) {
    const Ran ran = place->shell("bash complete.sh " ATTUNE_PROGRAM " " + words);
    EXPECT_EQ(ran.code, 0);
    EXPECT_EQ(ran.err, "");
    return ran.out;
  };
  EXPECT_EQ(completed("tra"), "train translate\n");
  EXPECT_EQ(completed("train --log"), "--log-freq\n");
  EXPECT_EQ(completed("translate --model x --beam"), "--beam-size\n");
  EXPECT_EQ(completed("evaluate --reference ok"), "\n");  // a file name: left to bash
  EXPECT_EQ(completed("--prof"), "--profile\n");
  EXPECT_EQ(completed("--profile tra"), "train translate\n");
  EXPECT_EQ(completed("--profile train --log"), "--log-freq\n");
  for (const std::string& command : all_commands) {
    EXPECT_EQ(completed(command), command + "\n");
    const std::string whole = command == "bench" ? "bench products" : command;
    EXPECT_NE(completed(whole + " --").find("--help --"), std::string::npos) << command << " has no flags";
  }
  EXPECT_EQ(completed("bench prod"), "products\n");
}

TEST_F(CommandLine, writes_generated_corpora_that_follow_their_flags) {
  const std::string flags = " --train 30 --valid 5 --test 40 --max-length 6 --test-max-length 9 --seed 7 --directory ";
  const Ran ran = place->run("corpus --task reverse" + flags + "made/below");
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.out, "");
  EXPECT_NE(ran.err.find("made/below/train.source, made/below/train.target, made/below/train.align: 30 pairs"),
            std::string::npos)
      << ran.err;
  const auto source = lines_of(place->read("made/below/test.source"));
  const auto target = lines_of(place->read("made/below/test.target"));
  const auto links = lines_of(place->read("made/below/test.align"));
  ASSERT_EQ(source.size(), 40U);
  ASSERT_EQ(target.size(), 40U);
  ASSERT_EQ(links.size(), 40U);
  for (size_t i = 0; i < source.size(); ++i) {  // letters: a sequence is reversed with its characters
    EXPECT_EQ(std::string(source[i].rbegin(), source[i].rend()), target[i]);
    EXPECT_LE(source[i].size(), 17U);
    const size_t length = (source[i].size() + 1) / 2;
    EXPECT_TRUE(links[i].starts_with("0-" + std::to_string(length - 1) + " 1-")) << links[i];
  }
  ASSERT_EQ(place->run("corpus --task reverse" + flags + "again").code, 0);
  EXPECT_EQ(place->shell("diff -r made/below again").code, 0);
  for (const std::string task : {"duplication --length 12", "listops"}) {
    const std::string directory = "made/" + task.substr(0, task.find(' '));
    ASSERT_EQ(place->run("corpus --train 30 --valid 2 --test 0 --task " + task + " --directory " + directory).code, 0);
    const auto lines = lines_of(place->read(directory + "/train.tsv"));
    ASSERT_EQ(lines.size(), 30U);
    for (const std::string& line : lines) {
      const size_t tab = line.find('\t');
      ASSERT_NE(tab, std::string::npos);
      const std::string told = line.substr(tab + 1);
      EXPECT_TRUE(task == "listops" ? told.size() == 1 : line.starts_with("0 " + told + " 0\t")) << line;
    }
    EXPECT_FALSE(std::filesystem::exists(place->path(directory + "/train.align")));
  }
  EXPECT_EQ(place->run("corpus --task grammar --train 3 --valid 0 --test 0 --directory made/grammar").code, 0);
  EXPECT_EQ(lines_of(place->read("made/grammar/train.vi")).size(), 3U);
  EXPECT_FALSE(std::filesystem::exists(place->path("made/grammar/test.en"))) << "a part of nothing has no files";
  EXPECT_EQ(place->read("made/grammar/train.en"), [&] {
    place->run("corpus --task grammar --train 3 --valid 0 --test 0 --directory again");
    return place->read("again/train.en");
  }());
}

TEST_F(CommandLine, evaluates_as_json_and_as_text) {
  const Ran ran = place->run("evaluate --reference ok.vi --format json < ok.vi");
  ASSERT_EQ(ran.code, 0) << ran.err;
  const auto json = nlohmann::json::parse(ran.out);
  EXPECT_NEAR(json["bleu"]["score"].get<double>(), 100, 1e-6);
  EXPECT_EQ(json["bleu"]["signature"], "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp");
  EXPECT_NEAR(json["chrf"]["score"].get<double>(), 100, 1e-6);
  EXPECT_EQ(json["chrf"]["signature"], "nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no");

  const Ran lowered = place->run("evaluate --reference ok.vi ok.vi --metrics bleu --lowercase --tokenize none < ok.vi");
  EXPECT_NE(lowered.out.find("BLEU|nrefs:2|case:lc|eff:no|tok:none|smooth:exp = 100.00 "), std::string::npos)
      << lowered.out;
  EXPECT_EQ(lowered.out.find("chrF"), std::string::npos);
}

TEST_F(CommandLine, profiles_a_command_that_fails_and_says_where_its_file_cannot_be) {
  const Ran failed = place->run("--profile translate --model folder < ok.en");
  EXPECT_EQ(failed.code, 1);
  EXPECT_EQ(failed.err.rfind("error: folder/config.json", 0), 0U) << failed.err;
  EXPECT_NE(failed.err.find("\nload_model "), std::string::npos) << failed.err;
  const Ran unwritten = place->run("--profile=nowhere/p.json evaluate --reference ok.vi < ok.vi");
  EXPECT_EQ(unwritten.code, 1);
  EXPECT_NE(unwritten.out.find("100.00"), std::string::npos) << unwritten.out;
  EXPECT_NE(unwritten.err.find("error: nowhere/p.json"), std::string::npos) << unwritten.err;
}

TEST_F(CommandLine, measures_attention_in_both_types) {
  for (const std::string dtype : {"float32", "bfloat16"}) {
    const Ran ran = place->run(
        "bench attention --batch 2 --heads 2 --length 20 --head-dim 16 --seconds 0 --format json --dtype " + dtype);
    ASSERT_EQ(ran.code, 0) << ran.err;
    const auto json = nlohmann::json::parse(ran.out);
    for (const char* key : {"forward_gflops", "backward_gflops", "sgemm_gflops"}) {
      EXPECT_GT(json[key].get<double>(), 0) << key;
    }
  }
}

TEST_F(CommandLine, measures_layers_against_their_length_and_says_where_they_cross) {
  const std::string call =
      "bench layers --width 32 --heads 2 --neighbourhood 8 --tokens 64 --lengths 4 16 64 --seconds 0";
  const Ran ran = place->run(call + " --plot layers.svg --format json");
  ASSERT_EQ(ran.code, 0) << ran.err;
  const auto json = nlohmann::json::parse(ran.out);
  std::map<std::string, int> rows;
  for (const auto& row : json["layers"]) {
    EXPECT_GT(row["forward_microseconds_per_token"].get<double>(), 0);
    EXPECT_GT(row["backward_microseconds_per_token"].get<double>(), 0);
    const int n = row["n"];
    if (row["layer"] == "attention") {
      EXPECT_EQ(row["multiply_adds_per_token"], 32 * n);
    }
    if (row["layer"] == "restricted") {
      EXPECT_EQ(row["multiply_adds_per_token"], 32 * 8);
    }
    ++rows[row["layer"]];
  }
  EXPECT_GE(rows.size(), 2U);
  for (const auto& [layer, count] : rows) {
    EXPECT_EQ(count, 3) << layer;
  }
  bool found = false;
  for (const auto& crossing : json["crossings"]) {
    if (crossing["layers"] == nlohmann::json{"attention", "restricted"}) {
      EXPECT_NEAR(crossing["table_1"].get<double>(), 8, 1e-9);
      found = true;
    }
  }
  EXPECT_TRUE(found) << ran.out;
  const std::string svg = place->read("layers.svg");
  EXPECT_NE(svg.find(">attention<"), std::string::npos) << svg;
  EXPECT_NE(svg.find(">microseconds a token<"), std::string::npos) << svg;
  const Ran text = place->run(call);
  EXPECT_EQ(text.code, 0);
  EXPECT_NE(text.out.find("attention, restricted"), std::string::npos) << text.out;
}

TEST_F(CommandLine, measures_mixers_beside_exact_attention_in_an_object_a_row) {
  const Ran ran = place->run("bench mixers --length 16 128 --seconds 0 --format json --plot t.svg --memory-plot m.svg");
  ASSERT_EQ(ran.code, 0) << ran.err;
  std::istringstream lines(ran.out);
  std::set<std::string> mechanisms;
  int rows = 0;
  for (std::string line; std::getline(lines, line); ++rows) {
    const auto row = nlohmann::json::parse(line);
    const std::string mechanism = row["mechanism"];
    const double n = row["length"],
                 seconds = row["forward_seconds"].get<double>() + row["backward_seconds"].get<double>();
    EXPECT_GT(seconds, 0) << line;
    EXPECT_GE(row["extra_bytes"], 0) << line;
    EXPECT_GT(row["ratio_to_exact"], 0) << line;
    if (mechanism == "scaled_dot") {
      EXPECT_EQ(row["ratio_to_exact"], 1) << line;
      EXPECT_EQ(row["visible_pairs"], 8 * n * n) << line;
    }
    if (row["form"] == "fixed" && n == 128) {  // heads in turns: stretches of 16; the last 8 of each
      EXPECT_EQ(row["visible_pairs"], 4 * n * 16 + 4 * n * 64) << line;
    }
    mechanisms.insert(mechanism);
  }
  for (const char* each :
       {"scaled_dot", "local", "sparse", "bigbird", "lsh", "linformer", "performer", "linear", "nystrom"}) {
    EXPECT_EQ(mechanisms.count(each), 1U) << each;
  }
  EXPECT_EQ(rows % 2, 0);
  EXPECT_NE(place->read("t.svg").find(">milliseconds<"), std::string::npos);
  EXPECT_NE(place->read("m.svg").find(">MB<"), std::string::npos);
}

TEST_F(CommandLine, fits_the_growth_of_a_mixer_to_the_rows_that_it_prints) {
  const Ran ran = place->run("bench mixers --mechanism linear --length 256 2048 2176 --seconds 0");
  ASSERT_EQ(ran.code, 0) << ran.err;
  std::istringstream lines(ran.out);
  std::map<int, double> times;
  double power = 0;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    int n = 0;
    std::string mechanism;
    double forward = 0, backward = 0;
    if (words >> n >> mechanism >> forward >> backward) times[n] = forward + backward;
    std::istringstream again(line);
    if (again >> mechanism >> forward) power = forward;
  }
  ASSERT_EQ(times.size(), 3U) << ran.out;
  EXPECT_NEAR(power, std::log(times[2176] / times[2048]) / std::log(2176.0 / 2048), 0.02) << ran.out;
}

TEST_F(CommandLine, skips_rows_of_a_mixer_that_would_take_too_long_and_says_so) {
  const Ran ran = place->run("bench mixers --mechanism local --length 16 64 --seconds 0 --max-seconds 0 --format json");
  ASSERT_EQ(ran.code, 0) << ran.err;
  const auto second = nlohmann::json::parse(ran.out.substr(ran.out.find('\n') + 1));
  EXPECT_EQ(second["length"], 64);
  EXPECT_FALSE(second.contains("forward_seconds"));
  EXPECT_NE(second["skipped"].get<std::string>().find("--max-seconds"), std::string::npos) << ran.out;
}

TEST_F(CommandLine, scores_alignments_against_gold) {
  place->write("gold", "1-1 2-2 3p3\n1-1\n\n");
  place->write("links", "-3.5 ||| 0-0 2-2\n0-1\n\n");  // |A| = 3, |S| = 3, |A n S| = 1, |A n P| = 2
  const Ran ran = place->run("evaluate --alignment gold --one-based --format json < links");
  ASSERT_EQ(ran.code, 0) << ran.err;
  const auto json = nlohmann::json::parse(ran.out)["alignment"];
  EXPECT_DOUBLE_EQ(json["error_rate"].get<double>(), 1 - 3.0 / 6);
  EXPECT_DOUBLE_EQ(json["precision"].get<double>(), 2.0 / 3);
  EXPECT_DOUBLE_EQ(json["recall"].get<double>(), 1.0 / 3);
  EXPECT_EQ(place->run("evaluate --alignment gold --one-based < links").out,
            "alignment error rate = 50.00 % (precision 66.67 %, recall 33.33 %; 3 links, 3 sure)\n");
}

TEST_F(CommandLine, describes_a_config_without_making_the_model) {
  const Ran ran = place->run("describe --config good.toml --format json --encoder-layers 2 --decoder-layers 1");
  ASSERT_EQ(ran.code, 0) << ran.err;
  const auto json = nlohmann::json::parse(ran.out);
  int64_t elements = 0;
  for (const auto& tensor : json["tensors"]) {
    int64_t product = 1;
    for (const auto& extent : tensor["shape"]) {
      product *= extent.get<int64_t>();
    }
    elements += product;
  }
  EXPECT_EQ(json["parameters"].get<int64_t>(), elements);
  EXPECT_EQ(json["config"]["width"], 64);
  EXPECT_EQ(json["config"]["encoder-layers"], 2);

  const Ran huge = place->run("describe --width 65536 --heads 64 --feed-forward 262144 --encoder-layers 96");
  EXPECT_EQ(huge.code, 0) << huge.err;
  EXPECT_NE(huge.out.find("0 ... 95, each"), std::string::npos);
}

TEST_F(CommandLine, lets_flags_win_over_the_environment_and_that_over_the_config_file) {
  const auto width = [](const Ran& ran) { return nlohmann::json::parse(ran.out)["config"]["width"].get<int>(); };
  EXPECT_EQ(width(place->run("describe --format json")), 512);
  EXPECT_EQ(width(place->run("describe --format json --config good.toml")), 64);
  EXPECT_EQ(width(place->run("describe --format json --config good.toml", "ATTUNE_WIDTH=128")), 128);
  EXPECT_EQ(width(place->run("describe --format json --config good.toml --width 256", "ATTUNE_WIDTH=128")), 256);
}

TEST_F(CommandLine, goes_quietly_when_nobody_reads_on) {
  const Ran ran = place->shell("{ " ATTUNE_PROGRAM " train --help; echo code $? >&2; } | true");
  EXPECT_TRUE(ran.err == "code 1\n" || ran.err == "code 0\n") << ran.err;  // it may have written before the pipe closed
}

}  // namespace
}  // namespace attune
