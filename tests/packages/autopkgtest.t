# SPDX-License-Identifier: MIT
# debian/tests, on the packages as installed on this machine.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin, "$FindBin::Bin/../meta";
use Installed;
use Repo;
use File::Path 'remove_tree';
use Test::More;

needs_tool('autopkgtest');

my $dir = "$build/autopkgtest";
remove_tree($dir);
my @debs = map { deb($_) } @packages;
my ($source) = glob "$build/packages/build/*.dsc";
# What runs the scripts of tests/preload again, which `make check` has run in this tree.
my $known = 'upstream-preload';
# Its own status also says that a test was skipped.
my $status =
    system("autopkgtest -q -o $dir --skip-test=$known -B @debs $source -- null >$dir.log 2>&1");

# A line is a test's name, and PASS, SKIP, FAIL or FLAKY, and why.
my %expected = map { $_ => 1 } map { split ' ' } slurp("$top/debian/tests/control") =~ /^Tests: (.*)/mg;
delete $expected{$known};
for (-e "$dir/summary" ? lines("$dir/summary") : ()) {
    my ($test, $result, $why) = /^(\S+) +(\S+) *(.*)/ or next;
    delete $expected{$test} or next;
  SKIP: {
        skip("$test: $why", 1) if $result eq 'SKIP';
        ok($result eq 'PASS', $test) or diag($why, "\n",
            map { -e "$dir/$test-$_" ? slurp("$dir/$test-$_") : () } 'stdout', 'stderr');
    }
}
is(join(' ', sort keys %expected), '', 'every test was run')
    or diag("status $status\n", -e "$dir.log" ? slurp("$dir.log") =~ /((?:.*\n){1,60})\z/ : ());

done_testing();
