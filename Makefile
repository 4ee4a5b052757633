# A thin front of CMake's presets.
#   make        builds build/attune
#   make demo   trains a small translator on a generated corpus and shows what it learnt (minutes)
#   make test   builds and runs all tests
#   make check  the sanitizer build's unit tests, the format, the order of the rooms, the headers, the package, the fuzz
#               targets
#   make fuzz SECONDS=60   each fuzz target that long (fuzz/README.md)
#   make thread-sanitizer   the rooms with parallel loops (docs/decisions/thread-sanitizer.md)
#   make install [PREFIX=/usr/local]  the program, libattune, its headers, its CMake package, completion for bash
.PHONY: all demo test check format rooms headers package install sanitize thread-sanitizer fuzz clean
PREFIX ?= /usr/local
SECONDS = 60
MAKEFLAGS += --no-print-directory

# $(call configure,PURPOSE,PRESET): the packages that are missing, then CMake, which is only heard when it fails.
configure = tools/install_packages.sh $(1) && { cmake --preset $(2) >build.log 2>&1 || { cat build.log; exit 1; }; } && \
  rm -f build.log

all:
	@$(call configure,build,release)
	@cmake --build --preset release --target attune

demo: all
	@build/attune demo

test:
	@$(call configure,test,test)
	@cmake --build --preset test
	@ctest --preset test

check: rooms format headers package sanitize fuzz

fuzz:
	@$(call configure,checks,sanitize)
	@cmake --build --preset fuzz
	@tools/fuzz.sh $(SECONDS)

# Of an allocation five frames of the stack are kept (ASAN_OPTIONS in CMakePresets.json), which is a quarter less to wait
# for than thirty; a finding that needs more of them is run again by hand.
sanitize:
	@$(call configure,checks,sanitize)
	@cmake --build --preset sanitize
	@ctest --preset sanitize

thread-sanitizer:
	@$(call configure,checks,thread)
	@cmake --build --preset thread
	@ctest --preset thread

format:
	@tools/install_packages.sh checks
	@git ls-files '*.h' '*.cpp' | xargs clang-format --dry-run --Werror && echo "format: as .clang-format says"

rooms:
	@tools/check_rooms.sh

headers:
	@tools/install_packages.sh build
	@tools/check_headers.sh

package: all
	@tools/check_package.sh

install: all
	@cmake --install build --prefix $(PREFIX)

clean:
	rm -rf build
