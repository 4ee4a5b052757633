#!/bin/bash
# Attention and what gMLP puts in its place (Liu et al. 2021, tables 3 and 6) as masked language models on WikiText-2:
# the same pieces, updates and, within 5 %, parameters; one table with means and standard deviations over the seeds.
#   bench/masked_lm.sh DATA DIRECTORY [FLAGS OF compare...]
# DATA has wiki.train.tokens.gz and wiki.valid.tokens.gz. In the environment FORMS: some of transformer, gmlp, amlp, linear,
# additive and multiplicative (the last three: gMLP with another gate, whose inner width is then cut so that the
# parameters are as many); SEEDS: of each; CONFIGS_ONLY=1
# writes DIRECTORY/configs and trains nothing. A run is about six minutes of one core; what was trained is not trained again.
set -euo pipefail
usage='usage: bench/masked_lm.sh DATA DIRECTORY [FLAGS OF compare...]'
data=${1:?$usage} directory=${2:?$usage}
shift 2
here=$(dirname "$0")/..

# What differs from examples/masked-lm.toml. A block of gMLP is smaller than one of the Transformer: there are more.
keys_of() {
  local gated='encoder-mixer = "spatial_gating"; positions = "none"; heads = 1'
  case $1 in
    transformer) ;;
    gmlp) echo "$gated; encoder-layers = 8; feed-forward = 544" ;;
    amlp) echo "$gated; encoder-layers = 7; feed-forward = 544; tiny-attention = 32" ;;
    linear | additive | multiplicative)
      echo "$gated; encoder-layers = 8; feed-forward = 408; spatial-gate = \"$1\"" ;;
    *) echo "FORMS: unknown: $1" >&2 && return 2 ;;
  esac
}

mkdir -p "$directory/configs"
configs=()
for form in ${FORMS:-transformer gmlp amlp}; do
  keys=$(keys_of "$form")
  names=$(tr ';' '\n' <<<"$keys" | sed -E 's/^ *([a-z-]+) =.*/\1/')
  # A key stands once in a file.
  { grep -vE "^(${names//$'\n'/|}) =" "$here/examples/masked-lm.toml"; tr ';' '\n' <<<"$keys"; } >"$directory/configs/$form.toml"
  configs+=("$directory/configs/$form.toml")
done
[ -z "${CONFIGS_ONLY:-}" ] || exit 0
# shellcheck disable=SC2086  # several seeds
"$here/build/attune" compare --configs "${configs[@]}" --seeds ${SEEDS:-1 2 3} --directory "$directory" \
  --train "$data/wiki.train.tokens.gz" --valid "$data/wiki.valid.tokens.gz" "$@"
