# SPDX-License-Identifier: MIT
# Redis on a socket of its own: it asks malloc_usable_size for its accounting, forks to
# save, and has threads. Needs no network and leaves nothing behind.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../preload", $FindBin::Bin;
use Preload;
use Test::More;

needs('redis-server', 'redis-cli', 'redis-benchmark');

my $socket = "$scratch/redis.sock";

sub start_server {
    my ($profile) = @_;
    my $pid = fork;
    die "fork: $!\n" unless defined $pid;
    return $pid if $pid;
    open STDOUT, '>',  "$scratch/redis.log" or die;
    open STDERR, '>&', \*STDOUT             or die;
    @ENV{qw(LD_PRELOAD HAKMEM_PROFILE HAKMEM_CONF)} = ($library, $profile, '/dev/null');
    alarm 300;
    exec 'redis-server', '--port', 0, '--unixsocket', $socket, '--dir', "$scratch",
        '--save', '', '--daemonize', 'no', '--io-threads', 2;
    die "redis-server: $!\n";
}

sub cli {
    my $result = run({ plain => 1 }, 'redis-cli', '-s', $socket, @_);
    chomp(my $out = $result->{out});
    return $out;
}

sub until_it_answers {
    for (1 .. 600) {
        return 1 if cli('ping') eq 'PONG';
        select undef, undef, undef, 0.1;
    }
    return 0;
}

for my $profile (@profiles) {
    my $server = start_server($profile);
    ok(until_it_answers(), "$profile: it answers") or diag(slurp("$scratch/redis.log"));
    like(slurp("/proc/$server/maps"),
        qr/\Q$library\E|libhakmem/, "$profile: with the library");
    is(cli('set', 'key', 'v' x 100000), 'OK',   "$profile: set");
    is(length cli('get', 'key'),        100000, "$profile: get");
    my $bench = run({ plain => 1 },
        'redis-benchmark', '-s', $socket, '-q', '-n', 3000,
        '-r', 1000, '-d', 300, '-P', 8, '-t',
        'set,get,lpush,lrange_100,hset,sadd,zadd,mset');
    is($bench->{status}, 0, "$profile: benchmark");
    cmp_ok((cli('info', 'memory') =~ /used_memory:(\d+)/)[0] // 0,
        '>', 100000, "$profile: its accounting by malloc_usable_size");
    is(cli('save'), 'OK', "$profile: saves");
    cli('bgsave');
    cli('flushall');
    cli('memory',   'purge');
    cli('shutdown', 'nosave');
    waitpid $server, 0;
    is($?, 0, "$profile: it ends well") or diag(slurp("$scratch/redis.log"));
    unlike(slurp("$scratch/redis.log"), qr/^hakmem:/m, "$profile: no complaint");
}

done_testing();
