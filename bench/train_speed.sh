#!/bin/sh
# Training tokens per second, attune and eager PyTorch in turn on the same work (Multi30k de-en, 3+3 layers of width 256,
# 8,000 pieces, about 4,096 target tokens a batch, two threads), and their ratio.
#   bench/train_speed.sh SOURCE.gz TARGET.gz [PYTHON]     PYTHON: an interpreter with torch and sentencepiece
set -e
source=$1 target=$2 python=${3:-python3}
here=$(dirname "$0")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
attune() {
  rm -rf "$work/model"
  "$here/../build/attune" train --config "$here/../examples/multi30k-de-en.toml" --train "$source" "$target" \
    --model "$work/model" --threads 2 --batch-tokens 4096 --dropout 0.1 --ema-decay 0 --max-update 60 --log-freq 20 \
    --lowercase=false --compute-type "$1" 2>/dev/null
  tail -1 "$work/model/training.jsonl" | sed 's/.*"tokens_per_second":\([0-9]*\).*/\1/'
}
ratio() { awk "BEGIN { printf \"%.2f\", $1 / $2 }"; }
printf '%-10s %14s %14s %8s\n' round 'attune tok/s' 'PyTorch tok/s' ratio
for round in 1 2 3; do
  ours=$(attune float32)
  theirs=$("$python" "$here/train_pytorch.py" "$source" "$target" "$work/model/joint.spm")
  printf '%-10s %14s %14s %8s\n' "float32 $round" "$ours" "${theirs%% *}" "$(ratio "$ours" "${theirs%% *}")"
  ours=$(attune bfloat16)
  theirs=$("$python" "$here/train_pytorch.py" "$source" "$target" "$work/model/joint.spm" --autocast)
  printf '%-10s %14s %14s %8s   (%s)\n' "bfloat16 $round" "$ours" "${theirs%% *}" "$(ratio "$ours" "${theirs%% *}")" \
    "${theirs#*, }"
done
