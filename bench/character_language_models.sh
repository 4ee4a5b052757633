#!/bin/bash
# Character language models on tinyshakespeare with a context of 1,024: exact attention and the sub-quadratic mechanisms that
# have a causal form, as many parameters and updates each. One table: loss, accuracy, tokens/s, beside the best table of
# n-grams (all of them are in the log); then the pieces a second that each generates at some positions of a text.
#   bench/character_language_models.sh DATA DIRECTORY [FLAGS OF compare...]
# DATA has input.txt.gz. In the environment FORMS: some of exact, local, sparse, lsh, performer and linear; UPDATES (2000) of
# 2,048 characters; POSITIONS ("1 1024 16384"). What was trained is not trained again.
set -euo pipefail
usage='usage: bench/character_language_models.sh DATA DIRECTORY [FLAGS OF compare...]'
data=${1:?$usage} directory=${2:?$usage}
shift 2
here=$(dirname "$0")/..
attune=$here/build/attune forms=${FORMS:-exact local lsh performer linear}
source "$here/bench/mixer_forms.sh"
mkdir -p "$directory/configs"
# The published split: the first 90 % of the characters.
[ -e "$directory/valid.txt" ] || {
  zcat "$data/input.txt.gz" >"$directory/all.txt"
  head -c 1003854 "$directory/all.txt" >"$directory/train.txt"
  tail -c +1003855 "$directory/all.txt" >"$directory/valid.txt"
}
# Positions that every mechanism can have. Hashing shares queries and keys: what it saves goes into the feed-forward layers.
common="sequence-length = 1024
batch-tokens = 2048
positions = \"sinusoidal\"
max-minutes = 0
max-update = ${UPDATES:-2000}"
configs=()
for form in $forms; do
  mixer=$(form_lines "$form" decoder-mixer)
  [ "$form" != lsh ] || mixer+=$'\nfeed-forward = 576'
  config_with "$here/examples/language-model.toml" "$common"$'\n'"$mixer" >"$directory/configs/$form.toml"
  configs+=("$directory/configs/$form.toml")
done
"$attune" compare --configs "${configs[@]}" --directory "$directory" --train "$directory/train.txt" \
  --valid "$directory/valid.txt" "$@"
for form in $forms; do
  printf '\n%s, generating one text:\n' "$form"
  # shellcheck disable=SC2086  # several positions
  "$attune" bench generate --model "$directory/$form" --positions ${POSITIONS:-1 1024 16384} --threads 1
done
