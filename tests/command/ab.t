# SPDX-License-Identifier: MIT
# hakmem ab: every run happens, under what it says, and the numbers are those of the runs.
# Which of them is fast is no matter here.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Command;
use Test::More;

needs_library();
helped('ab');

# A program that leaves a line for each run: what it was run under.
my $log = "$scratch/log";
my $run = spew("$scratch/run", <<"END");
#!/bin/sh
echo "\${HAKMEM_PROFILE-none} \${LD_PRELOAD-none}" >>$log
echo something; echo else >&2; cat
END
chmod 0755, $run;

my $result = hakmem('ab', '-n', 2, '--', $run);
is($result->{status}, 0, 'a program is compared') or diag($result->{err});
my @lines = split /\n/, slurp($log);
is(scalar @lines, 1 + 2 * 6, 'libc and each profile run twice, after one run to warm up');
is($lines[0], 'none none', 'the first is libc');
is(scalar(grep { /^low-memory \S*libhakmem\.so\.0$/ } @lines), 2, 'a profile has the library');
isnt($lines[1], $lines[7], 'the second round begins with another');
unlike($result->{out}, qr/something|else/, 'what the program writes is dropped');
like($result->{out}, qr/^\s+time\s+ratio\s+CPU\s+ratio\s+peak memory\s+ratio\s+faults\s+ratio$/m,
    'there is a heading');
like($result->{out}, qr/^$_ .*(?: \d+\.\d\d| -){1}.*\d MiB .*$/m, "... and a line: $_")
    for qw(libc default throughput low-memory high-contention hardened);
like($result->{out}, qr/^libc .* 1\.00 .* 1\.00 .* 1\.00$/m, 'libc is what all is compared to');

unlink $log;
my $json = json_of('ab', '-n', 3, '-p', 'throughput', '-p', 'default', '-a', 'other=libm.so.6',
    '--json', $run, 'operand');
is_deeply([map { $_->{name} } @{ $json->{results} }], [qw(libc throughput default other)],
    'profiles and allocators that were asked for');
is_deeply($json->{command}, [$run, 'operand'], 'the command');
my @others = grep { /^none libm\.so\.6$/ } split /\n/, slurp($log);
is(scalar @others, 3, 'another allocator runs without ours');
my $wrong = 0;
for my $variant (@{ $json->{results} }) {
    for my $quantity (qw(time cpu memory faults)) {
        my @sorted = sort { $a <=> $b } @{ $variant->{$quantity}{runs} };
        $wrong++ if @sorted != 3 || $variant->{$quantity}{median} != $sorted[1];
        $wrong++ if $variant->{$quantity}{first_quartile} > $sorted[1]
            || $variant->{$quantity}{third_quartile} < $sorted[1];
    }
}
is($wrong, 0, 'the medians are those of the runs');

# What is measured is what the program does.
my $memory = json_of('ab', '-n', 1, '-p', 'default', '--json', $^X, '-e',
    'my $x = "x" x (64 << 20); select undef, undef, undef, 0.2; 1 for 1 .. 500_000');
for my $variant (@{ $memory->{results} }) {
    cmp_ok($variant->{memory}{median}, '>=', 64 << 20, "$variant->{name}: peak memory");
    cmp_ok($variant->{time}{median}, '>=', 0.2, '... time');
    cmp_ok($variant->{time}{median}, '>=', $variant->{cpu}{median} / 2, '... and CPU');
    cmp_ok($variant->{cpu}{median}, '>', 0, '... of which there is some');
    cmp_ok($variant->{faults}{median}, '>', 100, '... and faults');
}

# --- What fails --------------------------------------------------------------------------

$result = hakmem('ab', '-n', 1, '--', 'sh', '-c', 'echo gone >&2; exit 3');
is($result->{status}, 1, 'a program that fails');
like($result->{err}, qr/libc: sh exited with 3\ngone\n/, '... is told about, with what it said');
like(hakmem('ab', '-n', 1, '--', 'sh', '-c', 'kill -9 $$')->{err}, qr/ended by signal 9/,
    '... also of a signal');
$result = hakmem('ab', '-n', 1, '-a', 'no=libno-such.so.1', '--', $^X, '-e', 1);
is($result->{status}, 1, 'an allocator that does not exist');
like($result->{err}, qr/libno-such\.so\.1 cannot be preloaded/, '... is not libc by another name');
for my $bad (['-n', 0], ['-n', 'x'], ['-n', -1], ['-n', '1e9'], ['-a', 'x'], ['-a', '=x'],
    ['-a', 'x='], ['-a', 'x=a b'], ['-p', 'no-such'], ['-p', '']) {
    is(hakmem('ab', @$bad, 'true')->{status}, 2, "@$bad is refused");
}
is(hakmem('ab', 'no-such-program')->{status}, 2, 'a program that does not exist');
is(hakmem('ab')->{status}, 2, 'none at all');

# --- The chart ---------------------------------------------------------------------------

is(hakmem({PATH => '/nowhere'}, 'ab', "--svg=$scratch/no.svg", $^X)->{status}, 2,
    'without gnuplot, no chart, and no measuring in vain');
SKIP: {
    skip('gnuplot is not installed', 5) unless has_tool('gnuplot');
    my $svg = "$scratch/it's.svg";
    $result = hakmem('ab', '-n', 1, '-p', 'default', '-a', 'x"$y=libm.so.6', "--svg=$svg",
        $^X, '-e', 'print qq(<it\'s & "me">)');
    is($result->{status}, 0, 'a chart') or diag($result->{err});
    my $text = slurp($svg);
    like($text, qr/<svg /, '... is drawn');
    like($text, qr/>\s*(?:<[^>]*>)?\s*$_\b/, "... with $_") for 'libc', 'peak memory';
    like($text, qr/\(&lt;it's &amp; /, '... and the command, whatever is in it');
}

done_testing();
