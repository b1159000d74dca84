#!/bin/sh
# SPDX-License-Identifier: MIT
# tests/fuzz/run.sh TARGET…: runs targets with libFuzzer, AddressSanitizer and UBSan, in
# the build directory. From `make fuzz`: SRCDIR, SECONDS_EACH.
set -eu
flags='-g -O1 -std=gnu11 -fexceptions -fsanitize=fuzzer-no-link,address,undefined'
flags="$flags -fno-sanitize-recover=undefined"
command -v clang >/dev/null || { echo 'make fuzz needs clang' >&2; exit 1; }
mkdir -p fuzz/objects
echo 'building with -fsanitize=fuzzer,address,undefined'
for source in "$SRCDIR"/src/*.c src/profiles_builtin.c; do
    case $source in */optdoc.c) continue ;; esac
    # shellcheck disable=SC2086 # a list of flags
    clang $flags -include config.h -I. -D_GNU_SOURCE '-DHM_SYSCONFDIR="/etc"' \
        -include "$SRCDIR/tests/prefix.h" -I"$SRCDIR/src" -I"$SRCDIR/include" \
        -c "$source" -o "fuzz/objects/$(basename "$source" .c).o"
done
for target; do
    name=$(basename "$target")
    kind=${name#fuzz_}
    # fuzz_conf looks at the layers that need no heap, and keeps libc's malloc.
    names="-include $SRCDIR/tests/prefix.h"
    test "$kind" != conf || names=-DHM_TEST_PREFIX
    # shellcheck disable=SC2086 # lists of flags
    clang $flags -fsanitize=fuzzer -DHM_FUZZ_LIBFUZZER $names \
        -I"$SRCDIR/src" -I"$SRCDIR/include" -I"$SRCDIR/tests" \
        "$SRCDIR/$target.c" fuzz/objects/*.o -o "fuzz/$name" -pthread
    mkdir -p "fuzz/corpus-$kind"
    echo "$name: ${SECONDS_EACH:-60} seconds"
    HAKMEM_CONF=/dev/null ASAN_OPTIONS=detect_leaks=0 "fuzz/$name" -close_fd_mask=2 \
        -max_total_time="${SECONDS_EACH:-60}" -rss_limit_mb=4096 -print_final_stats=1 \
        -artifact_prefix=fuzz/ "fuzz/corpus-$kind" "$SRCDIR/tests/fuzz/seeds-$kind" ||
        { echo "$name: found something; see fuzz/" >&2; exit 1; }
done
