# SPDX-License-Identifier: MIT
# enabled = no: the library is there, and every call goes to libc's malloc. What a program
# finds out about itself is what it finds without the preload.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../preload", $FindBin::Bin;
use Preload;
use Test::More;

plan(skip_all => 'another allocator') unless $is_ours;
my $program = built('tests/preload/passes');
my %off = (options => 'enabled=no');

# --- One program, every function ---------------------------------------------------------

my $plain = run({ plain => 1 }, $program);
is($plain->{status}, 0, 'a program succeeds on libc')
    or diag($plain->{out}, $plain->{err});
plan(skip_all => 'this libc is another than glibc') unless $plain->{out} =~ /^libc glibc/;
my $result = succeeds('and preloaded, but disabled', \%off, $program);
is($result->{out}, $plain->{out}, 'it sees the same of its malloc')
    or diag($result->{err});
my $on = run($program);
like($on->{out}, qr/^first block elsewhere$/m, 'it can tell: enabled, blocks are ours');
like($on->{out}, qr/^malloc_info hakmem-1$/m, '... and so is what malloc_info says');

# --- Who decides -------------------------------------------------------------------------

my ($name) = $program =~ m{([^/]+)$};
sub is_off {
    my ($what, $conf, %more) = @_;
    my $how = { conf => spew("$scratch/conf", $conf), %more };
    return is(run($how, $program)->{out}, $plain->{out}, "off: $what");
}
sub is_on {
    my ($what, $conf, %more) = @_;
    my $how = { conf => spew("$scratch/conf", $conf), %more };
    return is(run($how, $program)->{out}, $on->{out}, "on: $what");
}
is_off('by the section about it', "[app:$name]\nenabled = no\n");
is_on('by the section about another', "[app:other]\nenabled = no\n");
is_off('for every process', "enabled = no\n");
is_on('but for this one', "enabled = no\n[app:$name]\nenabled = yes\n");
is_off('by the profile', "profile = none\n[profile none]\nenabled = no\n");
is_off('by the environment, over a file', "enabled = yes\n", %off);
my $locked = run({ conf => spew("$scratch/conf", "!enabled = yes\n"), %off }, $program);
is($locked->{out}, $on->{out}, 'on: by a file that locks it');
like($locked->{err}, qr/^hakmem: HAKMEM_OPTIONS:1:1: enabled is locked/, '... and says so');

# --- What the library says of itself -----------------------------------------------------

my $text = run({ options => 'enabled=no,stats_at_exit=yes', profile => 'throughput' },
    $^X, '-e', '1');
like($text->{err}, qr/^hakmem [\d.]+, profile none \(enabled = no\)$/m,
    'statistics name no profile');
like($text->{err}, qr/^  small_bytes +0$/m, '... and count nothing');
unlike($text->{err}, qr/^  (?:\w+_bytes|mmap_calls|superslabs) +[1-9]/m, '... at all');

# Misuse is what libc makes of it.
my $twice = run(\%off, $program, 'twice');
like($twice->{err}, qr/^free\(\): double free/, q{a second free is libc's to find});

# What the API promises of blocks holds for libc's as well.
for my $test (qw(tests/api/test_align tests/api/test_cxx tests/api/test_family)) {
    SKIP: {
        skip "needs $test", 1 unless -x "$build/$test";
        is(run({ %off, plain => 1 }, "$build/$test")->{status}, 0, "$test succeeds");
    }
}

# --- Real programs -----------------------------------------------------------------------

same_output('perl', \%off, $^X, '-e',
    'my %h; $h{$_ % 977} .= "x" x ($_ % 300) for 1 .. 50_000; print join ",", map { length } '
    . '@h{sort keys %h}; my $p = open my $c, "-|" // die; if (!$p) { print "child"; exit } '
    . 'print <$c>');

sub with_program {
    my ($tool, $count, $code) = @_;
    SKIP: {
        skip "needs $tool", $count unless grep { -x "$_/$tool" } split /:/, $ENV{PATH};
        $code->();
    }
    return;
}
with_program('python3', 2, sub {
    same_output('python3 with threads', \%off, 'python3', '-c', <<'PYTHON');
import ctypes, os, threading
def work(n):
    for _ in range(200):
        kept.append([bytes(k) for k in range(0, 3000, 7)])
        if len(kept) > 8: kept.pop(0)
kept = []
threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
for t in threads: t.start()
if os.fork() == 0:
    os._exit(len(bytearray(3 << 20)) & 255)
print(os.wait()[1])
for t in threads: t.join()
print(sum(len(b) for b in kept[-1]))
PYTHON
});
with_program('sqlite3', 2, sub {
    same_output('sqlite3', \%off, 'sqlite3', ':memory:', 'with recursive n(i) as (select 1 '
        . 'union all select i + 1 from n where i < 20000) select sum(length(hex(zeroblob('
        . 'i % 99)))), group_concat(distinct i % 13) from n');
});

# --- With other allocators ---------------------------------------------------------------

# The next malloc is the next library's if it has the names that glibc's has; a block is
# asked for its size where it came from.
for my $other (qw(libjemalloc.so.2 libmimalloc.so.2.0 libtcmalloc_minimal.so.4)) {
    SKIP: {
        my ($path) = grep { -r } map { "$_/$other" } glob('/usr/lib/*-linux-gnu'), '/usr/lib';
        skip "$other is not installed", 2 unless defined $path;
        for my $order ([$library, $path], [$path, $library]) {
            my $both = run({ %off, preload => $order }, $program, 'any');
            is($both->{status}, 0, 'with ' . join ' before ', map { s{.*/}{}r } @$order)
                or diag($both->{out}, $both->{err});
        }
    }
}

done_testing();
