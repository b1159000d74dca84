# SPDX-License-Identifier: MIT
# hakmem trim, set, and the page behind them: a process that opted in answers, idle or not,
# after fork and exec too; all others are left alone; and nothing stays behind.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Command;
use Test::More;

helped('trim');
helped('set');
like(hakmem('trim')->{err}, qr/which process/, 'trim: a process is needed');
is(hakmem('trim', 'x1')->{status}, 2, '... by its number');
like(hakmem('trim', 4194305)->{err}, qr/there is no process/, '... one that there is');
like(hakmem('trim', $$)->{err}, qr/no statistics page/, '... and that opted in');
is(hakmem('set', $$)->{status}, 2, 'set: needs a setting');

needs_pages();

my $dir = "/dev/shm/hakmem-$>";

sub hears { my $line = readline $_[0]->{from}; chomp $line if defined $line; return $line }
sub go_on { print { $_[0]->{to} } "\n"; return }
sub stop { go_on($_[0]) if $_[1]; close $_[0]->{to}; waitpid $_[0]->{pid}, 0; return $? }

my $perl = <<'END';
$| = 1;
my @blocks = map { 'x' x (100 + $_ % 1000) } 1 .. 50000;
splice @blocks, 100;
print "$$\n";
readline STDIN;
END

# --- trim and set on an idle process -------------------------------------------------------

my $idle = preloaded('stats_page=yes,trim_interval=1h', $^X, '-e', $perl);
my $pid = hears($idle);
is($pid, $idle->{pid}, 'a process runs');
my @file = stat "$dir/$pid";
ok(@file, 'it has a page');
is($file[2] & 07777, 0600, '... for its user alone');
is((stat $dir)[2] & 07777, 0700, '... in a directory for its user alone');
my $trim = json_of('trim', '--json', $pid);
is($trim->[0]{pid}, $pid, 'it answers');
cmp_ok($trim->[0]{bytes}, '>', 1 << 20, '... and gives back what a spike left');
my $again = hakmem('trim', $pid);
like($again->{out}, qr/^\S+ \($pid\) gave back \d+ KiB\n\z/, '... and says so to people');
is(hakmem('set', $pid, 'trim_interval=3s', 'tls_cache_bytes=1M')->{status}, 0, 'set');
my $wrong = hakmem('set', $pid, 'trim_intervall=3s');
is($wrong->{status}, 1, '... refuses an unknown option');
like($wrong->{err}, qr/set:1:1: error: unknown .*did you mean trim_interval\?/, '... and shows where');
like(hakmem('set', $pid, 'superslab_size=2M')->{err}, qr/fixed when a process starts/,
    '... and one that may not change');
like(hakmem('set', $pid, 'tls_cache_max=8')->{err}, qr/not a value that it can have/,
    '... and a value that the process refuses');
is(hakmem('set', $pid, 'shards')->{status}, 1, '... and what is no setting');
is(hakmem('trim', $pid, $$)->{status}, 1, 'one of two without a page: an error');
stop($idle, 1);
ok(!-e "$dir/$pid", 'the page goes with the process');
like(hakmem('trim', $pid)->{err}, qr/there is no process/, '... which nobody finds then');

# Asked while it becomes one program after the other, as scripts do that start others.
$ENV{CHAIN} = '$| = 1; my $n = shift; print "1\n" if $n == 9;'
    . 'exec $^X, "-e", $ENV{CHAIN}, $n - 1 if $n; readline STDIN';
my $chain = preloaded('stats_page=yes', $^X, '-e', $ENV{CHAIN}, 9);
hears($chain);
is(hakmem('trim', $chain->{pid})->{status}, 0, 'it answers while it is one program after the other');
stop($chain, 1);

# --- exec, fork, and a process that is killed ------------------------------------------------

my $exec = preloaded('stats_page=yes', $^X, '-e',
    '$| = 1; print "1\n"; readline STDIN; exec $^X, "-e", q($| = 1; print "2\n"; readline STDIN)');
