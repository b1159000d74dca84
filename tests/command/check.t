# SPDX-License-Identifier: MIT
# hakmem check: every mistake, where it is, and what was probably meant.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Command;
use Test::More;

helped('check');

my $good = spew("$scratch/good.conf", "[profile mine]\ninherits = low-memory\n");
my $result = hakmem('check', $good);
is($result->{status}, 0, 'a good file');
is($result->{out}, "$good: no mistakes\n", '... is said to be one');

my $bad = spew("$scratch/bad.conf", <<"END");
shards = many
[profile one]
\ttrim_intervall = 1m
thp = \xc3\xa4lways   # really
inherits = two
[profile two]
inherits = nobody
[profile three]
inherits = three
[profiel four]
END
$result = hakmem('check', $bad);
is($result->{status}, 1, 'a bad one');
is($result->{err}, '', '... is told about on standard output');
my @places = $result->{out} =~ /^\Q$bad\E:(\d+:\d+): error: /mg;
is_deeply([sort { $a <=> $b } map { /(\d+):/ } @places], [1, 3, 4, 7, 9, 10],
    'each mistake, once, also in profiles that nobody uses');
like($result->{out}, qr/^\Q$bad\E:3:2: error: unknown option "trim_intervall".*\(did you mean trim_interval\?\)
    3 \| \ttrim_intervall = 1m
      \| \t\^~{13}\n/m, 'a word is underlined, behind a tabulator');
like($result->{out}, qr/^\Q$bad\E:4:7: error: thp: .*\n    4 \| thp = .*\n      \|       \^/m,
    'and a value');
like($result->{out}, qr/:7:12: error: unknown profile "nobody", expected one of default/,
    'a parent that does not exist');
like($result->{out}, qr/:9:12: error: profile "three" inherits from itself/, 'a cycle');
unlike($result->{out}, qr/; (?:using|ignored)/, 'what a process would do is left out');

my @json = @{ json_of('check', '--json', $bad, $good) };
is(scalar @json, 6, 'as JSON');
is_deeply([@{ $json[0] }{qw(file line column)}], [$bad, 1, 10], '... with the place');
is_deeply(json_of('check', '--json', $good), [], '... and none');

is(hakmem('check', $good, $bad)->{status}, 1, 'several files, one is bad');
$result = hakmem('check', "$scratch/none.conf");
is($result->{status}, 1, 'a file that does not exist');
like($result->{out}, qr/none\.conf:1:1: error: no such file/, '... is said not to');
is(hakmem('check', '')->{status}, 2, 'a file without a name is refused');
my $long = spew("$scratch/" . 'l' x 150 . '.conf', "nothing\n");
like(hakmem('check', $long)->{out}, qr/l\.conf:1:1: error: .*\n    1 \| nothing\n/,
    'a long name is found again');
my $binary = spew("$scratch/binary.conf", "a\n\0b\n");
like(hakmem('check', $binary)->{out}, qr/binary\.conf:2:1: error: control character 0x0/,
    'a file that is no text');

# What the documents show is what is printed.
my $sample = "[profile mine]\nthp = never\ntrim_intervall = 1m\n";
spew("$scratch/mine.conf", $sample);
{
    chdir $scratch or die "$scratch: $!\n";
    my $real = hakmem('check', 'mine.conf')->{out};
    my $indented = $real =~ s/^/    /mgr;
    like(slurp("$top/README.md"), qr/\$ hakmem check mine\.conf\n\Q$indented\E/,
        'the sample in README.md');
    my $joined = slurp("$top/man/hakmem.1") =~ s/ \\e\n/ /r;
    like($joined, qr/\$ hakmem check mine\.conf\n\Q$real\E/, '... and in hakmem(1)');
    chdir $build or die "$build: $!\n";
}

# --- The environment ---------------------------------------------------------------------

$result = hakmem({HAKMEM_CONF => '/dev/null'}, 'check');
is($result->{status}, 0, 'without files, nothing is wrong');
like($result->{out}, qr/no files are read/, '... and that is said');
$result = hakmem({HAKMEM_CONF => $good, HAKMEM_PROFILE => 'mine'}, 'check');
is($result->{out}, "$good: no mistakes\n", 'the file of the environment');
$result = hakmem({HAKMEM_OPTIONS => 'shards=2,chek=full', HAKMEM_PROFILE => 'no',
    HAKMEM_PROFIL => 'no'}, 'check');
is($result->{status}, 1, 'mistakes in variables');
like($result->{out}, qr/^HAKMEM_OPTIONS:1:10: error: .*did you mean check\?.*
    1 \| shards=2,chek=full
      \|          \^~~~\n/m, '... are shown in them');
like($result->{out}, qr/^HAKMEM_PROFILE:1:1: error: unknown profile "no"/m, '... all of them');
like($result->{out}, qr/unknown variable "HAKMEM_PROFIL", .*did you mean HAKMEM_PROFILE/,
    '... also in their names');

done_testing();
