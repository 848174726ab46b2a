#!/bin/sh
# What the library exports, what the map names and what the headers declare are the same.
# Usage: exports.sh LIBRARY MAP HEADER...
set -eu

library=$1
map=$2
shift 2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM
# One order for sort and comm, wherever we are.
LC_ALL=C
export LC_ALL

# Versioned symbols carry their node; the nodes themselves are of type A.
nm -D --defined-only "$library" | sed -n 's/^[0-9a-f]* [BDRTVW] \([^@]*\).*/\1/p' |
    sort >"$dir/library"
# Names between "global:" and "local:".
sed -n '/global:/,/local:/s/^ *\([A-Za-z_][A-Za-z0-9_]*\);.*/\1/p' "$map" | sort >"$dir/map"
# Prototypes, whatever lines they are spread over.
cat "$@" | tr '\n' ' ' | sed 's/CSB_API /\n&/g' |
    sed -n 's/^CSB_API [^(;]*[ *]\(csb_[a-z0-9_]*\)(.*/\1/p' | sort >"$dir/headers"

status=0
for list in library map headers; do
    if ! [ -s "$dir/$list" ]; then
        echo "no names found in the $list"
        status=1
    fi
    sort -u "$dir/$list" | cmp -s - "$dir/$list" || { echo "a name twice in the $list"; status=1; }
done
for pair in 'library map' 'map headers'; do
    a=${pair% *}
    b=${pair#* }
    comm -23 "$dir/$a" "$dir/$b" | sed "s/^/in the $a, not in the $b: /" >"$dir/difference"
    comm -13 "$dir/$a" "$dir/$b" | sed "s/^/in the $b, not in the $a: /" >>"$dir/difference"
    if [ -s "$dir/difference" ]; then
        cat "$dir/difference"
        status=1
    fi
done
exit $status
