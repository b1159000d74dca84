#!/bin/bash
# SPDX-License-Identifier: MIT
# Everything that has to pass, from nothing: installs what is needed, builds under
# build-check/, runs the tests in every configuration, and says in the last line how many
# passed, failed and were skipped. Logs stay in build-check/.
set -uo pipefail
cd "$(dirname "$0")/.." || exit

jobs=$(nproc)
passed=0 failed=0 skipped=0

# stage NAME DIRECTORY COMMAND…: runs it in build-check/DIRECTORY and adds up the results
# that Automake's summaries report.
stage() {
    local name=$1 dir=build-check/$2 log=$PWD/build-check/$1.log start=$SECONDS status=0 p f s
    shift 2
    mkdir -p "$dir"
    touch build-check/stage
    (cd "$dir" && "$@") >"$log" 2>&1 || status=$?
    read -r p f s < <(awk '
        /^# PASS: / { p += $3 } /^# (FAIL|XPASS|ERROR): / { f += $3 } /^# SKIP: / { s += $3 }
        END { print p + 0, f + 0, s + 0 }' "$log")
    ((status && !f)) && f=1
    ((passed += p, failed += f, skipped += s))
    printf '%-10s %5d passed %4d failed %4d skipped %5d s\n' \
        "$name" "$p" "$f" "$s" $((SECONDS - start))
    if ((f)); then
        find "$dir" -name test-suite.log -newer build-check/stage \
            -exec grep -vhE '^(ok|PASS|SKIP|XFAIL|[.=:]|$)' {} + | head -200
        ((p)) || tail -n 40 "$log"
    fi
}

build_and_test() {
    ../../configure "$@" && make -j"$jobs" && make -j"$jobs" check
}

# From the tarball, as it will be released, in a tree that cannot be written to.
build_and_test_tarball() {
    ../../configure && make -j"$jobs" distcheck
}

# On valgrind's CPU and below its address space manager, where an instruction, a system call
# or an address that the library should not count on is not to be had.
under_valgrind() {
    # shellcheck disable=SC2016 # make expands it
    make -j"$jobs" check TESTS='$(valgrind_tests)' \
        check_PROGRAMS='$(valgrind_tests)' check_LTLIBRARIES= \
        LOG_COMPILER='./libtool --mode=execute valgrind -q --tool=none'
}

is_amd64() { [[ $(uname -m) == x86_64 ]]; }

# With addresses of 32 bits, where this machine can run that.
port() {
    local status=0
    if ! is_amd64 || ! /lib/ld-linux.so.2 --version >/dev/null; then
        echo '# SKIP: 1'
        return
    fi
    HM_PORTS_DIR=. ../../tools/ports.sh i386 || status=$?
    grep '^# [A-Z]*: ' i386.log
    return $status
}

# Builds Debian packages, installs them on this machine if it may, and removes them again.
packages() {
    # shellcheck disable=SC2016 # make expands it
    make -j"$jobs" check TESTS='$(packages_tests)' check_PROGRAMS= check_LTLIBRARIES=
}

groups=(build test packages packages_test)
is_amd64 && groups+=(port_i386)
tools/deps.sh "${groups[@]}" || exit
rm -rf build-check
stage autogen autogen ../../autogen.sh
stage distcheck release build_and_test_tarball
# All of the work once is enough; and what finds mistakes finds them early, and makes a
# program ten times slower.
HM_TEST_SCALE=${HM_TEST_SCALE:-0.3} stage gcc gcc build_and_test --enable-debug --enable-werror
stage analyze gcc ../../tools/analyze.sh .

export HM_TEST_SCALE=${HM_TEST_SCALE:-0.1}
stage clang clang build_and_test --enable-debug --enable-werror CC=clang CXX=clang++
stage i386 ports port
stage valgrind release under_valgrind
stage packages release packages
stage asan asan build_and_test --enable-debug --enable-sanitizer=address,undefined
stage tsan tsan build_and_test --enable-debug --enable-sanitizer=thread

echo
echo "$passed passed, $failed failed, $skipped skipped"
((failed == 0))
