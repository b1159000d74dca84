# SPDX-License-Identifier: MIT
# Calls before libhakmem's constructor and after its destructor. Of two preloaded
# libraries the later one is initialised first, so early_lib comes before and after
# libhakmem.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../preload";
use POSIX ();
use Preload;
use Test::More;

my $early = built('tests/early/early_lib.so');
needs('bash');

my %order = (
    'before our constructor, after our destructor' => [$library, $early],
    'after our constructor, before our destructor' => [$early,   $library],
);
my @python   = grep { -x } '/usr/bin/python3';
my @programs = (
    ['true'],
    ['cat',  '/dev/null'],
    ['bash', '-c', 'true'],
    [$^X,    '-e', 'my @x = (1) x 1e5; exit 0'],
    (
        map {
            [$_, '-c', 'import threading; t = threading.Thread(target=list); t.start()']
        } @python
    ),
);

for my $when (sort keys %order) {
    for my $profile (@profiles) {
        for my $program (@programs) {

            # early_lib's last word goes to descriptor 19, for what the program closes.
            my $said = "$scratch/said";
            spew($said, '');
            my $fd = POSIX::open($said, POSIX::O_WRONLY());
            POSIX::dup2($fd, 19);
            my $result = succeeds("$profile, $when: $program->[0]",
                { profile => $profile, preload => $order{$when} }, @$program);
            POSIX::close(19);
            POSIX::close($fd);
            like(slurp($said), qr/^early_lib: done$/m, '... and its last destructor ran');
        }
    }
}

# The profile that has a helper thread and the option that prints at exit.
SKIP: {
    skip 'another allocator', 2 unless $is_ours;
    my $how =
        { preload => [$library, $early], options => 'stats_at_exit=yes,trim_thread=yes' };
    my $result = run($how, $^X, '-e', '1');
    is($result->{status}, 0, 'with statistics at exit');
    like($result->{err}, qr/superslab/i, 'they are printed');
}

done_testing();
