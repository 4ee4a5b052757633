#!/bin/sh
# The installed files as an outsider uses them: installs build/ into a temporary prefix, builds examples/translate from
# there with find_package(attune), and lets it translate with a model of a few updates as the installed program does.
set -e
cd "$(dirname "$0")/.."
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
quietly() {
  "$@" >"$place/log" 2>&1 || { cat "$place/log"; echo "failed: $*"; exit 1; }
}
fail() {
  echo "$*"
  exit 1
}

# The example is copied away from the sources, so that it can only see what is installed.
quietly cmake --install "${1:-build}" --prefix "$place/prefix"
cp -r examples/translate "$place/example"
quietly cmake -S "$place/example" -B "$place/example/build" -DCMAKE_PREFIX_PATH="$place/prefix" -DCMAKE_CXX_COMPILER="${CXX:-g++}"
quietly cmake --build "$place/example/build"

cd "$place"
attune=prefix/bin/attune
version=$(find prefix -name attuneConfigVersion.cmake -exec sed -n 's/^set(PACKAGE_VERSION "\(.*\)")/\1/p' {} +)
case "$($attune --version)" in
  "attune $version ("*"oneDNN "*) ;;
  *) fail "attune --version says $($attune --version), the CMake package $version" ;;
esac
$attune --completion bash | cmp - prefix/share/bash-completion/completions/attune

printf 'a cat sleeps .\na dog runs .\nthe cat runs .\nthe dog sleeps .\n' >source
printf 'con mèo ngủ .\ncon chó chạy .\ncon mèo chạy .\ncon chó ngủ .\n' >target
quietly $attune train --train source target --model model --tokenizer words --width 16 --heads 2 --feed-forward 32 \
  --encoder-layers 1 --decoder-layers 1 --max-update 2 --threads 1
$attune translate --model model <source >expected 2>log || { cat log; exit 1; }
example/build/translate model <source >found
cmp expected found || fail "the example translates otherwise than attune translate"
[ "$(wc -l <found)" = 4 ] || fail "the example gave $(wc -l <found) lines for 4"
if example/build/translate nowhere </dev/null >found 2>log; then
  fail "the example should have failed on a missing model"
fi
grep -q '^nowhere: ' log || fail "the message on a missing model does not name it: $(cat log)"
echo "package: examples/translate builds from the installed files and translates as attune $version does"
