# SPDX-License-Identifier: MIT
# hakmem why and map: the memory of a running process, taken apart: the parts add up to
# what the kernel says, and each has what the process made it of; and drawn.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Command;
use Test::More;

helped('why');
helped('map');
is(hakmem('why')->{status}, 2, 'why: a process is needed');
is(hakmem('why', 'x1')->{status}, 2, '... by its number');
is(hakmem('why', $$)->{status}, 1, '... one that opted in');
is(hakmem('map', $$)->{status}, 1, 'map: the same');
is(hakmem('map', $$, $$)->{status}, 2, '... one only');

# The rest needs a process.
sub leave {
    note("left out, for want of $_[0]");
    done_testing();
    exit 0;
}
leave('libhakmem.so') unless -r $library;
leave('/dev/shm') unless -d '/dev/shm' && -w _;
# Blocks of all kinds, and holes between them; a page that is only read is the kernel's.
my $program = compiled('holder', <<'END', '-O0', '-w') or leave('a compiler');
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
enum { SMALL = 40000, MEDIUM = 40, BIG = 6, MIB = 1 << 20 };
static char *small[SMALL], *medium[MEDIUM], *big[BIG];
static char *filled(size_t size) { return memset(malloc(size), 1, size); }
int main(void)
{
    for (int i = 0; i < SMALL; i++) small[i] = filled(100);
    for (int i = 0; i < MEDIUM; i++) medium[i] = filled(100000);
    for (int i = 0; i < BIG; i++) big[i] = filled(3 * MIB);
    for (int i = 0; i < SMALL; i++) if (i % 4) free(small[i]);
    for (int i = 0; i < MEDIUM; i++) if (i % 2) free(medium[i]);
    for (int i = 0; i < BIG; i++) if (i % 3) free(big[i]);
    volatile char *zeros = malloc(32 * MIB);
    for (int i = 0; i < 32 * MIB; i += 4096) zeros[i];
    puts("up");
    fflush(stdout);
    return getchar();
}
END

# A program that has said that it is ready.
sub start {
    my $process = preloaded(@_);
    readline $process->{from};
    return $process;
}
sub stop { close $_[0]->{to}; waitpid $_[0]->{pid}, 0; return }

sub rss_of {
    my ($pid) = @_;
    my $sum = 0;
    $sum += $_ for slurp("/proc/$pid/smaps") =~ /^Rss: +(\d+) kB/mg;
    return $sum * 1024;
}

my $mib = 1 << 20;
my $idle = start('stats_page=yes,trim_interval=1h,bigcache_share=1000', $program);
my $pid = $idle->{pid};
my $why = json_of('why', '--json', $pid);
my %part = %{ $why->{parts} };
is("$why->{pid} $why->{profile}", "$pid default", 'which process it is');
is($why->{resident}, rss_of($pid), 'as much is resident as the kernel says');
my ($sum, $ours) = (0, 0);
$sum += $_ for values %part;
$ours += $part{$_} for
    qw(live rounding caches partial free_units bigcache state descriptors library);
is($sum, $why->{resident}, 'the parts add up to that');
is($ours, $why->{libhakmem}, "... and those that are libhakmem's to its own");

sub about {
    my ($what, $got, $expected, $slack) = @_;
    return cmp_ok(abs($got - $expected), '<=', $slack, "$what: about " . int($expected / 1024)
        . ' KiB') || diag($got);
}
about('live blocks', $part{live} + $part{rounding}, 10000 * 112 + 20 * 100000 + 2 * 3 * $mib, $mib);
about('partly filled slabs and caches', $part{partial} + $part{caches}, 30000 * 112, $mib);
about('free units', $part{free_units}, 20 * 100000, $mib);
about('big blocks in BigCache', $part{bigcache}, 4 * 3 * $mib, $mib);
cmp_ok($part{$_}, '>', 0, "$_: some") for qw(rounding state descriptors library code data stacks);

