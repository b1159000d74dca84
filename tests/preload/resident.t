# SPDX-License-Identifier: MIT
# What of the library and its data is resident in a small program: cat, reading its own
# /proc/self/smaps.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Preload;
use Test::More;

plan(skip_all => 'another allocator') unless $is_ours;

# Anonymous memory, KiB, that there may be more of than under libc's malloc, which needs
# some 24 here; two pages more than were needed when this was written. Blocks are half.
my $budget = 92;

# Of the library's code and constants, KiB, when what served at start has been given up: two
# pages and one more than were needed when this was written, by the compiler that needs more.
my %kept = (code => 40, constants => 16);

# A machine's configuration: of its lines some are about this program, some are not.
my $conf = spew("$scratch/hakmem.conf", <<'CONF');
# remark
trim_interval = 300ms
profile = low-memory
[profile low-memory]
shards = 2
medium_max = 512K    # else the buffer of cat is a big block, whose code comes back
[app:dog]
profile = throughput
[app:cat]
empty_reserve = 2
CONF

# What smaps says, a hash for each mapping.
sub mappings {
    my (%how) = @_;
    my @found;
    for (split /\n/, run({%how}, 'cat', '/proc/self/smaps')->{out}) {
        push @found, { access => $1, name => $2 }
            if /^[0-9a-f]+-[0-9a-f]+ (\S+) \S+ \S+ \d+ *(.*)/;
        $found[-1]{$1} = $2 if @found && /^(\w+): +(\d+) kB/;
    }
    return @found;
}

sub sum {
    my ($field, @mappings) = @_;
    my $sum = 0;
    $sum += $_->{$field} || 0 for @mappings;
    return $sum;
}

# The library's mappings, and of these the ones that are code, and the ones that are not.
sub of_the_file {
    my @file = grep { $_->{name} =~ /libhakmem/ } @_;
    return ([grep { $_->{access} =~ /x/ } @file],
        [grep { $_->{access} eq 'r--p' } @file]);
}

# Of so many runs the mappings of that in which the least of something is in memory.
sub leanest {
    my ($runs, $amount, @how) = @_;
    my (@best, $least);
    for (1 .. $runs) {
        my @found = mappings(@how);
        my $is    = $amount->(@found);
        ($least, @best) = ($is, @found) if !@best || $is < $least;
    }
    return @best;
}

# A process that is kept waiting long enough gives memory back, and has the code for that in
# memory then.
sub library { return sum('Rss', grep { $_->{name} =~ /libhakmem/ } @_) }

# How many pages of its stack a process touches depends on where that begins, which is random.
sub anonymous { return sum('Anonymous', @_) }

my @plain = mappings(plain => 1);
my @ours  = leanest(5, \&library);
plan(skip_all => 'needs /proc/self/smaps') unless sum('Rss', @plain) > 0;

my $page  = POSIX::sysconf(POSIX::_SC_PAGESIZE());
my $debug = slurp("$build/config.h") =~ /^#define HM_ENABLE_DEBUG 1/m;

for (['by default', @ours], ['with a configuration', leanest(5, \&library, conf => $conf)]) {
    my ($name, @mappings) = @$_;
    my ($code, $constants) = of_the_file(@mappings);
  SKIP: {
        skip('the linker did not lay it out', 5) if @$code < 2;
        is(sum('Rss', $code->[0]), 0, "$name: cold code is not in memory");
        cmp_ok(sum('Rss', $code->[1]), '>', 0, "$name: other code is");
        is(sum('Rss', $constants->[1]), 0, "$name: nor is what unwinding needs");
        for (['code', $code->[1]], ['constants', $constants->[0]]) {
            my ($what, $mapping) = @$_;
            my ($rss, $size) = (sum('Rss', $mapping), sum('Size', $mapping));
            my $limit = $debug ? $size - 4 : $kept{$what};
            cmp_ok($rss, '<=', $limit, "$name: $what, $rss of $size KiB");
        }
    }
}

SKIP: {
    skip('figures for pages of 4 KiB, without debug checks', 1)
        if $debug || $page != 4096;
    my $thp = '/sys/kernel/mm/transparent_hugepage/enabled';
    skip('huge pages for all', 1) if -e $thp && slurp($thp) =~ /\[always\]/;
    my @lean = leanest(10, \&anonymous);
    my $more = anonymous(@lean) - anonymous(leanest(10, \&anonymous, plain => 1));
    cmp_ok($more, '<=', $budget, "anonymous memory: $more KiB more")
        or diag(map { "$_->{access} $_->{Anonymous} KiB $_->{name}\n" }
            grep { $_->{Anonymous} } @lean);
}

done_testing();
