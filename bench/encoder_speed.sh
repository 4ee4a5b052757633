#!/bin/bash
# Speed of encoder-only models: attune and eager PyTorch in turn on the same work, two threads: gMLP-S on 8 images of 196
# patches, masked language models (the Transformer with relative positions and the gMLP of bench/masked_lm.sh) on 32
# sequences of 128 pieces. Training in tokens a second and the share of the processor's product rate (attune bench
# products, same run) that attune's useful operations are; inference in milliseconds for 8 images, and for one text.
#   bench/encoder_speed.sh DATA [PYTHON [ROUNDS]]
# DATA has wiki.train.tokens.gz. PYTHON: an interpreter with torch.
set -euo pipefail
usage='usage: bench/encoder_speed.sh DATA [PYTHON [ROUNDS]]'
data=${1:?$usage} python=${2:-python3} rounds=${3:-2}
here=$(dirname "$0")
attune=$here/../build/attune
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
updates=24  # attune's figure is of the last third

number() { sed -n "s/.*\"$1\": *\([0-9.]*\).*/\1/p" | tail -1; }
calculate() { awk "BEGIN { printf \"$1\", $2 }"; }

# idx files of 64 images of noise, every one with a label of its own, and of the first 8
bytes() { for byte in "$@"; do printf "\\x$(printf %x "$byte")"; done; }
pixels=$((224 * 224 * 3))
for count in 8 64; do
  { bytes 0 0 8 4 0 0 0 $count 0 0 0 224 0 0 0 224 0 0 0 3; head -c $((count * pixels)) < <(yes 'attune on images'); } >"$work/$count.images"
done
# shellcheck disable=SC2046  # a byte each
{ bytes 0 0 8 1 0 0 0 64; bytes $(seq 0 63); } >"$work/64.labels"
text="$(printf 'the %.0s' {1..125})[MASK]"

config_of() {
  if [ "$1" = gmlp-s ]; then
    { grep -vE '^(labels|max-update|warmup-updates) =' "$here/../examples/gmlp-s.toml"; echo 'batch-tokens = 1568'; } >"$work/$1.toml"
  else
    FORMS=$1 CONFIGS_ONLY=1 "$here/masked_lm.sh" "$data" "$work"
    grep -vE '^(max-update|warmup-updates|valid-freq|save-freq|log-freq) =' "$work/configs/$1.toml" >"$work/$1.toml"
  fi
}

train_attune() {
  local files=("$data/wiki.train.tokens.gz")
  [ "$1" = gmlp-s ] && files=("$work/64.images" "$work/64.labels")
  rm -rf "$work/model"
  "$attune" train --config "$work/$1.toml" --train "${files[@]}" --model "$work/model" --threads 2 --compute-type "$2" \
    --max-update $updates --warmup-updates 10 --log-freq $((updates / 3)) --max-epoch 0 2>"$work/log" || { cat "$work/log" >&2; return 1; }
  number tokens_per_second <"$work/model/training.jsonl"
}

seconds() {
  local begin end
  begin=$(date +%s.%N)
  "$@" >/dev/null 2>"$work/log" || { cat "$work/log" >&2; return 1; }
  end=$(date +%s.%N)
  calculate %.6f "$end - $begin"
}
read_texts() { for ((i = 0; i < $1; ++i)); do echo "$text"; done | "$attune" fill-mask --model "$work/model" --threads 2; }
classify() { "$attune" classify --model "$work/model" --images "$work/$1.images" --batch-tokens 1568 --threads 2; }
# What starting and loading take is in both of two runs.
infer_attune() {
  if [ "$1" = gmlp-s ]; then
    calculate %.2f "1000 * ($(seconds classify 64) - $(seconds classify 8)) / 7"
  else
    calculate %.2f "1000 * ($(seconds read_texts 220) - $(seconds read_texts 20)) / 200"
  fi
}

printf '%-20s %13s %14s %7s %10s %12s %12s %12s %7s\n' model 'attune tok/s' 'PyTorch tok/s' ratio 'GFLOP/s' 'of products' 'attune ms' 'PyTorch ms' ratio
for form in gmlp-s transformer gmlp; do
  config_of $form
  sequences=32 length=128
  [ $form = gmlp-s ] && sequences=8 length=196
  for round in $(seq "$rounds"); do
    for type in float32 bfloat16; do
      key=sgemm_gflops flag=
      [ $type = float32 ] || key=bfloat16_gflops flag=--autocast
      ours=$(train_attune $form $type)
      alone=$(infer_attune $form)
      at_once=$sequences
      [ $form = gmlp-s ] || at_once=1
      read -r theirs _ < <("$python" "$here/encoder_pytorch.py" "$work/$form.toml" $sequences $length $flag)
      read -r _ their_inference < <("$python" "$here/encoder_pytorch.py" "$work/$form.toml" $at_once $length --updates 30)
      products=$("$attune" bench products --threads 2 --format json | number $key)
      "$attune" describe --model "$work/model" --length $length --format json >"$work/description"
      # A forward's, per token; the output layer reads the masked 15 %.
      if [ $form = gmlp-s ]; then
        adds=$(calculate %.0f "$(number image_multiply_adds <"$work/description") / $length")
      else
        adds=$(calculate %.0f "$(number source_multiply_adds_per_token <"$work/description") + \
          0.15 * $(number target_multiply_adds_per_token <"$work/description")")
      fi
      useful=$(calculate %.1f "$ours * 3 * 2 * $adds / 1e9")
      their_ms=$(calculate %.2f "1000 * $at_once * $length / $their_inference")
      printf '%-20s %13.0f %14.0f %7.2f %10.0f %11.0f%% %12s %12s %7.2f\n' "$form $type $round" "$ours" "$theirs" \
        "$(calculate %.3f "$ours / $theirs")" "$useful" "$(calculate %.1f "100 * $useful / $products")" "$alone" "$their_ms" \
        "$(calculate %.3f "$their_ms / $alone")"
    done
  done
done
