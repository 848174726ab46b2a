#!/bin/sh
# The ABI of an installed library, as abidiff(1) compares it: what its public headers show, no more.
# Usage: dump.sh PREFIX >tests/abi/libclaudesandbox-X.Y.abi
set -eu

library=$(find "$1"/lib* -name libclaudesandbox.so | head -n 1)
if [ -z "$library" ]; then
    echo "no libclaudesandbox.so below $1" >&2
    exit 1
fi
# No paths of the machine that it was made on, and no libraries that we could do without one day.
abidw --headers-dir "$1/include" --drop-private-types --exported-interfaces-only --no-elf-needed \
    --no-corpus-path --no-comp-dir-path --no-show-locs --type-id-style hash "$library" |
    sed "s|path='[^']*/libclaudesandbox/|path='libclaudesandbox/|"
