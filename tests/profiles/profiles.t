# SPDX-License-Identifier: MIT
# Every option changes what the allocator does, and the counts show it. Each pair of runs
# does the same work (tests/profiles/probe) under two values of one option.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../preload";
use JSON::PP;
use Preload;
use Test::More;

my $probe = built('tests/profiles/probe');
my $MIB   = 1 << 20;

# Runs the probe; returns its counts by name. The program is linked with the library.
sub probe {
    my ($mode, $options, $profile) = @_;
    my $result =
        run({ plain => 1, options => $options, profile => $profile }, $probe, $mode);
    my $name = join ' ', $mode, grep { defined } $profile, $options;
    is($result->{status}, 0,  "($name)") or diag($result->{err});
    is($result->{err},    '', "($name) without complaint");
    my %counts = $result->{out} =~ /^(\w+) (\d+)$/mg;
    my ($json) = $result->{out} =~ /^(\{.*\})$/m;
    return { %counts, %{ $json ? decode_json($json) : {} } };
}

# Both runs of a pair.
sub pair {
    my ($mode, $option, $low, $high, $always) = @_;
    return map { probe($mode, join ',', "$option=$_", $always ? $always : ()) } $low,
        $high;
}

# --- SuperSlabs --------------------------------------------------------------------------

my ($few, $many);

($many, $few) = pair('grow', 'superslab_size', '512K', '4M');
cmp_ok(
    $many->{superslabs_mapped},
    '>=',
    4 * $few->{superslabs_mapped},
    'superslab_size: small SuperSlabs are more'
);
cmp_ok($few->{superslabs_mapped}, '>', 5, '... and large ones not one for everything');

($few, $many) = pair('shrink-and-trim', 'empty_reserve', 0, 8);
cmp_ok($few->{superslabs}, '<=', 3,
    'empty_reserve=0: hardly a SuperSlab stays after a trim');
cmp_ok($many->{superslabs},     '>=', 8,    'empty_reserve=8: eight do');
cmp_ok($many->{retained_bytes}, '<',  $MIB, '... without memory');

($few, $many) = pair('start', 'prewarm', 0, 16);
cmp_ok($many->{superslabs}, '>=', 16, 'prewarm: SuperSlabs are mapped at start');
cmp_ok($many->{resident},   '>',  $few->{resident} + 12 * $MIB, '... with memory');

($few, $many) = pair('start', 'address_window', 0, '64G');
cmp_ok(
    $many->{vmsize}, '>',
    $few->{vmsize} + 1024 * $MIB,
    'address_window: space is set aside'
);

# --- Thread caches -----------------------------------------------------------------------

($few, $many) = pair('first-block', 'refill_start', 1, '12K', 'refill_target=32K:64');
is($few->{first_refill},  1,  'refill_start=1: the first refill fetches one block');
is($many->{first_refill}, 4, 'refill_start=12K: it fetches four of 3 KiB');

my $still = 'tls_cache_min=16,tls_cache_max=16,refill_start=1K';
($few, $many) = pair('grow', 'refill_target', '32K:4', '32K:8', $still);
cmp_ok($few->{refilled_blocks} / $few->{refills},
    '<=', 4.5, 'refill_target: four a refill');
cmp_ok($many->{refilled_blocks} / $many->{refills},
    '>=', 6.5, 'refill_target: eight a refill');

($many, $few) = pair('bursts-of-small', 'tls_cache_max', 16, 2048, 'tls_cache_min=16');
cmp_ok(
    $many->{flushes_here}, '>',
    10 * ($few->{flushes_here} + 1),
    'tls_cache_max: a small cache is flushed more often'
);
cmp_ok($few->{cached_here}, '>', $many->{cached_here}, '... and holds less');

($few, $many) = pair('bursts-of-small', 'tls_cache_min', 4, 2048, 'tls_cache_max=2048');
cmp_ok($many->{flushes_here}, '<=', $few->{flushes_here},
    'tls_cache_min: a cache that begins large is flushed no more often');

($many, $few) = pair('bursts-of-large', 'tls_cache_bytes', '0', '8M');
cmp_ok(
    $many->{flushes_here}, '>',
    5 * ($few->{flushes_here} + 1),
    'tls_cache_bytes: large blocks are flushed more often under a tight bound'
);
cmp_ok($many->{cached_here}, '<', $MIB / 2, '... and little is held');

($few, $many) =
    pair('eight-caches', 'process_cache_bytes', '0', '64M',
    'tls_cache_bytes=8M,tls_cache_max=2048');
cmp_ok($few->{cached_together},
    '<', 2 * $MIB, 'process_cache_bytes=0: all caches hold little');
cmp_ok($many->{cached_together}, '>', 3 * $MIB,
    'process_cache_bytes=64M: they hold more');

# --- Memory back to the system -----------------------------------------------------------

($many, $few) = pair('waves', 'trim_interval', 0, '1h');
cmp_ok($many->{trimmed_bytes},
    '>', 10 * $MIB, 'trim_interval=0: memory goes back at once');
cmp_ok(
    $few->{madvise_calls}, '<',
    $many->{madvise_calls} + $many->{munmap_calls},
    'trim_interval=1h: with fewer system calls'
);
cmp_ok($few->{retained_bytes}, '>', 10 * $MIB, '... because it is retained');
cmp_ok(
    $many->{retained_bytes},
    '<',
    $few->{retained_bytes} / 2,
    '... more than trim_interval=0 does'
);

