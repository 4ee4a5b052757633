#!/bin/sh
# Installs the Debian packages that a purpose needs and says which; those already there are skipped.
#   tools/install_packages.sh build|test|checks
set -e
build="g++ cmake ninja-build pkg-config libdnnl-dev libhwy-dev libsentencepiece-dev libfmt-dev
  nlohmann-json3-dev libcli11-dev zlib1g-dev"
test="libgtest-dev"
checks="make clang libclang-rt-14-dev libomp-dev lld clang-format git chromium"
case "$1" in
  build) wanted=$build ;;
  test) wanted="$build $test" ;;
  checks) wanted="$build $test $checks" ;;
  *) echo "usage: tools/install_packages.sh build|test|checks" >&2; exit 2 ;;
esac

missing=""
for package in $wanted; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q "^install ok installed" || missing="$missing $package"
done
if [ -z "$missing" ]; then
  exit 0
fi
if ! command -v apt-get >/dev/null; then
  echo "These Debian packages are missing, and there is no apt-get here to install them:$missing" >&2
  exit 1
fi
echo "Installing the missing packages:$missing"
as_root=""
if [ "$(id -u)" != 0 ]; then
  as_root="sudo"
fi
log=$(mktemp)
if $as_root apt-get update >"$log" 2>&1 &&
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing >>"$log" 2>&1; then
  rm -f "$log"
else
  tail -20 "$log" >&2
  echo "Installing failed; the whole log is in $log" >&2
  exit 1
fi
