#!/bin/bash
# SPDX-License-Identifier: MIT
# tools/analyze.sh BUILD: static analysis of src/ and command/ by cppcheck, gcc and
# clang-tidy, in a directory where they have been built. Nothing may be found.
set -uo pipefail
build=$(cd "${1:?usage: tools/analyze.sh BUILD}" && pwd) || exit
cd "$(dirname "$0")/.." || exit

sources=()
for file in src/*.c command/*.c; do
    # src/optdoc.c runs while building, on the machine that builds.
    [[ $file == src/optdoc.c ]] || sources+=("$file")
done
flags=(-std=gnu11 -D_GNU_SOURCE -DHAVE_CONFIG_H "-I$build" -include config.h
    -Iinclude -Isrc -Icommand "-I$build/src" '-DHM_SYSCONFDIR="/etc"'
    '-DHM_DATADIR="/usr/share"' '-DHM_BINDIR="/usr/bin"' '-DHM_LIBDIR="/usr/lib"'
    '-DHM_PKGLIBDIR="/usr/lib/hakmem"')
found=0

# The size of a word is given, so that only one architecture's branches are looked at.
cppcheck -q --error-exitcode=1 --enable=warning,performance,portability --std=c11 \
    --platform=unix64 -DSIZE_MAX=18446744073709551615ULL -D__GNUC__=12 -D__x86_64__ \
    -D_GNU_SOURCE -Iinclude -Isrc -Icommand "-I$build" --include="$build/config.h" \
    "${sources[@]}" || found=1

each() {
    printf '%s\0' "${sources[@]}" | xargs -0 -P "$(nproc)" "$@"
}
# What is called malloc here is ours, and the block that it returns is not to be freed here.
each -n 1 gcc "${flags[@]}" -O2 -fno-builtin -fanalyzer -Wno-analyzer-malloc-leak -Werror \
    -S -o /dev/null || found=1
each -I '{}' clang-tidy --quiet '{}' -- "${flags[@]}" || found=1
exit "$found"