hears($exec);
my $inode = (stat "$dir/$exec->{pid}")[1];
go_on($exec);
hears($exec);
isnt((stat "$dir/$exec->{pid}")[1], $inode, 'exec: a page of its own');
is(hakmem('trim', $exec->{pid})->{status}, 0, '... that is served');
stop($exec, 1);

my $leave = preloaded('stats_page=yes', $^X, '-e',
    '$| = 1; delete $ENV{LD_PRELOAD}; print "1\n"; readline STDIN;'
    . 'exec $^X, "-e", q($| = 1; print "2\n"; readline STDIN)');
hears($leave);
go_on($leave);
hears($leave);
like(hakmem('trim', $leave->{pid})->{err}, qr/no statistics page/,
    'exec without the library: no page, although the number and start time are the same');
stop($leave, 1);

my $parent = preloaded('stats_page=yes', $^X, '-e', <<'END');
$| = 1;
my $pid = fork;
if ($pid == 0) {
    my @blocks = map { 'x' x (100 + $_ % 1000) } 1 .. 20000;
    @blocks = ();
    my @more = map { 'x' x $_ } 1 .. 10000;
    until (-e "/dev/shm/hakmem-$>/$$") { my @again = map { [1] } 1 .. 1000 }
    print "$$\n";
    readline STDIN;
    exit 0;
}
waitpid $pid, 0;
END
my $child = hears($parent);
isnt($child, $parent->{pid}, 'fork: there is a child');
is(hakmem('trim', $child)->{status}, 0, '... with a page of its own');
is(hakmem('trim', $parent->{pid})->{status}, 0, '... as the parent has');
isnt((stat "$dir/$child")[1], (stat "$dir/$parent->{pid}")[1], '... of its own');
stop($parent, 1);
ok(!-e "$dir/$child" && !-e "$dir/$parent->{pid}", '... and both go');

my $killed = preloaded('stats_page=yes', $^X, '-e', $perl);
hears($killed);
kill 9, $killed->{pid};
stop($killed);
ok(-e "$dir/$killed->{pid}", 'killed: the page stays');
like(hakmem('trim', $killed->{pid})->{err}, qr/there is no process/, '... but is not believed');
my $next = preloaded('stats_page=yes', $^X, '-e', $perl);
hears($next);
ok(!-e "$dir/$killed->{pid}", '... and the next process removes it');

# --- A process that cannot answer --------------------------------------------------------------

kill STOP => $next->{pid};
my $timed = hakmem({ HAKMEM_ANSWER_MS => 200 }, 'trim', $next->{pid});
is($timed->{status}, 1, 'a stopped process does not answer');
like($timed->{err}, qr/does not answer: it is stopped/, '... and that is said');
kill CONT => $next->{pid};
is(hakmem('trim', $next->{pid})->{status}, 0, 'it answers when it goes on');
stop($next, 1);

# --- A program without a helper thread -----------------------------------------------------------

SKIP: {
    my $static = -e "$build/.libs/libhakmem.a" && compiled('static', <<'END', '-static',
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
int main(void)
{
    struct pollfd in = {0, POLLIN, 0};
    void *blocks[100] = {0};
    puts("ready");
    fflush(stdout);
    for (unsigned i = 0; poll(&in, 1, 0) == 0; i++) {
        free(blocks[i % 100]);
        blocks[i % 100] = malloc(50000);
    }
    return 0;
}
END
        "$build/.libs/libhakmem.a", '-pthread');
    skip('a static program cannot be made here', 1) unless $static;
    my $busy = preloaded('stats_page=yes', $static);
    hears($busy);
    is(hakmem('trim', $busy->{pid})->{status}, 0, 'static: answered by whoever takes the slow path');
    stop($busy, 1);
}

# --- Who has none ------------------------------------------------------------------------------

my $off = preloaded('stats_page=no', $^X, '-e', $perl);
hears($off);
ok(!-e "$dir/$off->{pid}", 'off: no page');
stop($off, 1);

done_testing();
