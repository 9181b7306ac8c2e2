# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Small words that every part on the build machine uses.

say() { echo "lab: $*" >&2; }
die() { say "$*"; exit 1; }
digest() { sha256sum | cut -c1-16; }

# pack DIR: a cpio archive of it on stdout, owned by root; archives may simply follow one another
pack() { (cd "$1" && find . -mindepth 1 | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet); }
