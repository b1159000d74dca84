# SPDX-License-Identifier: MIT
# Compilers: the object file is the same, byte by byte, with and without the library.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../preload", $FindBin::Bin;
use Preload;
use Test::More;

needs('gcc');

my $functions = join "\n", map { <<"C" } 1 .. 10 + scaled(290);
struct s$_ { int a[$_]; char *name; };
static int f$_(struct s$_ *s, int n)
{
    int sum = 0;
    for (int i = 0; i < n && i < $_; i++)
        sum += s->a[i] * (i + $_) ^ (sum >> 3);
    return printf("%s %d\\n", s->name, sum) + (int)strlen(s->name);
}
int g$_(int n) { struct s$_ s = {{n}, "g$_"}; return f$_(&s, n); }
C
my $c   = spew("$scratch/big.c",  "#include <stdio.h>\n#include <string.h>\n$functions");
my $cxx = spew("$scratch/big.cc", <<'CXX');
#include <algorithm>
#include <map>
#include <regex>
#include <string>
#include <vector>
int f(const std::vector<std::string> &v)
{
    std::map<std::string, int> m;
    for (const auto &s : v)
        m[s] += std::regex_match(s, std::regex("[a-z]+"));
    return std::max_element(m.begin(), m.end())->second;
}
CXX

sub compiles_alike {
    my ($profile, $compiler, @arguments) = @_;
    my @command = ($compiler, '-O2', '-g0', '-frandom-seed=1', '-c', @arguments);
    my $plain   = run({ plain => 1, dir => $scratch }, @command, '-o', 'plain.o');
    is($plain->{status}, 0, "$compiler works without the library");
    succeeds(
        "$profile: $compiler succeeds",
        { profile => $profile, dir => $scratch },
        @command, '-o', 'ours.o'
    );
    ok(slurp("$scratch/plain.o") eq slurp("$scratch/ours.o"), "$profile: same object");
    return;
}

compiles_alike($_, 'gcc', $c) for @profiles;
SKIP: {
    skip 'no g++', 3 if system('command -v g++ >/dev/null') != 0;
    compiles_alike('default', 'g++', $cxx);
}

# Linking and running what was compiled.
spew("$scratch/main.c", 'int g7(int); int main(void) { return g7(3) != 6; }');
for my $profile (@profiles) {
    my $how = { profile => $profile, dir => $scratch };
    run($how, 'gcc', '-o', 'program', 'main.c', 'ours.o');
    is(run($how, "$scratch/program")->{out}, "g7 21\n", "$profile: links and runs")
        if -x "$scratch/program";
}

done_testing();
