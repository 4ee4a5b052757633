#!/bin/sh
# Every installed header by itself: it must compile with nothing but the standard library and the other installed headers.
# Installs the headers into a temporary folder; nothing is built. A header that its own .cpp includes first is not
# compiled here: every build does that, and of what it includes only the names are left to check.
set -e
cd "$(dirname "$0")/.."
sources=$PWD/src
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
compiler=${CXX:-g++}
cmake -S . -B "$place/build" -DATTUNE_BUILD_TESTS=OFF -DCMAKE_CXX_COMPILER="$compiler" >"$place/log" 2>&1 &&
  cmake --install "$place/build" --prefix "$place/prefix" --component headers >>"$place/log" 2>&1 ||
  { cat "$place/log"; exit 1; }

cd "$place/prefix/include"
find . -name '*.h' | sed 's|^\./||' | sort >"$place/headers"
# Standard headers have neither a slash nor a dot in their names.
if grep -rnE '#include (<[^>]*[/.]|"[^"]*"$)' . | grep -vE '#include "attune/'; then
  echo "a public header may include only standard headers and other headers of attune"
  exit 1
fi
grep -rhoE '#include "attune/[^"]*"' . | sort -u | cut -d'"' -f2 | while read -r header; do
  [ -f "$header" ] || { echo "$header is included by a public header and is not installed itself"; exit 1; }
done
while read -r header; do
  first=$(grep -m 1 '^#include' "$sources/${header%.h}.cpp" 2>/dev/null || true)
  [ "$first" = "#include \"$header\"" ] || echo "$header"
done <"$place/headers" >"$place/alone"
compile='echo "#include \"$1\"" | $0 -x c++ -std=c++20 -fsyntax-only -Wall -Wextra -Wpedantic -Wshadow -Werror -I . - ||
  { echo "$1 does not compile by itself"; exit 1; }'
xargs -P 2 -n 1 sh -c "$compile" "$compiler" <"$place/alone"
echo "headers: each of the $(wc -l <"$place/headers") compiles by itself, $(wc -l <"$place/alone") of them here"
