# SPDX-License-Identifier: MIT
# The fast paths of malloc, free and malloc_usable_size, counted: how many instructions stand
# between entry and return when nothing is missed, and how many a malloc+free pair executes
# in all.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Repo;
use Test::More;

# Instructions of the straight line, small blocks; the last has that of large ones in it.
my %straight = (malloc => 15, free => 18, malloc_usable_size => 20);
# Instructions executed for malloc+free in bench/pairs, its loop included. What is above the
# straight line is refilling and flushing.
my %pairs = (
    'lifo 64'     => 43, 'lifo 1024'   => 47, 'lifo 16384' => 50,
    'batch 64'    => 46, 'batch 1024'  => 50,
    'aligned 64'  => 83, 'aligned 8000' => 86,    # by posix_memalign, to 64
    'mixed 1024'  => 65, 'mixed 16384' => 70,
    'mixed 2048'  => 77,    # as many small as large ones: by the way for both
);

needs_tool('objdump', 'nm');
needs_library();
plan(skip_all => 'the budget is for x86-64') unless (output('uname', '-m'))[0] eq 'x86_64';
plan(skip_all => 'the budget is for optimised builds')
    if slurp("$build/config.h") =~ /^#define HM_ENABLE_DEBUG/m
    || !grep { /^CFLAGS\s*=.*-O[23]/ } lines("$build/Makefile");
plan(skip_all => 'the budget is for gcc') unless grep { /^CC\s*=\s*\S*gcc/ } lines("$build/Makefile");

my %address = map { (split)[2, 0] } grep { / T / } output('nm', '-D', '--defined-only', $library);
for my $name (sort keys %straight) {
    my $start = hex $address{$name};
    my @code = grep { /^\s+[0-9a-f]+:\s/ } output('objdump', '-d', '--no-show-raw-insn',
        "--start-address=$start", '--stop-address=' . ($start + 256), $library);
    my $count = 0;
    for (@code) {
        $count++ unless /:\s+(?:nop|xchg\s+%ax,%ax|endbr64|data16|cs nop)/;
        last if /:\s+ret/;
    }
    cmp_ok($count, '<=', $straight{$name}, "$name is a straight line of $count instructions");
}

SKIP: {
    my $program = "$build/bench/pairs";
    skip('bench/pairs is not built', 2 + keys %pairs) unless -x $program;
    skip('valgrind is not installed', 2 + keys %pairs)
        unless grep { -x "$_/valgrind" } split /:/, $ENV{PATH};
    my $counted = sub {
        my ($tool, $what, @arguments) = @_;
        my $more = $tool eq 'cachegrind' ? '--branch-sim=yes' : '';
        my ($line) = grep { /$what/ } `LD_PRELOAD=$library valgrind --tool=$tool $more \\
            --$tool-out-file=/dev/null $program @arguments 2>&1`;
        my ($count) = ($line // '') =~ /$what\s*:\s*([\d,]+)/ or die "$tool counted nothing\n";
        return $count =~ tr/,//dr;
    };
    my $collected = sub {
        my ($mode, $size, $n, $options) = @_;
        local $ENV{HAKMEM_OPTIONS} = $options if $options;
        return $counted->('callgrind', qr/Collected/, $mode, $n, $size);
    };
    for my $case (sort keys %pairs) {
        my ($mode, $size) = split / /, $case;
        my $n = 200_000;
        my $each = ($collected->($mode, $size, 2 * $n) - $collected->($mode, $size, $n)) / $n;
        cmp_ok(sprintf('%.1f', $each), '<=', $pairs{$case} + 0.5,
            sprintf('%s: %.1f instructions for malloc+free', $case, $each));
    }
    # Statistics that others can look at cost nothing.
    my ($n, $page) = (200_000, 'stats_page=yes');
    my $each = ($collected->('lifo', 64, 2 * $n, $page) - $collected->('lifo', 64, $n, $page)) / $n;
    cmp_ok(sprintf('%.1f', $each), '<=', $pairs{'lifo 64'} + 0.5,
        sprintf('lifo 64 with a statistics page: %.1f', $each));
    # What those instructions are for: by the other way it is one for each pair.
    my $mispredicted = sub { $counted->('cachegrind', qr/Mispredicts/, 'mixed', $_[0], 2048) };
    my $wrong = ($mispredicted->(2 * $n) - $mispredicted->($n)) / $n;
    cmp_ok(sprintf('%.2f', $wrong), '<=', 0.1,
        sprintf('mixed 2048: %.2f mispredicted branches', $wrong));
}

done_testing();
