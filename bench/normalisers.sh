#!/bin/bash
# What attention weights are divided by: the Transformer of examples/transformer.toml with each normaliser, on Multi30k,
# German to English, the same updates, several seeds; one table with means and standard deviations. Updates and not
# minutes, as the normalisers cost the same to a few per cent: so the figures can be had again, whatever else runs.
#   bench/normalisers.sh DATA DIRECTORY [UPDATES [FLAGS OF compare...]]
# DATA and DIRECTORY as for bench/ladder.sh; 2,800 updates are about ten minutes of one core. In the environment
# NORMALISERS: some of softmax, relu, relu_mean, relu_sum and sigmoid; SEEDS: of each.
set -euo pipefail
usage='usage: bench/normalisers.sh DATA DIRECTORY [UPDATES [FLAGS OF compare...]]'
data=${1:?$usage} directory=${2:?$usage} updates=${3:-2800}
shift $(($# < 3 ? $# : 3))
here=$(dirname "$0")/..
configs=()
mkdir -p "$directory/configs"
for normaliser in ${NORMALISERS:-softmax relu_mean relu}; do
  { cat "$here/examples/transformer.toml"; echo "normaliser = \"$normaliser\""; } >"$directory/configs/$normaliser.toml"
  configs+=("$directory/configs/$normaliser.toml")
done
# shellcheck disable=SC2086  # several seeds
"$here/build/attune" compare --configs "${configs[@]}" --seeds ${SEEDS:-1 2 3} --directory "$directory" \
  --train "$data"/train.{de,en}.gz --valid "$data"/val.{de,en} --test "$data"/test_2016.{de,en} \
  --max-update "$updates" --max-epoch 0 --lr-scheduler cosine --valid-freq 0 --valid-bleu=false \
  --beam-size 5 "$@"
