# SPDX-License-Identifier: MIT
# hakmem stat: the numbers of a running process, in every form; and run --stats.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Command;
use Test::More;

helped('stat');
is(hakmem('stat', '--format=xml')->{status}, 2, 'stat refuses an unknown format');
is(hakmem('stat', '0')->{status}, 2, '... and what is no process');
is(hakmem('stat', $$)->{status}, 1, '... and one without a page');

needs_pages();

# A process that waits, with a name that every form has to take care of.
my $name = 'a"b\\c d';
my $script = spew("$scratch/$name", <<'END');
my @blocks = map { 'x' x (100 + $_ % 5000) } 1 .. 20000;
my $big = 'y' x 30_000_000;
splice @blocks, 5000;
$| = 1;
print "ready\n";
readline STDIN;
1;
END
my $end = "$scratch/end";
my $process = started(
    'sh', '-c', 'exec "$@" 2>"$0"', $end, "$build/command/hakmem", 'run', '--stats', '--', $^X,
    '-e', '$0 = shift; do shift or die "$!\n"', $name, $script
);
my $pid = $process->{pid};
is(readline $process->{from}, "ready\n", 'a process runs with --stats');

# --- JSON ------------------------------------------------------------------------------------

my @fields = slurp("$top/src/report.def") =~ /^HM_FIGURE\((\w+),/mg;
my $list = json_of('stat', '--json', $pid);
my $s = $list->[0];
is($s->{pid}, $pid, 'it is about that process');
is($s->{command}, $name, '... of that name');
is_deeply([grep { !defined $s->{$_} || $s->{$_} !~ /^\d+$/ } @fields], [], 'every figure is there');
my ($bytes, $cached, $slabs) = (0, 0, 0);
for (@{ $s->{classes} }) {
    $slabs  += $_->{slabs};
    $bytes  += $_->{size} * $_->{blocks};
    $cached += $_->{size} * $_->{cached};
}
is($bytes,  $s->{small_bytes},  'classes add up to the bytes in small blocks');
is($cached, $s->{cached_bytes}, '... to those in thread caches');
is($slabs,  $s->{slabs},        '... and to all slabs');
is($s->{live_bytes}, $bytes - $cached + $s->{medium_bytes} + $s->{big_bytes}, 'live is the sum');
cmp_ok($s->{big_bytes}, '>=', 30_000_000, '... with the large block in it');
cmp_ok($s->{cache_hits}, '>', 0.3, 'there is a rate of cache hits');
is_deeply([map { $_->{pid} } grep { $_->{pid} == $pid } @{ json_of('stat', '--json') }], [$pid],
    'without an argument, the process is among all');

# --- Text ------------------------------------------------------------------------------------

my $text = hakmem('stat', $pid);
is($text->{status}, 0, 'as text');
like($text->{out}, qr/\A\Q$name\E \($pid\), libhakmem [\d.]+, profile default\n/, '... of that process');
like($text->{out}, qr/^$_ +[\d.]+(?: [KMGT]?i?B)?  \S/m, "... with $_") for @fields;
like($text->{out}, qr/^class +slabs +live +cached +bytes live\n(?: *\d+ +\d+ +\d+ +\d+ +[\d.]+ \w+\n)+\z/m,
    '... and rows by class');

# --- OpenMetrics -------------------------------------------------------------------------------

my @lines = split /\n/, hakmem('stat', '--format=openmetrics', $pid)->{out};
is(pop @lines, '# EOF', 'OpenMetrics ends in # EOF');
my (%type, %unit, %help, %seen, @bad, $family);
for (@lines) {
    if (/^# (TYPE|UNIT|HELP) (\w+) (.+)$/) {
        push @bad, "$_: a second time" if $1 eq 'TYPE' && $type{$2};
        push @bad, "$_: not below its TYPE" if $1 ne 'TYPE' && $2 ne $family;
        $family = $2 if $1 eq 'TYPE';
        ({ TYPE => \%type, UNIT => \%unit, HELP => \%help }->{$1})->{$2} = $3;
        next;
    }
    my ($sample, $labels, $value) = /^(\w+)\{((?:\w+="(?:[^"\\]|\\["\\n])*",?)+)\} (\d+)$/;
    push(@bad, "$_: no sample"), next unless defined $value;
    my $suffix = $type{$family} eq 'counter' ? '_total' : '';
    push @bad, "$_: not of $family" unless $sample eq "$family$suffix";
    push @bad, "$_: twice" if $seen{"$sample $labels"}++;
    push @bad, "$_: wrong process" unless index($labels, 'pid="' . $pid . '",command="a\\"b\\\\c d"') == 0;
}
is_deeply(\@bad, [], '... and is well-formed');
is_deeply([sort keys %type], [sort keys %help], '... each family with its help');
is_deeply([grep { $_ !~ /_$unit{$_}$/ } keys %unit], [], '... and named by its unit');
is(scalar(keys %type), @fields + 3, '... every figure, and three by class');
is($type{hakmem_refills}, 'counter', '... refills are a counter');
is($unit{hakmem_resident_bound_bytes}, 'bytes', '... a bound is in bytes');
my ($metric) = map { /^hakmem_slabs\{.*\} (\d+)$/ } @lines;
cmp_ok($metric, '>', 0, '... and there are slabs');

# --- The end of it ------------------------------------------------------------------------------

close $process->{to};
waitpid $pid, 0;
is($?, 0, 'the process ends');
like(slurp($end), qr/^hakmem [\d.]+, profile default$/m, '... with statistics on standard error');
is(hakmem('stat', $pid)->{status}, 1, '... and is not found any more');

done_testing();
