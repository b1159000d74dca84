#!/bin/sh
# SPDX-License-Identifier: MIT
# Generates configure and the Makefile.in from a git checkout; a release tarball has them.
set -e
cd "$(dirname "$0")"
exec autoreconf -fi
