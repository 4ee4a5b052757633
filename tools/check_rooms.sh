#!/bin/sh
# A room includes only rooms above it in this list (docs/architecture.md). Prints every include that breaks that.
cd "$(dirname "$0")/.." || exit 1
rooms="base kernels tensor autograd ops attention nn text data models metrics decode train inspect explain serve cli"
bad=0
allowed=""
for room in $rooms; do
  allowed="$allowed|$room"
  [ -d "src/attune/$room" ] || continue
  found=$(grep -nE '^#include "attune/' -r "src/attune/$room" | grep -vE "#include \"attune/(${allowed#|})/") || continue
  echo "$found"
  bad=1
done
for directory in src/attune/*/; do
  case " $rooms " in *" $(basename "$directory") "*) ;; *) echo "$directory is not a room"; bad=1 ;; esac
done
[ $bad = 0 ] && echo "rooms: every include points upwards"
exit $bad
