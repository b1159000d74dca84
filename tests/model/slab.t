# SPDX-License-Identifier: MIT
# Every interleaving of slab.pml, for some numbers of threads, moves and slabs; and four
# seeded mistakes, each of which has to be found. HM_TEST_SCALE=10 adds larger numbers,
# for which a GB of memory and minutes are needed.
use strict;
use warnings;
use Cwd;
use File::Temp;
use FindBin;
use Test::More;

my $model = Cwd::abs_path("$FindBin::Bin/slab.pml");
my $cc = $ENV{CC} || 'cc';
plan(skip_all => 'spin is not installed')
    unless grep { -x "$_/spin" } split /:/, $ENV{PATH};

# What the verifier says after a search of the model with these -D flags.
sub search {
    my $flags = shift;
    my $dir   = File::Temp->newdir('hakmem-model-XXXXXX', TMPDIR => 1);
    my $out   = `cd '$dir' && spin -a $flags '$model' 2>&1 &&
        $cc -w -O0 -DSAFETY -DCOLLAPSE -o pan pan.c 2>&1 && ./pan -m100000 -w22 2>&1`;
    return $out;
}

sub is_verified {
    my ($name, $flags) = @_;
    my $out   = search($flags);
    my $right = $out =~ /errors: 0$/m && $out !~ /search depth too small|out of memory/;
    my ($states) = $out =~ /^\s*(\S+) states, stored/m;
    ok($right, $name) or diag($out);
    note("$name: ", $states // 'no', ' states');
    return;
}

is_verified('2 threads, 3 moves each',          '-DTHREADS=2 -DMOVES=3');
is_verified('2 threads, 2 moves each, 2 slabs', '-DTHREADS=2 -DMOVES=2 -DSLABS=2');
is_verified('3 threads, a move each',           '-DTHREADS=3 -DMOVES=1');
if (($ENV{HM_TEST_SCALE} || 1) >= 10) {
    is_verified('2 threads, 4 moves each',          '-DTHREADS=2 -DMOVES=4');
    is_verified('2 threads, 3 moves each, 2 slabs', '-DTHREADS=2 -DMOVES=3 -DSLABS=2');
    is_verified('3 threads, 2 moves each',          '-DTHREADS=3 -DMOVES=2');
}

for my $bug (qw(BUG_GENERATION BUG_REHOME BUG_JOIN BUG_ORDER)) {
    my $out = search("-DTHREADS=2 -DMOVES=4 -D$bug");
    like($out, qr/assertion violated/, "$bug is found") or diag($out);
}

done_testing();