is($why->{advice}[0]{option}, 'profile=low-memory', 'the best advice comes first');
my @bytes = map { $_->{bytes} } @{ $why->{advice} };
is("@bytes", join(' ', sort { $b <=> $a } @bytes), '... then the next');
my ($thread) = grep { $_->{option} eq 'trim_thread=yes' } @{ $why->{advice} };
is($thread->{bytes}, $part{free_units} + $part{bigcache}, '... with what it is about');
my $advised = join ',', grep { !/^profile/ } map { $_->{option} } @{ $why->{advice} };
is(hakmem({HAKMEM_OPTIONS => $advised}, 'check')->{status}, 0, '... in words that count');

my $text = hakmem('why', $pid)->{out};
like($text, qr/^holder \($pid\), profile default, has [\d.]+ MiB in memory$/m, 'in words');
like($text, qr/^freed big blocks that are kept +12\.\d MiB +\d+\.\d %$/m, '... each part');
like($text, qr/^ +[\d.]+ MiB  trim_thread=yes +free memory goes back/m, '... and what to do');

# --- The picture -------------------------------------------------------------------------

my $svg = "$scratch/heap.svg";
my $map = hakmem('map', $pid, '-o', $svg);
is("$map->{status} $map->{out}$map->{err}", '0 ', 'map writes a file');
is(hakmem('map', $pid)->{out}, slurp($svg), '... or to standard output');
is(hakmem('map', $pid, '-o', "$scratch/none/heap.svg")->{status}, 1, '... where it can');
my $picture = slurp($svg);
like($picture, qr{^<text .*>holder \($pid\)</text>$}m, 'it says of which process');
my @slabs = $picture =~ /slab of 112-byte blocks: of \d+, \d+ live, \d+ in/g;
cmp_ok(scalar @slabs, '>=', 40000 * 112 / 16384 - 2, 'each slab is there');
is(scalar(() = $picture =~ /<rect [^>]*fill="#e2703a"[^>]*><title>medium block of 112.0 KiB</g),
    40, '... each medium block, twice: the frame and what is live');
like($picture, qr/>big block of [\d.]+ MiB at [0-9a-f]+, $_</, "... big blocks: $_")
    for 'live', 'freed, in BigCache';
like($picture, qr/>free units, in memory</, '... and what is free');
like($picture, qr/<path fill="#39434f" d="M/, '... and pages');

sub is_xml {
    my ($what, $file) = @_;
    SKIP: {
        skip 'needs python3', 1 unless has_tool('python3');
        is(system('python3', '-c', 'import sys, xml.dom.minidom as m; '
            . 'd = m.parse(sys.argv[1]).documentElement; assert d.tagName == "svg"', $file), 0,
            "$what is well-formed");
    }
    return;
}
is_xml('the picture', $svg);
stop($idle);

# Nobody who pays for safety is advised to do without.
my $safe = start('stats_page=yes,trim_interval=1h,quarantine_bytes=2M', $program);
my @options = map { $_->{option} } @{ json_of('why', '--json', $safe->{pid})->{advice} };
ok((grep { $_ eq 'quarantine_bytes=1M' } @options), 'what waits in quarantine could be less');
is_deeply([grep { /^profile/ } @options], [], '... but that is no reason for another profile');
stop($safe);

# A process that gave back what it could, of a name that XML could stumble over.
my $odd = "$scratch/<a>&'b\"";
spew($odd, slurp($program));
chmod 0755, $odd;
my $low = start('stats_page=yes,trim_interval=1h', $odd);
is(hakmem('trim', $low->{pid})->{status}, 0, 'after a trim');
my $after = json_of('why', '--json', $low->{pid});
cmp_ok($after->{parts}{free_units} + $after->{parts}{bigcache}, '<', $mib / 2,
    'nothing is retained');
hakmem('map', $low->{pid}, '-o', $svg);
like(slurp($svg), qr/>&lt;a&gt;&amp;'b"? \(/, 'names are written as XML has it');
is_xml('that picture', $svg);
stop($low);

done_testing();
