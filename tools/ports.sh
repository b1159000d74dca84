#!/bin/bash
# SPDX-License-Identifier: MIT
# tools/ports.sh [PORT]...: builds for other architectures, C libraries and compilers below
# build-ports/, or HM_PORTS_DIR, and runs $(port_tests) of tests/local.mk there, the emulated
# ones by qemu-user. Without arguments: all. HM_PORT_TESTS names other programs, and
# HM_PORT_PAGE=65536 the size of pages that qemu-user shows.
set -uo pipefail
dir=$(realpath -m "${HM_PORTS_DIR:-$(dirname "$0")/../build-ports}")
cd "$(dirname "$0")/.." || exit
top=$PWD

ports=(i386 i386-clang musl arm64 arm64-clang armhf)
(($#)) && ports=("$@")
# shellcheck disable=SC2016 # make expands it
tests=${HM_PORT_TESTS:-'$(port_tests)'}
failed=0

# build NAME EMULATOR CONFIGURE-ARGUMENT...
build() {
    local name=$1 emulator=$2 log=$dir/$1.log start=$SECONDS result=passed
    shift 2
    mkdir -p "$dir/$name"
    (
        cd "$dir/$name" || exit
        export HM_TEST_SCALE=${HM_TEST_SCALE:-0.02}
        [[ $emulator ]] && export HM_TEST_EMULATOR=$emulator
        "$top/configure" --enable-debug --enable-werror "$@" &&
            make -j"$(nproc)" all &&
            make -j"$(nproc)" check TESTS="$tests" check_PROGRAMS="$tests" \
                check_LTLIBRARIES= LOG_COMPILER="$emulator"
    ) >"$log" 2>&1 || result=failed
    printf '%-11s %s: %s (%d s)\n' "$name" "$result" \
        "$(sed -n 's/^# \(PASS\|FAIL\|ERROR\): */\1 /p' "$log" | paste -sd' ')" \
        $((SECONDS - start))
    if [[ $result == failed ]]; then
        failed=1
        grep -E '^(not ok|FAIL|ERROR)|error:|not so' "$log" | head -40
    fi
}

page=${HM_PORT_PAGE:+-p $HM_PORT_PAGE}
if [[ ! -x configure ]]; then
    tools/deps.sh build && ./autogen.sh >/dev/null || exit
fi
for port in "${ports[@]}"; do
    if [[ ! $port =~ ^(i386|arm64)(-clang)?$|^(musl|armhf)$ ]]; then
        echo "which port is $port?"
        exit 2
    fi
    tools/deps.sh build "port_${port//-/_}" || exit
    case $port in
    i386)
        build i386 '' --host=i686-linux-gnu
        ;;
    i386-clang)
        build i386-clang '' --host=i686-linux-gnu CC='clang --target=i686-linux-gnu' CXX=no
        ;;
    musl)
        # Tests of what the kernel refuses need its headers, which musl-gcc hides.
        mkdir -p "$dir/kernel"
        ln -sfn /usr/include/linux /usr/include/asm-generic "$dir/kernel/"
        ln -sfn "/usr/include/$(gcc -print-multiarch)/asm" "$dir/kernel/asm"
        build musl '' CC=musl-gcc CXX=no CPPFLAGS="-idirafter $dir/kernel"
        ;;
    arm64)
        build arm64 "qemu-aarch64 $page -L /usr/aarch64-linux-gnu" --host=aarch64-linux-gnu
        ;;
    arm64-clang)
        build arm64-clang "qemu-aarch64 $page -L /usr/aarch64-linux-gnu" \
            --host=aarch64-linux-gnu CC='clang --target=aarch64-linux-gnu' CXX=no
        ;;
    armhf)
        build armhf "qemu-arm $page -L /usr/arm-linux-gnueabihf" --host=arm-linux-gnueabihf
        ;;
    esac
done
exit $failed
