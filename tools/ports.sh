#!/bin/bash
# SPDX-License-Identifier: MIT
# tools/ports.sh [PORT]...: builds for other architectures and C libraries below
# build-ports/ and runs $(port_tests) of tests/local.mk there, the emulated ones by
# qemu-user. Without arguments: all. HM_PORT_TESTS names other tests.
set -uo pipefail
cd "$(dirname "$0")/.." || exit

ports=(i386 musl arm64 armhf)
(($#)) && ports=("$@")
# shellcheck disable=SC2016 # make expands it
tests=${HM_PORT_TESTS:-'$(port_tests)'}
failed=0

# build NAME EMULATOR CONFIGURE-ARGUMENT...
build() {
    local name=$1 emulator=$2 log=$PWD/build-ports/$1.log start=$SECONDS result=passed
    shift 2
    mkdir -p "build-ports/$name"
    (
        cd "build-ports/$name" || exit
        export HM_TEST_SCALE=${HM_TEST_SCALE:-0.02}
        [[ $emulator ]] && export HM_TEST_EMULATOR=$emulator
        ../../configure --enable-debug --enable-werror "$@" &&
            make -j"$(nproc)" all &&
            make -j"$(nproc)" check TESTS="$tests" LOG_COMPILER="$emulator"
    ) >"$log" 2>&1 || result=failed
    printf '%-6s %s: %s (%d s)\n' "$name" "$result" \
        "$(sed -n 's/^# \(PASS\|FAIL\|ERROR\): */\1 /p' "$log" | paste -sd' ')" \
        $((SECONDS - start))
    if [[ $result == failed ]]; then
        failed=1
        grep -E '^(not ok|FAIL|ERROR)|error:|not so' "$log" | head -40
    fi
}

tools/deps.sh build ports || exit
[[ -x configure ]] || ./autogen.sh >/dev/null || exit
for port in "${ports[@]}"; do
    case $port in
    i386)
        build i386 '' --host=i686-linux-gnu
        ;;
    musl)
        # Tests of what the kernel refuses need its headers, which musl-gcc hides.
        mkdir -p build-ports/kernel
        ln -sfn /usr/include/linux /usr/include/asm-generic build-ports/kernel/
        ln -sfn "/usr/include/$(gcc -print-multiarch)/asm" build-ports/kernel/asm
        build musl '' CC=musl-gcc CXX=no CPPFLAGS="-idirafter $PWD/build-ports/kernel"
        ;;
    arm64)
        build arm64 'qemu-aarch64 -L /usr/aarch64-linux-gnu' --host=aarch64-linux-gnu
        ;;
    armhf)
        build armhf 'qemu-arm -L /usr/arm-linux-gnueabihf' --host=arm-linux-gnueabihf
        ;;
    *)
        echo "which port is $port?"
        exit 2
        ;;
    esac
done
exit $failed
