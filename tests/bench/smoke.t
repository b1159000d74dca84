# SPDX-License-Identifier: MIT
# The benchmarks run: hardly any work, no figure looked at. What is looked at is that the
# runner notices when a program does not run on the allocator it is meant to.
use strict;
use warnings;
use File::Temp;
use JSON::PP;
use Test::More;

my $python = '/usr/bin/python3';
plan skip_all => "needs $python" unless -x $python;
my $build = $ENV{HM_BUILDDIR};
my $run   = "$ENV{HM_SRCDIR}/bench/run";
my $dir   = File::Temp->newdir();

# Returns the exit status and what was printed on either stream.
sub bench {
    my $said = join ' ', $python, $run, "--build=$build", @_, '2>&1';
    $said = `$said`;
    return ( $? >> 8, $said );
}

my @benches = grep { -x "$build/bench/$_" } qw(
    churn falseshare fragment idle larson random_mixed rings spike startup structures
    threads10k vectors handoff bigwindow);
cmp_ok( scalar @benches, '>=', 13, 'the benchmark programs are built' );

my ( $status, $said ) = bench( qw(-q -n 1 -a glibc -a hakmem:low-memory),
    "--csv=$dir/csv", "--json=$dir/json", map { "$_:scale=0.001" } @benches );
is( $status, 0, 'all of them run on libc and on libhakmem' ) or diag $said;
like( $said, qr/^\| geometric mean of @{[ scalar @benches ]} /m, 'a table sums them up' );

my $runs = eval {
    open my $file, '<', "$dir/json" or die "no JSON: $!";
    local $/;
    decode_json(<$file>)->{runs};
};
for my $bench (@benches) {
    my $by = $runs->{"$bench:scale=0.001"};
    my ( $libc, $ours ) = map { $by->{$_}[0] } qw(glibc hakmem:low-memory);
    ok( $ours->{seconds} > 0 && $ours->{peak} > 0 && $ours->{resident} > 0,
        "$bench: time and memory are known" );
    is( $ours->{digest}, $libc->{digest}, "$bench: the same work, the same result" );
}

( $status, $said ) = bench(qw(-q random_mixed -a none=/usr/bin/env));
isnt( $status, 0, 'a library that is none is refused' );
( $status, $said ) = bench(qw(-q random_mixed -a hakmem:no-such-profile));
isnt( $status, 0, 'a profile that does not exist is refused' );
like( $said, qr/no-such-profile/, '… and named' );

done_testing();
