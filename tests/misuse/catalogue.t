# SPDX-License-Identifier: MIT What becomes of each program of the catalogue, under the
# profiles that promise something: catalogue.golden has a column for each.
# `caught/missed` stands where it depends on what the kernel put beside the heap, and
# `harmless/caught` where on whether the block is the first of its slab.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../preload", $FindBin::Bin;
use Catalogue;
use Config;
use Preload;
use Test::More;

# What is written into blocks there, and how far accesses reach, is meant for 64 bits.
plan(skip_all => 'needs 64-bit pointers') if $Config{ptrsize} != 8;

my $program = built('tests/misuse/catalogue');
my %at_least = (default => 70, hardened => 100);

# What is freed goes back to the system some time later, and is no secret then: not here.
my $late = 'trim_interval=1h';
my %how  = (
    default  => { HAKMEM_OPTIONS => $late },
    full     => { HAKMEM_OPTIONS => "check=full,$late" },
    # Which blocks get guard pages is left to chance; here none of the small.
    hardened =>
        { HAKMEM_OPTIONS => "guard_sample=0,$late", HAKMEM_PROFILE => 'hardened' },
);

my $golden = slurp("$top/tests/misuse/catalogue.golden");
my ($head, @rows) = grep { !/^#/ } split /\n/, $golden;
my (undef, @columns) = split ' ', $head;
my %expected;
for (@rows) {
    my ($name, @expected) = split;
    $expected{$name}{ $columns[$_] } = $expected[$_] for 0 .. $#columns;
}

for my $column (@columns) {
    my %environment = (%{ $how{$column} }, LD_PRELOAD => $library);
    my ($result) = run_catalogue($program, \%environment);
    is_deeply(
        [sort keys %$result],
        [sort keys %expected],
        "$column: every program has run"
    );
    my $stopped = 0;
    for my $name (sort keys %$result) {
        my $expected = $expected{$name}{$column};
        $stopped += $expected !~ /missed/;
        my $right    = grep { $_ eq $result->{$name} } split m{/}, $expected;
        ok($right, "$column: $name") or diag("expected $expected, got $result->{$name}");
    }
    cmp_ok($stopped, '>=', $at_least{$column} || $at_least{default},
        "$column: $stopped of " . keys(%expected) . ' are stopped');
}

done_testing();
