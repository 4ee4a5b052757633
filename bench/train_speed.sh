#!/bin/bash
# Training speed: attune and eager PyTorch in turn on the same work (a config on a parallel corpus, two threads), in real
# source plus target tokens a second; beside it the share of PyTorch's batches that is padding, and what share of the
# processor's product rate (attune bench products, same run) attune's useful operations are.
#   bench/train_speed.sh SOURCE.gz TARGET.gz [PYTHON [ROUNDS [CONFIG]]]
# PYTHON: an interpreter with torch and sentencepiece. CONFIG: bench/train_speed.toml, or another bench/train_speed_*.toml.
# Each side warms up first: attune's figure is of the last third of its updates, PyTorch's of those behind the first 5.
set -euo pipefail
source=${1:?usage: bench/train_speed.sh SOURCE.gz TARGET.gz [PYTHON [ROUNDS]]}
target=${2:?usage: bench/train_speed.sh SOURCE.gz TARGET.gz [PYTHON [ROUNDS]]}
python=${3:-python3} rounds=${4:-3}
here=$(dirname "$0")
config=${5:-$here/train_speed.toml}
attune=$here/../build/attune
updates=$(sed -n 's/^log-freq *= *//p' "$config")  # a third of attune's
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# number KEY: the last value of that key in JSON on standard input
number() { sed -n "s/.*\"$1\": *\([0-9.]*\).*/\1/p" | tail -1; }
calculate() { awk "BEGIN { printf \"$1\", $2 }"; }

train_attune() {
  rm -rf "$work/model"
  "$attune" train --config "$config" --train "$source" "$target" --model "$work/model" --threads 2 \
    --compute-type "$1" 2>"$work/log" || { cat "$work/log" >&2; return 1; }
  number tokens_per_second <"$work/model/training.jsonl"
}

# Products of a forward and, twice as many, of a backward; two operations a multiply-add; a token is half of a pair.
operations_per_token() {
  "$attune" describe --model "$work/model" --format json >"$work/description"
  local from to
  from=$(number source_multiply_adds_per_token <"$work/description")
  to=$(number target_multiply_adds_per_token <"$work/description")
  calculate %.0f "3 * 2 * ($from + $to) / 2"
}

printf '%-12s %13s %14s %8s %9s %16s %15s\n' round 'attune tok/s' 'PyTorch tok/s' ratio padding 'attune GFLOP/s' 'of the products'
for round in $(seq "$rounds"); do
  for type in float32 bfloat16; do
    key=sgemm_gflops flag=
    [ $type = float32 ] || key=bfloat16_gflops flag=--autocast
    ours=$(train_attune $type)
    read -r theirs _ _ padding _ < <("$python" "$here/train_pytorch.py" "$source" "$target" "$work/model/joint.spm" \
      "$config" --updates "$updates" $flag 2>"$work/log" || { cat "$work/log" >&2; echo failed; })
    products=$("$attune" bench products --threads 2 --format json | number $key)
    useful=$(calculate %.1f "$ours * $(operations_per_token) / 1e9")
    printf '%-12s %13.0f %14.0f %8.2f %8s%% %16.0f %14.0f%%\n' "$type $round" "$ours" "$theirs" \
      "$(calculate %.3f "$ours / $theirs")" "$padding" "$useful" "$(calculate %.1f "100 * $useful / $products")"
  done
done
