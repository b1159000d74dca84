#!/bin/bash
# SPDX-License-Identifier: MIT
# tools/deps.sh GROUP…: installs what Debian 12 lacks for build, test, demo, packages,
# packages_test, fresh, or one of tools/ports.sh: port_i386 and so on.
# shellcheck disable=SC2034 # the lists are used by their names
set -euo pipefail

build=(autoconf automake gcc libc6-dev libncurses-dev libtool make pkg-config)
# Perl runs the scripts among the tests; what comes after zsh is preloaded by them.
test=(clang clang-tidy cmake cppcheck g++ libcmocka-dev meson ninja-build perl valgrind xz-utils
    binutils gnuplot-nox mandoc spin zsh
    git procps python3 redis-server redis-tools sqlite3)
demo=(gcc libc6-dev perl python3 redis-server redis-tools sqlite3)
packages=(build-essential debhelper libcmocka-dev libncurses-dev pkgconf)
packages_test=(autopkgtest blhc faketime lintian locales man-db nodejs ruby)
fresh=(debootstrap git util-linux)
port_i386=(gcc-i686-linux-gnu libc6-dev-i386-cross libc6-i386)
port_i386_clang=(clang "${port_i386[@]}")
port_musl=(gcc linux-libc-dev musl-tools)
port_arm64=(gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user)
port_arm64_clang=(clang "${port_arm64[@]}")
port_armhf=(gcc-arm-linux-gnueabihf libc6-dev-armhf-cross qemu-user)

missing=()
for group; do
    declare -n list=$group
    for package in "${list[@]}"; do
        [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] ||
            missing+=("$package")
    done
done
((${#missing[@]})) || exit 0

root=()
((EUID == 0)) || root=(sudo)
echo "installing: ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
export DEBIAN_FRONTEND=noninteractive
if ! { "${root[@]}" apt-get -q update &&
    "${root[@]}" apt-get -qy install --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
    cat "$log"
    exit 1
fi
