#!/bin/bash
# What becomes of a translation as sentences grow longer than those that were learnt from: sequences of 4 to 32 symbols
# to be copied and reversed, tested up to 64. A decoder that sees one vector of the source against those that look at it;
# for each task a table of BLEU by length and the same as a plot.
#   bench/length_curve.sh DIRECTORY [MINUTES [FLAGS OF compare...]]
# The plots are DIRECTORY/copy.svg and DIRECTORY/reverse.svg. The same command goes on where it was stopped. SYSTEMS in the
# environment: some of the systems. TRAIN: pairs to learn from.
set -euo pipefail
usage='usage: bench/length_curve.sh DIRECTORY [MINUTES [FLAGS OF compare...]]'
directory=${1:?$usage} minutes=${2:-3}
shift $(($# < 2 ? $# : 2))
attune=$(dirname "$0")/../build/attune

# What a system is made of; the rest is the same for all. Positions that were never learnt mislead, so the convolutions,
# which see their neighbours, go without; transformer-gru has recurrent mixers where the Transformer attends to itself.
settings() {
  case $1 in
    transformer) printf 'encoder-layers = 2\ndecoder-layers = 2\nheads = 4\nfeed-forward = 512\n' ;;
    transformer-gru)
      settings transformer
      printf 'encoder-mixer = "gru"\ndecoder-mixer = "gru"\npositions = "none"\n'
      return
      ;;
    convolutional) printf 'encoder-layers = 4\ndecoder-layers = 3\npositions = "none"\n' ;;
    bahdanau) ;;
    *) printf 'encoder-layers = 1\ndecoder-layers = 1\n' ;;
  esac
  echo "architecture = \"$1\""
}

configs=()
mkdir -p "$directory/configs"
for system in ${SYSTEMS:-lstm bahdanau convolutional transformer transformer-gru}; do
  settings "$system" >"$directory/configs/$system.toml"
  configs+=("$directory/configs/$system.toml")
done
for task in copy reverse; do
  corpus=$directory/$task
  "$attune" corpus --task $task --directory "$corpus" --train "${TRAIN:-100000}" --test 2000 --min-length 4 \
    --max-length 32 --test-max-length 64
  echo "$task"
  "$attune" compare --configs "${configs[@]}" --directory "$corpus/models" --train "$corpus"/train.{source,target} \
    --valid "$corpus"/valid.{source,target} --test "$corpus"/test.{source,target} --tokenizer words --joint-vocabulary \
    --width 128 --dropout 0.1 --batch-tokens 2048 --lr 0.001 --warmup-updates 400 --lr-scheduler cosine --max-update 0 \
    --max-epoch 0 --max-minutes "$minutes" --valid-freq 0 --beam-size 5 --length-bounds 8 16 24 32 40 48 56 \
    --plot "$directory/$task.svg" "$@"
  echo
done
