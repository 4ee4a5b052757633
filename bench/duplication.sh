#!/bin/bash
# Reformer's duplication task (Kitaev et al. 2020, section 5 and table 2): a model of one layer is trained with full
# attention (queries and keys shared) and with 4, 2 and 1 rounds of hashing, and each reads the test with full attention and
# with 8, 4, 2 and 1 rounds. Full attention comes in two forms: a token does not see itself, as under hashing, or it does
# ("self"). Prints the share of the second w's symbols that are told rightly, beside the published one.
#   bench/duplication.sh DIRECTORY [FLAGS OF compare...]
# In the environment LENGTH (1024) of a sequence, as in the paper; CHUNK (32) of the sorted sequence; UPDATES (4000);
# TRAINED: some of full, self, 4, 2 and 1. What was trained is not trained again.
set -euo pipefail
directory=${1:?usage: bench/duplication.sh DIRECTORY [FLAGS OF compare...]}
shift
here=$(dirname "$0")/..
attune=$here/build/attune length=${LENGTH:-1024} chunk=${CHUNK:-32} trained=${TRAINED:-full self 4 2 1}
source "$here/bench/mixer_forms.sh"

# Full attention is hashing's single chunk.
reading() {
  case $1 in
    full) printf 'lsh-chunk = 0\nlsh-sees-itself = false\n' ;;
    self) printf 'lsh-chunk = 0\nlsh-sees-itself = true\n' ;;
    *) printf 'lsh-chunk = %s\nlsh-hashes = %s\nlsh-sees-itself = false\n' "$chunk" "$1" ;;
  esac
}

named() { case $1 in full) echo full ;; self) echo 'full, self' ;; *) echo "LSH-$1" ;; esac; }

data=$directory/corpus
[ -e "$data/test.tsv" ] || "$attune" corpus --task duplication --length "$length" --train 40000 --valid 100 --test 400 \
  --directory "$data"
mkdir -p "$directory/configs"
configs=()
for rounds in $trained; do
  file=$directory/configs/trained-$rounds.toml
  config_with "$here/examples/duplication.toml" "decoder-mixer = \"lsh\"
$(reading "$rounds")
sequence-length = $((length + 1))
max-positions = $((length + 1))
max-update = ${UPDATES:-4000}" >"$file"
  configs+=("$file")
done
"$attune" compare --configs "${configs[@]}" --directory "$directory" --train "$data/train.tsv" \
  --valid "$data/valid.tsv" "$@"

# % of the symbols; in brackets the paper's, of length 1,024.
columns='full self 8 4 2 1'
declare -A published=([full]='100 - 94.8 92.5 76.9 52.5' [self]='- - - - - -' [4]='0.8 - 100 99.9 99.4 91.9'
  [2]='0.8 - 100 99.9 98.1 86.8' [1]='0.8 - 99.9 99.6 94.8 77.9')
printf '\n%-14s' 'trained, read'
for read_with in $columns; do printf '%14s' "$(named "$read_with")"; done
echo
for rounds in $trained; do
  printf '%-14s' "$(named "$rounds")"
  read -ra of_paper <<<"${published[$rounds]}"
  column=0
  for read_with in $columns; do
    mapfile -t settings < <(reading "$read_with" | tr -d ' ')
    told=$("$attune" evaluate --model "$directory/trained-$rounds" --test "$data/test.tsv" --completions \
      --set "${settings[@]}" | sed -E 's/.*accuracy ([0-9.]+).*/\1/')
    printf '%14s' "$(awk "BEGIN { printf \"%.1f\", 100 * $told }") (${of_paper[column++]})"
  done
  echo
done
