#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# compare.pl CATALOGUE NAME=[LIBRARY][,VARIABLE=VALUE]… …
#
# Runs the program tests/misuse/catalogue three times under each allocator, and prints a
# table of the worst of each: how many programs of each kind were stopped, then every
# program. A NAME without LIBRARY is libc's allocator.
#
#     tests/misuse/compare.pl build/tests/misuse/catalogue glibc= scudo=libscudo.so \
#         hardened=build/.libs/libhakmem.so.0,HAKMEM_PROFILE=hardened
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Catalogue;

use constant RUNS => 3;

die "usage: compare.pl CATALOGUE NAME=[LIBRARY][,VARIABLE=VALUE]... ...\n" if @ARGV < 2;
my ($program, @allocators) = @ARGV;
my (@columns, %result, @names);
for (@allocators) {
    my ($column, $library, @variables) = /^([^=]+)=([^,]*)(.*)$/s
        ? ($1, $2, grep { length } split /,/, $3)
        : die "$_: not NAME=LIBRARY\n";
    my %environment = map { split /=/, $_, 2 } @variables;
    if (length $library) {
        die "$library: $!\n" unless -r $library;
        $environment{LD_PRELOAD} = $library;
    }
    my @runs;
    for (1 .. RUNS) {
        my ($run, $order) = run_catalogue($program, \%environment);
        push @runs, $run;
        @names = @$order;
    }
    push @columns, $column;
    for my $name (@names) {
        $result{$name}{$column} = worst(map { $_->{$name} } @runs);
    }
}

# The kinds, in the order of their first program.
my @kinds = (
    ['write outside a block'    => qr/^write-(?:after|before)/],
    ['read outside a block'     => qr/^read-(?:after|before)/],
    ['write to a freed block'   => qr/^write-(?:freed|reused)/],
    ['read of a freed block'    => qr/^read-(?:freed|reused)/],
    ['read of what was never written' => qr/^read-(?:new|realloc)/],
    ['free of a freed block'    => qr/^free-twice/],
    ['wrong size or alignment'  => qr/^(?:delete|free)-(?:siz|plain|aligned|of-)/],
    ['free of no block'         => qr/^(?:free|delete)-/],
    ['other calls with no block' => qr/^(?:realloc|usable)/],
    ['request too large'        => qr/^request/],
);

sub row {
    return '| ' . join(' | ', @_) . " |\n";
}

my @of_kind = map { [] } @kinds;
NAME: for my $name (@names) {
    for my $k (0 .. $#kinds) {
        next unless $name =~ $kinds[$k][1];
        push @{ $of_kind[$k] }, $name;
        next NAME;
    }
    die "$name is of no kind\n";
}

sub how_many {
    my ($column, @of) = @_;
    return scalar grep { stopped($result{$_}{$column}) } @of;
}

print row('stopped', 'of', @columns), '|---', '|--:' x (1 + @columns), "|\n";
for my $k (0 .. $#kinds) {
    my @of = @{ $of_kind[$k] };
    print row($kinds[$k][0], scalar @of, map { how_many($_, @of) } @columns);
}
my @all = (scalar @names, map { how_many($_, @names) } @columns);
print row(map { "**$_**" } 'all', @all);
print "\n", row('program', @columns), '|---' x (1 + @columns), "|\n";
for my $name (@names) {
    print row($name, map { s/^missed$/**missed**/r } map { $result{$name}{$_} } @columns);
}
