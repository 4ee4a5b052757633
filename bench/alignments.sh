#!/bin/bash
# Alignment error rates of what systems look at, layer by layer and head by head, on English-French pairs with gold links:
# each system of examples/ is trained on Multi30k, English to French, and those pairs (not on their links), reads them once
# more and links each target word to the source word it looked at most; beside it the diagonal.
#   bench/alignments.sh MULTI30K ALIGN DIRECTORY [MINUTES [FLAGS OF train...]]
# MULTI30K: a folder with train.en.gz, val.en and the same in French. ALIGN: one with enfr.src-tgt (source ||| target) and
# enfr.gold (words counted from 1, i-j sure, ipj possible). The same command goes on where it was stopped. SYSTEMS in the
# environment: some of the systems.
set -euo pipefail
usage='usage: bench/alignments.sh MULTI30K ALIGN DIRECTORY [MINUTES [FLAGS OF train...]]'
data=${1:?$usage} align=${2:?$usage} directory=${3:?$usage} minutes=${4:-10}
shift $(($# < 4 ? $# : 4))
here=$(dirname "$0")/..
attune=$here/build/attune

mkdir -p "$directory"
for side in 1 2; do
  language=$([ $side = 1 ] && echo en || echo fr)
  awk -F ' *\\|\\|\\| *' "{ print \$$side }" "$align/enfr.src-tgt" >"$directory/gold.$language"
  { gzip -dc "$data/train.$language.gz"; cat "$directory/gold.$language"; } >"$directory/train.$language"
done
for system in ${SYSTEMS:-bahdanau luong convolutional transformer}; do
  "$attune" train --config "$here/examples/$system.toml" --train "$directory"/train.{en,fr} --valid "$data"/val.{en,fr} \
    --model "$directory/$system" --max-minutes "$minutes" --max-update 0 --max-epoch 0 --lr-scheduler cosine \
    --valid-freq 0 --valid-bleu=false "$@"
  echo "$system"
  "$attune" evaluate --alignment "$align/enfr.gold" --one-based --model "$directory/$system" \
    --source "$directory/gold.en" --target "$directory/gold.fr"
  echo
done
