# SPDX-License-Identifier: MIT
# Under the profile `hardened` every call takes another way, and every block is on its guard:
# the tests that say nothing about figures pass all the same.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../preload";
use Preload;
use Test::More;

# Samples would be where a test reads a freed block, to show that its bytes mean nothing.
# What is in quarantine keeps its SuperSlab.
my %options = (
    'tests/misuse/test_misuse' => 'guard_sample=0',
    'tests/stress/test_larson' => 'guard_sample=100,quarantine_bytes=0',
);

$ENV{HM_TEST_SCALE} = 0.1 unless ($ENV{HM_TEST_SCALE} // 1) < 0.1;
for my $name (
    'tests/api/test_align',           'tests/misuse/test_misuse',
    'tests/stress/test_fork',         'tests/stress/test_fork_edges',
    'tests/stress/test_handoff',      'tests/stress/test_larson',
    'tests/stress/test_threads',
    )
{
    my $result = run(
        { plain => 1, profile => 'hardened', options => $options{$name} // 'guard_sample=100' },
        built($name)
    );
    is($result->{status}, 0, $name) or diag($result->{out}, $result->{err});
}

done_testing();
