#!/bin/bash
# The ladder of architectures on Multi30k, German to English: each system of examples/ with the same pieces, the same
# minutes (spent in updates; the learning rate ends with them) and the same search, in one table: parameters, tokens/s,
# loss, BLEU greedy and with beam 5, BLEU of short, medium and long sources, how spread the attention is.
#   bench/ladder.sh DATA DIRECTORY [MINUTES [FLAGS OF compare...]]
# DATA: a folder with train.de.gz, val.de, test_2016.de and the same in English. DIRECTORY: where the models go; the same
# command goes on where it was stopped. SYSTEMS in the environment: some of the systems, e.g. SYSTEMS="lstm transformer".
set -euo pipefail
usage='usage: bench/ladder.sh DATA DIRECTORY [MINUTES [FLAGS OF compare...]]'
data=${1:?$usage} directory=${2:?$usage} minutes=${3:-20}
shift $(($# < 3 ? $# : 3))
here=$(dirname "$0")/..
configs=()
for system in ${SYSTEMS:-rnn gru lstm bahdanau luong convolutional transformer}; do
  configs+=("$here/examples/$system.toml")
done

compare() {
  "$here/build/attune" compare --configs "${configs[@]}" --directory "$directory" --train "$data"/train.{de,en}.gz \
    --valid "$data"/val.{de,en} --test "$data"/test_2016.{de,en} --tokenizer unigram --vocab-size 8000 \
    --joint-vocabulary --lowercase --max-minutes "$minutes" --max-update 0 --max-epoch 0 --lr-scheduler cosine \
    --valid-freq 0 --valid-bleu=false --beam-size 5 --plot "$directory/length.svg" "$@"
}
compare "$@"
compare "$@" --format json >"$directory/ladder.json" 2>/dev/null
