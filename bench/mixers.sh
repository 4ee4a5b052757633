#!/bin/bash
# The attention mechanisms: attune bench mixers over the lengths, with both plots, then attune and PyTorch in turns at 4,096
# tokens. About six minutes on two cores that do nothing else.
#   bench/mixers.sh DIRECTORY [PYTHON [ROUNDS]]
# DIRECTORY gets mixers.txt with time.svg and memory.svg, then peers.md; what is there is not measured again. PYTHON: an
# interpreter with torch.
set -euo pipefail
directory=${1:?usage: bench/mixers.sh DIRECTORY [PYTHON [ROUNDS]]} python=${2:-python3} rounds=${3:-3}
here=$(dirname "$0")
attune=$here/../build/attune
threads=${THREADS:-2}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$directory"

if [ ! -e "$directory/mixers.txt" ]; then
  "$attune" bench mixers --threads "$threads" --plot "$directory/time.svg" --memory-plot "$directory/memory.svg" |
    tee "$work/mixers.txt" >&2
  mv "$work/mixers.txt" "$directory"
fi

if [ ! -e "$directory/peers.md" ]; then
  "$attune" bench mixers --threads "$threads" --length 1024 --seconds 0 --format json >"$work/ours.json"
  "$python" "$here/mixers_pytorch.py" --check "$work/ours.json" --threads "$threads" >&2
  : >"$work/ours.json"
  : >"$work/theirs.json"
  for round in $(seq "$rounds"); do
    echo "attune and PyTorch, round $round of $rounds" >&2
    "$attune" bench mixers --threads "$threads" --length 4096 --seconds 1 --format json >>"$work/ours.json"
    "$python" "$here/mixers_pytorch.py" --threads "$threads" --length 4096 >>"$work/theirs.json"
  done
  "$python" "$here/mixers_pytorch.py" --table "$work/ours.json" "$work/theirs.json" >"$work/peers.md"
  mv "$work/peers.md" "$directory"
fi
cat "$directory/mixers.txt"
echo
cat "$directory/peers.md"
