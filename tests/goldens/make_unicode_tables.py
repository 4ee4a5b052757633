#!/usr/bin/env python3
"""Writes src/attune/text/unicode_tables.h from what Python's str.lower() does.

    tests/goldens/make_unicode_tables.py > src/attune/text/unicode_tables.h

The three properties are probed, not read from a data file, so the header agrees with str.lower() by construction:
  lower      chr(c).lower(), except U+0130, whose lower case is two code points,
  ignorable  code points that the rule for a final sigma looks through,
  cased      code points that end that search.
"""
import sys
import unicodedata

SIGMA, FINAL_SIGMA = "\u03a3", "\u03c2"
CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]


def case_runs():
    mapped = [(c, ord(chr(c).lower()) - c) for c in CODE_POINTS if c != 0x130 and chr(c).lower() != chr(c)]
    runs = []
    for c, delta in mapped:
        if runs:
            first, last, stride, run_delta = runs[-1]
            step = c - last
            if delta == run_delta and step <= 2 and (stride == 0 or step == stride):
                runs[-1] = (first, c, step, delta)
                continue
        runs.append((c, c, 0, delta))
    return [(first, last, stride or 1, delta) for first, last, stride, delta in runs]


def ranges(code_points):
    result = []
    for c in code_points:
        if result and c == result[-1][1] + 1:
            result[-1][1] = c
        else:
            result.append([c, c])
    return result


def final(text):
    return text.lower().endswith(FINAL_SIGMA)


def print_rows(declaration, entries):
    print(f"inline constexpr {declaration}[] = {{")
    line = "   "
    for entry in entries:
        if len(line) + len(entry) + 2 > 118:
            print(line)
            line = "   "
        line += f" {entry},"
    print(line)
    print("};\n")


def main():
    cased = [c for c in CODE_POINTS if final(chr(c) + SIGMA)]
    is_cased = set(cased)
    ignorable = [c for c in CODE_POINTS if c not in is_cased and final("A" + chr(c) + SIGMA)]
    print("// Tables behind lowercase(), written by tests/goldens/make_unicode_tables.py from Unicode "
          f"{unicodedata.unidata_version}: do not edit.")
    print("// clang-format off\n#pragma once\n\n#include <cstdint>\n\nnamespace attune::unicode_tables {\n")
    print("// first, first + stride, ... last have their lower case at a distance of delta.")
    print("struct CaseRun {\n  char32_t first, last;\n  uint32_t stride;\n  int32_t delta;\n};\n")
    print("struct Range {\n  char32_t first, last;\n};\n")
    print_rows("CaseRun case_runs", [f"{{0x{a:X}, 0x{b:X}, {s}, {d}}}" for a, b, s, d in case_runs()])
    print("// Cased and not ignorable: ends the search for a letter beside a capital sigma.")
    print_rows("Range cased", [f"{{0x{a:X}, 0x{b:X}}}" for a, b in ranges(cased)])
    print("// Ignorable: that search looks through it.")
    print_rows("Range ignorable", [f"{{0x{a:X}, 0x{b:X}}}" for a, b in ranges(ignorable)])
    print("}  // namespace attune::unicode_tables")


if __name__ == "__main__":
    sys.exit(main())
