#!/bin/sh
# Each public header is usable alone, in old C, new C and C++, and shows nothing of what we are made
# of. Usage: headers.sh CC CXX INCLUDE_DIR... -- HEADER... (as #include has them; CXX may be "")
set -eu

cc=$1
cxx=$2
shift 2
includes=
while [ "$1" != -- ]; do
    includes="$includes -I$1"
    shift
done
shift
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM
warnings='-Wall -Wextra -Wundef -pedantic-errors -Werror'
status=0

# $1: file, $2: header, the rest: the compiler's words.
try() {
    file=$1
    header=$2
    shift 2
    # Twice: guards are part of being usable.
    printf '#include <%s>\n#include <%s>\ntypedef int not_empty;\n' "$header" "$header" \
        >"$dir/$file"
    # shellcheck disable=SC2086 # lists of words
    if ! "$@" $warnings $includes -fsyntax-only "$dir/$file" >"$dir/log" 2>&1; then
        echo "$header: $*"
        cat "$dir/log"
        status=1
    fi
}

for header; do
    # -std=c89 has no <stdint.h> by the book, but every libc of ours has it for any standard.
    try a.c "$header" "$cc" -std=c89
    try a.c "$header" "$cc" -std=c99 -Wstrict-prototypes
    try a.c "$header" "$cc" -std=c11
    if [ -n "$cxx" ]; then
        try a.cc "$header" "$cxx" -x c++ -std=c++98 -Wno-long-long
        try a.cc "$header" "$cxx" -x c++ -std=c++17
    fi
    printf '#include <%s>\n' "$header" >"$dir/a.c"
    # shellcheck disable=SC2086
    "$cc" -E $includes "$dir/a.c" >"$dir/expanded"
    if grep -nE 'json_t|jansson|yaml_|libyaml|csb__' "$dir/expanded"; then
        echo "$header shows what it is made of"
        status=1
    fi
done
exit $status
