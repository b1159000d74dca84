# SPDX-License-Identifier: MIT
# Shells and the small tools they start: hundreds of short processes, pipes,
# substitutions.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../preload", $FindBin::Bin;
use Preload;
use Test::More;

needs('bash');

my $bash = spew("$scratch/work.bash", <<'BASH');
set -euo pipefail
declare -A seen
list=()
for i in {1..2000}; do
    list+=("item $i")
    seen[$i]=$((i * i))
done
echo "${#list[@]} ${#seen[@]} ${seen[77]}"
text=$(printf '%s\n' "${list[@]}" | sort -r |
    uniq | awk '{ n += $2 } END { print n, NR }')
echo "$text"
for i in {1..30}; do
    (echo "subshell $i"; exit 0) | cat | tr a-z A-Z
done
long=$(head -c 20000 /dev/zero | tr '\0' 'z')
echo "${#long} ${long//z/yy}" | wc -c
coproc CAT { cat; }
echo through >&"${CAT[1]}"
read -r line <&"${CAT[0]}"
echo "$line"
eval "exec ${CAT[1]}>&-"
for i in 1 2 3; do sleep 0 & done
wait
trap 'echo left' EXIT
find /usr/include -maxdepth 1 -name 's*.h' 2>/dev/null | sort | sed 's/h$/H/' | head -20
BASH

for my $profile (@profiles) {
    same_output("$profile: bash", { profile => $profile }, 'bash', $bash);
    same_output("$profile: sh", { profile => $profile },
        'sh', '-c', 'for i in 1 2 3; do echo $i | cat; done; exec echo done');
}

# Archives of what the others make: tar and gzip, both ways.
SKIP: {
    skip 'no tar', 2 if system('command -v tar gzip >/dev/null') != 0;
    my $how = { dir => $scratch };
    succeeds('tar and gzip', $how, 'sh', '-c',
        'tar czf a.tgz work.bash && mkdir x && tar xzf a.tgz -C x');
    is(slurp("$scratch/x/work.bash"), slurp($bash), 'the file is the same');
}

done_testing();
