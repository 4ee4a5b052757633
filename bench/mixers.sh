#!/bin/bash
# The attention mechanisms: attune bench mixers over the lengths, with both plots, then attune and PyTorch in turns at 4,096
# tokens. Ten to fifteen minutes on two cores that do nothing else.
#   bench/mixers.sh DIRECTORY [PYTHON [ROUNDS]] [-- FLAGS of attune bench mixers]
# DIRECTORY gets mixers.txt, time.svg, memory.svg and peers.md; what is there whole is not measured again. PYTHON: an
# interpreter with torch.
set -euo pipefail
usage='usage: bench/mixers.sh DIRECTORY [PYTHON [ROUNDS]] [-- FLAGS]'
words=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do words+=("$1") && shift; done
[ $# = 0 ] || shift
directory=${words[0]:?$usage} python=${words[1]:-python3} rounds=${words[2]:-3}
here=$(dirname "$0")
attune=$here/../build/attune
threads=${THREADS:-2}
mkdir -p "$directory"

if [ ! -e "$directory/mixers.txt" ]; then
  "$attune" bench mixers --threads "$threads" --plot "$directory/time.svg" --memory-plot "$directory/memory.svg" "$@" |
    tee "$directory/mixers.part" >&2
  mv "$directory/mixers.part" "$directory/mixers.txt"
fi

if [ ! -e "$directory/peers.md" ]; then
  "$attune" bench mixers --threads "$threads" --length 1024 --seconds 0 --format json >"$directory/ours.json"
  "$python" "$here/mixers_pytorch.py" --check "$directory/ours.json" --threads "$threads" >&2
  : >"$directory/ours.json"
  : >"$directory/theirs.json"
  for round in $(seq "$rounds"); do
    echo "attune and PyTorch, round $round of $rounds" >&2
    "$attune" bench mixers --threads "$threads" --length 4096 --seconds 1 --format json >>"$directory/ours.json"
    "$python" "$here/mixers_pytorch.py" --threads "$threads" --length 4096 >>"$directory/theirs.json"
  done
  "$python" "$here/mixers_pytorch.py" --table "$directory/ours.json" "$directory/theirs.json" >"$directory/peers.part"
  mv "$directory/peers.part" "$directory/peers.md"
fi
cat "$directory/mixers.txt"
echo
cat "$directory/peers.md"
