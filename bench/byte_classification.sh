#!/bin/bash
# SST-2 read byte by byte, as Long Range Arena reads its texts: the same encoder with exact attention and each sub-quadratic
# mechanism, as many updates each; one table: loss, accuracy, tokens/s, beside a bag of words.
#   bench/byte_classification.sh DATA DIRECTORY [FLAGS OF compare...]
# DATA has train.tsv.gz and dev.tsv. In the environment FORMS: some of exact, local, longformer, sparse, bigbird, lsh,
# linformer, performer, linear and nystrom; UPDATES (1500): of each. What was trained is not trained again.
set -euo pipefail
usage='usage: bench/byte_classification.sh DATA DIRECTORY [FLAGS OF compare...]'
data=${1:?$usage} directory=${2:?$usage}
shift 2
here=$(dirname "$0")/..
source "$here/bench/mixer_forms.sh"
mkdir -p "$directory/configs"
configs=()
for form in ${FORMS:-exact local longformer sparse bigbird lsh linformer performer linear nystrom}; do
  mixer=$(form_lines "$form" encoder-mixer)
  config_with "$here/examples/byte-classification.toml" "$mixer"$'\n'"max-update = ${UPDATES:-1500}" \
    >"$directory/configs/$form.toml"
  configs+=("$directory/configs/$form.toml")
done
"$here/build/attune" compare --configs "${configs[@]}" --directory "$directory" --train "$data/train.tsv.gz" \
  --valid "$data/dev.tsv" "$@"
