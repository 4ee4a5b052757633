#!/bin/bash
# ListOps of Long Range Arena, generated here: the same encoder with exact attention and each sub-quadratic mechanism, as
# many updates each, on lengths of 100 to 400 tokens; one table, and the accuracy on the test beside the published ones.
#   bench/listops.sh DIRECTORY [FLAGS OF compare...]
# In the environment FORMS: some of exact, local, longformer, sparse, bigbird, lsh, linformer, performer, linear and nystrom;
# UPDATES (3000): of each, ten minutes of one core at most. PUBLISHED=1: lengths of 500 to 2,000 and 96,000 texts as there,
# by exact, local, lsh and linear, MINUTES (60) each: fewer updates than there, which the table says. What was trained is
# not trained again.
set -euo pipefail
directory=${1:?usage: bench/listops.sh DIRECTORY [FLAGS OF compare...]}
shift
here=$(dirname "$0")/..
attune=$here/build/attune
source "$here/bench/mixer_forms.sh"
if [ -n "${PUBLISHED:-}" ]; then
  forms=${FORMS:-exact local lsh linear} sizes=(--min-length 500 --max-length 2000 --train 96000)
  lines="max-positions = 2048
max-train-length = 2047
batch-tokens = 32768
max-update = 0
max-minutes = ${MINUTES:-60}"
else
  forms=${FORMS:-exact local longformer sparse bigbird lsh linformer performer linear nystrom}
  sizes=(--min-length 100 --max-length 400 --train 40000) lines="max-update = ${UPDATES:-3000}"
fi

data=$directory/corpus
[ -e "$data/test.tsv" ] || "$attune" corpus --task listops "${sizes[@]}" --valid 2000 --test 2000 --directory "$data"
mkdir -p "$directory/configs"
configs=()
for form in $forms; do
  mixer=$(form_lines "$form" encoder-mixer)
  config_with "$here/examples/listops.toml" "$mixer"$'\n'"$lines" >"$directory/configs/$form.toml"
  configs+=("$directory/configs/$form.toml")
done
"$attune" compare --configs "${configs[@]}" --directory "$directory" --train "$data/train.tsv" \
  --valid "$data/valid.tsv" "$@"

# Long Range Arena's own rows; those of the Nystromformer's authors (5,000 updates of 32 texts).
declare -A official=([exact]=36.37 [local]=15.82 [longformer]=35.63 [sparse]=17.07 [bigbird]=36.05 [lsh]=37.27
  [linformer]=35.70 [performer]=18.01 [linear]=16.13) again=([exact]=37.10 [lsh]=19.05 [linformer]=37.25
  [performer]=18.80 [nystrom]=37.15)
printf '\n%-12s %10s %12s %20s\n' mechanism 'test, %' 'LRA, %' 'by Nystromformer, %'
for form in $forms; do
  told=$("$attune" evaluate --model "$directory/$form" --test "$data/test.tsv" |
    sed -nE 's/.*: accuracy ([0-9.]+),.*/\1/p')
  printf '%-12s %10s %12s %20s\n' "$form" "$(awk "BEGIN { printf \"%.1f\", 100 * $told }")" "${official[$form]:--}" \
    "${again[$form]:--}"
done
