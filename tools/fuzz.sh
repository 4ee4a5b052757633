#!/bin/bash
# Runs every fuzz target for so many seconds and prints one line each: executions, findings. Ends with 1 if there was a
# finding; its input and the log lie under BUILD/findings and BUILD/logs. What a run learns stays in BUILD/corpus, so
# that the next one goes on from there.
#   tools/fuzz.sh SECONDS [BUILD] [TARGET...]
set -u
seconds=${1:?usage: tools/fuzz.sh SECONDS [BUILD] [TARGET...]}
cd "$(dirname "$0")/.." || exit 1
build=${2:-build/sanitize}
shift $(($# < 2 ? $# : 2))
targets=${*:-$(cd fuzz && ls -- *.cpp | grep -v make_seeds | sed 's/\.cpp$//')}
export ASAN_OPTIONS=quarantine_size_mb=32:detect_leaks=1
export UBSAN_OPTIONS=print_stacktrace=1
cores=$(nproc)  # before the next line, which nproc heeds
export OMP_NUM_THREADS=1
mkdir -p "$build/logs"

# An allocation above 256 MB is a finding: a claimed size that was believed. gzip packs at most 1032 to 1, so that 3000
# bytes of it honestly hold 3 million empty lines, which take half of that.
run() {
  local target=$1 longest=6000
  [ "$target" = corpus ] && longest=3000
  local corpus=$build/corpus/$1 findings=$build/findings/$1 log=$build/logs/$1.log
  rm -rf "$findings"
  mkdir -p "$corpus" "$findings"
  "$build/fuzz/fuzz_$target" "$corpus" "fuzz/seeds/$target" -max_total_time="$seconds" -max_len=$longest -timeout=10 \
    -rss_limit_mb=1024 -malloc_limit_mb=256 -print_final_stats=1 -artifact_prefix="$findings/" >"$log" 2>&1
  local status=$? found executions
  found=$(find "$findings" -type f | wc -l)
  executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  if [ $status -ne 0 ] && [ "$found" -eq 0 ]; then
    found="1 (exit code $status)"
  fi
  echo "$target: ${executions:-0} executions in $seconds s, findings: $found"
  [ $status -eq 0 ] && return 0
  grep -m 8 -E 'ERROR|SUMMARY|runtime error|broken property|what\(\)|Test unit written' "$log"
  return 1
}

# As many at a time as there are cores.
export -f run
export build seconds
printf '%s\n' $targets | xargs -P "$cores" -I{} bash -c 'run {}' || exit 1
