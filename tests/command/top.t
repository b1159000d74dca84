# SPDX-License-Identifier: MIT
# hakmem top: processes and their classes, in rounds that are printed, and on a terminal.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Command;
use IO::Handle;
use Test::More;

helped('top');
is(hakmem('top', '-b', '-d', '0')->{status}, 2, 'top refuses a delay of nothing');
is(hakmem('top', '-b', '-n', 'x')->{status}, 2, '... a number that is none');
is(hakmem('top', 'x')->{status}, 2, '... a process that is none');
like(hakmem('top')->{err}, qr/not a terminal: see -b/, '... and what is no terminal');
my $none = hakmem('top', '-b', '-n', 1, $$);
is($none->{status}, 1, 'a process without a page');
like($none->{out}, qr/^ +$$  does not answer, or has no page$/m, '... is shown as one');

needs_pages();

# A process that works until its input ends, of a name of its own.
sub start {
    my ($name, $code) = @_;
    my $process =
        preloaded('stats_page=yes', $^X, '-e', '$| = 1; $0 = shift; ' . $code, $name);
    readline $process->{from};
    return $process;
}
my $small = start('small', 'print "1\n"; readline STDIN');
my $large = start('large', <<'END');
my @kept = map { 'x' x (100 + $_ % 3000) } 1 .. 20000;
print "1\n";
vec(my $wait, 0, 1) = 1;
until (select my $ready = $wait, undef, undef, 0) {
    my @blocks = map { 'x' x (100 + $_ % 3000) } 1 .. 2000;
}
END

# --- Rounds ------------------------------------------------------------------------------------

my $result = hakmem('top', '-b', '-n', 3, '-d', '0.2', $small->{pid}, $large->{pid});
is($result->{status}, 0, 'rounds are printed');
my @rounds = split /^(?= +PID )/m, $result->{out};
is(scalar @rounds, 3, '... as many as asked for');
my @heading = split ' ', (split /\n/, $rounds[0])[0];
my @rows = map { [/\S+(?: (?:[KMGT]iB|B|%)(?!\S))?/g] }
    grep { /^ +\d+  (?:small|large) / } map { split /\n/ } @rounds;
is(scalar @rows, 6, '... with both processes in each');
is_deeply([grep { @$_ != @heading } @rows], [], '... and a value for each column');
is_deeply([map { $_->[0] } @rows[0 .. 1]], [$large->{pid}, $small->{pid}],
    '... the one with most live bytes first');
is($rows[0][-1], '-', '... rates not in the first round');
like($rows[2][-1], qr/^\d+$/, '... but in the next');
my ($classes) = $rounds[2] =~ /^ +CLASS .*\n((?:(?: +[\d.]+)+ \w+\n)+)/m;
ok($classes, '... and classes of the first process') or diag($rounds[2]);
my @blocks = map { (split)[2] } split /\n/, $classes // '';
cmp_ok(eval { my $sum = 0; $sum += $_ for @blocks; $sum }, '>', 20000, '... with its live blocks');
my $all = hakmem('top', '-b', '-n', 1)->{out};
like($all, qr/^ +$_->{pid}  /m, 'without an argument all are shown') for $small, $large;

# --- A terminal ----------------------------------------------------------------------------------

SKIP: {
    skip('hakmem was built without ncurses', 4)
        if slurp("$build/config.h") !~ /^#define HM_NCURSES/m;
    skip('script is not installed', 4) unless has_tool('script');
    skip('there is no description of the terminal', 4)
        unless grep { -e "$_/v/vt100" } '/lib/terminfo', '/usr/share/terminfo', '/etc/terminfo';
    pipe my $screen, my $out or die "pipe: $!\n";
    pipe my $in, my $keys or die "pipe: $!\n";
    my $pid = fork;
    die "fork: $!\n" unless defined $pid;
    if ($pid == 0) {
        open STDIN,  '<&', $in  or die "stdin: $!\n";
        open STDOUT, '>&', $out or die "stdout: $!\n";
        close $_ for $screen, $keys, $in, $out;
        @ENV{qw(TERM LINES COLUMNS)} = ('vt100', 30, 140);
        alarm 300;
        exec 'script', '-qec', "$build/command/hakmem top -d 0.1 $small->{pid} $large->{pid}",
            '/dev/null' or POSIX::_exit(99);
    }
    close $_ for $in, $out;
    $keys->autoflush;
    my $seen = '';
    my $shows = sub {
        my ($pattern) = @_;
        until ($seen =~ /$pattern/s) {
            sysread $screen, $seen, 4096, length $seen or return 0;
        }
        return 1;
    };
    ok($shows->(qr/by live bytes.*PID.*large.*small.*CLASS.*q quit/), 'the screen shows all');
    print $keys 's';
    ok($shows->(qr/by.*cached/), 's changes the order');
    print $keys 't';
    ok($shows->(qr/gave back \d+ KiB/), 't trims');
    print $keys 'q';
    1 while sysread $screen, $seen, 4096;
    waitpid $pid, 0;
    is($?, 0, 'q ends it');
}

for ($small, $large) {
    close $_->{to};
    waitpid $_->{pid}, 0;
}
done_testing();
