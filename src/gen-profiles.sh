#!/bin/sh
# SPDX-License-Identifier: MIT
# Writes profiles_builtin.c to standard output: one string for each profile file named on
# the command line, in that order. Comments and blank lines are left out, since every
# process reads these strings at its start. The output depends on nothing else.
#
# --whole: writes the texts as they are, under another name, for the command to quote from.
set -eu

whole=0
if [ "${1-}" = --whole ]; then
    whole=1
    shift
fi
if [ $# -eq 0 ]; then
    echo "usage: sh gen-profiles.sh [--whole] FILE.conf..." >&2
    exit 2
fi

LC_ALL=C
export LC_ALL

for file in "$@"; do
    # A name that does not exist would be taken for an empty profile by awk.
    [ -r "$file" ] || { echo "gen-profiles.sh: cannot read $file" >&2; exit 1; }
done

exec awk -v whole="$whole" '
function base_name(path) {
    sub(/.*\//, "", path)
    sub(/\.conf$/, "", path)
    return path
}
function close_profile() {
    if (count > 0)
        print "    )},"
}
BEGIN {
    print "/* SPDX-License-Identifier: MIT */"
    print "/* Generated from profiles/ by gen-profiles.sh. */"
    print "#include \"" (whole ? "profiles_whole" : "profiles_builtin") ".h\""
    print ""
    print "#define TEXT(s) s, sizeof(s) - 1"
    print ""
    print "const struct hm_profile_builtin hm_profiles_" (whole ? "whole" : "builtin") "[] = {"
}
FNR == 1 {
    close_profile()
    count++
    print "    {\"" base_name(FILENAME) "\", TEXT("
}
{
    if (!whole)
        sub(/#.*/, "")
    gsub(/[ \t]+$/, "")
    if ($0 == "" && !whole)
        next
    gsub(/\\/, "&&")
    gsub(/"/, "\\\"")
    print "        \"" $0 "\\n\""
}
END {
    close_profile()
    print "};"
    if (whole)
        exit
    print "const size_t hm_profiles_builtin_count ="
    print "    sizeof(hm_profiles_builtin) / sizeof(hm_profiles_builtin[0]);"
}
' "$@"
