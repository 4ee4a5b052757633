#!/bin/bash
# What a masked language model is worth to a classifier: SST-2 from nothing, and fine-tuned from masked language models
# on WikiText-2, by a Transformer, a gMLP and an aMLP of two or three layers, from nothing with whole words too; means and
# standard deviations of the accuracy over seeds, beside a bag of words.
#   bench/fine_tuning.sh DATA DIRECTORY [FLAGS OF compare...]
# DATA has wikitext2/wiki.{train,valid}.tokens.gz and sst2/{train.tsv.gz,dev.tsv}. In the environment SEEDS and UPDATES, of
# the language models (1,200 are two to three minutes of one core; a classifier takes half a minute). What was trained is
# not trained again.
set -euo pipefail
usage='usage: bench/fine_tuning.sh DATA DIRECTORY [FLAGS OF compare...]'
data=${1:?$usage} directory=${2:?$usage}
shift 2
flags=("$@")
here=$(dirname "$0")/..
attune=$here/build/attune seeds=${SEEDS:-1 2 3} forms='transformer gmlp amlp'
mkdir -p "$directory/configs"

# A sentence of SST-2 has 20 words, which would train only a corner of a free W: it is Toeplitz, as in the paper's
# language models.
gated='encoder-mixer = "spatial_gating"
spatial-toeplitz = true
feed-forward = 544
encoder-layers = 3'
body_of() {
  case $1 in
    transformer) printf 'encoder-layers = 2\nheads = 4\nfeed-forward = 512\nactivation = "gelu"\npositions = "relative"\n' ;;
    gmlp) echo "$gated" ;;
    amlp) printf '%s\ntiny-attention = 32\n' "$gated" ;;
  esac
  [ "$1" = transformer ] || echo 'positions = "none"'
}
common='width = 128
max-positions = 128
embedding-scale = false
embedding-initialiser = "normal(0.02)"
optimizer = "adamw"
lr-scheduler = "linear"
max-epoch = 0
clip-norm = 1'
pieces='tokenizer = "unigram"
vocab-size = 4000
lowercase = true'
language_model="task = \"masked_language_model\"
sequence-length = 128
batch-tokens = 4096
dropout = 0
weight-decay = 0.01
adam-beta2 = 0.98
lr = 0.002
warmup-updates = 200
label-smoothing = 0
max-update = ${UPDATES:-1200}
valid-freq = 400"
classifier='task = "classification"
batch-tokens = 1024
weight-decay = 0.1
warmup-updates = 100
label-smoothing = 0.1
ema-decay = 0.99
max-train-length = 127
valid-freq = 100'
nothing='dropout = 0.4
lr = 0.001
max-update = 400'
words='tokenizer = "words"
vocab-size = 8000'
tuned='dropout = 0.3
lr = 0.002
max-update = 800'

pretrained=()
for form in $forms; do
  printf '%s\n' "$language_model" "$common" "$pieces" "$(body_of "$form")" >"$directory/configs/lm-$form.toml"
  pretrained+=("$directory/configs/lm-$form.toml")
done
# shellcheck disable=SC2086  # several seeds
"$attune" compare --configs "${pretrained[@]}" --seeds $seeds --directory "$directory/lm" \
  --train "$data/wikitext2/wiki.train.tokens.gz" --valid "$data/wikitext2/wiki.valid.tokens.gz" "${flags[@]}"
sst=(--train "$data/sst2/train.tsv.gz" --valid "$data/sst2/dev.tsv")
from_nothing() {
  local name=$1 files=()
  for form in $forms; do
    { printf '%s\n' "$classifier" "$nothing" "$common" "$2" "$(body_of "$form")"
      # Stochastic depth, which helps gMLP alone.
      [ "$name-$form" != words-gmlp ] || echo 'survival = 0.8'; } >"$directory/configs/$name-$form.toml"
    files+=("$directory/configs/$name-$form.toml")
  done
  # shellcheck disable=SC2086
  "$attune" compare --configs "${files[@]}" --seeds $seeds --directory "$directory/$name" "${sst[@]}" "${flags[@]}"
}
echo 'From nothing, whole words:'
from_nothing words "$words"
echo 'From nothing, pieces, the models that are fine-tuned below:'
from_nothing pieces "$pieces"

# Each seed starts from its own language model.
files=()
for form in $forms; do
  for seed in $seeds; do
    file=$directory/configs/tuned-$form-$seed.toml
    printf '%s\n' "$classifier" "$tuned" "$common" "$(body_of "$form")" "seed = $seed" \
      "from = \"$directory/lm/lm-$form-seed-$seed\"" >"$file"
    files+=("$file")
  done
done
echo 'Fine-tuned:'
"$attune" compare --configs "${files[@]}" --directory "$directory/tuned" "${sst[@]}" "${flags[@]}" | tee "$directory/tuned.txt"
for form in $forms; do
  # the column that the table's head calls accuracy
  awk -v form="tuned-$form-" '
    !column { for (i = 1; i <= NF; ++i) if (!column && $i == "accuracy") column = i }
    index($1, form) == 1 { n++; sum += $column; squares += $column ^ 2 }
    END { mean = sum / n; printf "%-20s accuracy %.4f, standard deviation %.4f of %d\n", form, mean, (n > 1 ? sqrt((squares - n * mean ^ 2) / (n - 1)) : 0), n }' \
    "$directory/tuned.txt"
done
