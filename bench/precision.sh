#!/bin/bash
# What bfloat16 products cost in quality: the same training in float32 and in bfloat16 for several seeds; prints the
# negative log-likelihood and the BLEU of each run's last validation and the means. Settings and --valid as for train.
#   bench/precision.sh SEEDS --config examples/transformer.toml --train S.gz T.gz --valid S T --max-update 1500
# valid-freq must divide max-update; 3 seeds are 6 trainings.
set -euo pipefail
seeds=${1:?usage: bench/precision.sh SEEDS FLAGS OF train...}
shift
attune=$(dirname "$0")/../build/attune
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

last() { sed -n "s/.*\"$1\": *\([0-9.]*\).*/\1/p" "$work/model/training.jsonl" | tail -1; }

printf '%-10s %5s %9s %9s %7s\n' type seed minutes nll BLEU
for seed in $(seq "$seeds"); do
  for type in float32 bfloat16; do
    rm -rf "$work/model"
    "$attune" train "$@" --model "$work/model" --compute-type "$type" --seed "$seed" 2>"$work/log" ||
      { cat "$work/log" >&2; exit 1; }
    minutes=$(awk "BEGIN { print $(last seconds) / 60 }")
    printf '%-10s %5s %9.1f %9.4f %7.2f\n' $type "$seed" "$minutes" "$(last valid_nll)" "$(last valid_bleu)" |
      tee -a "$work/table"
  done
done
awk '{ n[$1]++; nll[$1] += $4; bleu[$1] += $5 }
     END { for (type in n) printf "%-10s %5s %9s %9.4f %7.2f\n", type, "mean", "", nll[type] / n[type], bleu[type] / n[type] }' \
  "$work/table"