($many, $few) = pair('holes', 'page_purge', 'yes', 'no', 'trim_interval=0');
my $part = sub { $_[0]{resident_holes} / $_[0]{resident_full} };
cmp_ok($part->($few),  '>', 0.7, 'page_purge=no: pages inside half-empty slabs stay');
cmp_ok($part->($many), '<', 0.5, 'page_purge=yes: they go back');
cmp_ok($few->{resident_trimmed} / $few->{resident_full},
    '<', 0.5, '... and with a trim that is asked for, always');

my $idle = probe('idle', 'trim_thread=yes,trim_interval=200ms');
cmp_ok($idle->{retained_bytes},
    '<=', $MIB, 'trim_thread: an idle process gives memory back');

my ($none, $cached) = pair('big', 'bigcache_bytes', 0, '64M');
is($none->{bigcache_hits}, 0, 'bigcache_bytes=0: no big block is reused');
cmp_ok($none->{bigcache_misses}, '>=', 100, '... each needs a mapping');
cmp_ok($cached->{bigcache_hits}, '>=', 95,  'bigcache_bytes=64M: nearly all are');
cmp_ok($cached->{mmap_calls} + 80,
    '<', $none->{mmap_calls}, '... with fewer system calls');

# --- The rest ----------------------------------------------------------------------------

SKIP: {
    skip 'no transparent huge pages', 17 unless -d '/sys/kernel/mm/transparent_hugepage';
    my ($never, $inherit, $advise) =
        map { probe('grow', "thp=$_") } qw(never inherit advise);
    cmp_ok($never->{mappings_nh}, '>', 0, 'thp=never: mappings say so');
    is($never->{mappings_hg}, 0, '... and none the opposite');
    is($inherit->{mappings_hg} + $inherit->{mappings_nh},
        0, 'thp=inherit: nothing is said');
    cmp_ok($advise->{mappings_hg}, '>', 0, 'thp=advise: mappings say so');
    is($advise->{mappings_nh}, 0, '... and none the opposite');
    my ($at_once, $later) = pair('grow', 'thp_after', 0, '1G', 'thp=advise');
    cmp_ok($at_once->{mappings_hg}, '>', 0, 'thp_after=0: from the first on');
    is($later->{mappings_hg}, 0, 'thp_after=1G: not before so much is mapped');
}

is(probe('freed', 'zero_on_free=yes')->{bytes_kept},
    0, 'zero_on_free: nothing stays to be read');
cmp_ok(probe('freed', 'zero_on_free=no')->{bytes_kept},
    '>', 32, '... which it does otherwise');

probe($_, 'check=full')
    for qw(grow shrink-and-trim bursts-of-small eight-caches big waves);
probe('eight-caches', "shards=$_") for 1, 2, 16, 256;

# --- The shipped profiles ----------------------------------------------------------------

# What a file says is what a process gets. Sizes may be written in more than one way.
sub bytes {
    my ($text) = @_;
    my %unit =
        (K => 1 << 10, M => 1 << 20, G => 1 << 30, ms => 1, s => 1000, h => 3_600_000);
    $text =~ s{(\d+)(ms|s|h|[KMG])(?:iB)?\b}{$1 * $unit{$2}}ge;
    return $text;
}

for my $profile (@profiles) {
    my %says =
        slurp("$top/profiles/$profile.conf") =~ /^\s*(\w+)\s*=\s*(.*?)\s*(?:#.*)?$/mg;
    delete $says{inherits};
    my $result =
        run({ plain => 1, profile => $profile }, $probe, 'options', sort keys %says);
    is($result->{status}, 0, "$profile: every option exists");
    my %has = $result->{out} =~ /^(\w+)=(.*)$/mg;
    is(delete $has{profile}, $profile,    "$profile: is in force");
    is(bytes($has{$_}), bytes($says{$_}), "$profile: $_ = $says{$_}") for sort keys %says;
}

# Promises that show without a load.
my %after = map { $_ => probe('shrink', undef, $_) } @profiles;
my %grown = map { $_ => probe('grow',   undef, $_) } @profiles;
cmp_ok(
    $grown{'low-memory'}{metadata_bytes} + $grown{'low-memory'}{mapped_bytes},
    '<=',
    $grown{throughput}{metadata_bytes} + $grown{throughput}{mapped_bytes},
    'low-memory maps no more than throughput for the same blocks'
);
cmp_ok(
    $grown{throughput}{superslabs_mapped},
    '<',
    $grown{default}{superslabs_mapped},
    'throughput needs fewer SuperSlabs'
);
cmp_ok($grown{throughput}{refills}, '<', $grown{default}{refills}, '... and refills');
cmp_ok(
    $grown{'low-memory'}{refills},
    '>',
    $grown{default}{refills},
    'low-memory needs more'
);
$idle = probe('idle', undef, 'low-memory');
cmp_ok($idle->{retained_bytes},
    '<=', $MIB, 'low-memory: an idle process gives memory back');
cmp_ok($after{throughput}{retained_bytes},
    '>', 4 * $MIB, 'throughput keeps it for a while');

done_testing();
