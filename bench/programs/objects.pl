#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Builds and drops the data that Perl programs are made of: objects.pl ROUNDS. Prints a
# digest of what it computed.
use strict;
use warnings;

my $state = 12345;

# Perl's own rand depends on how it was built.
sub below {
    my ($limit) = @_;
    $state = ( $state * 1103515245 + 12345 ) % 2147483648;
    return int( $state / 65536 ) % $limit;
}

sub word {
    return join '', map { chr( 97 + below(26) ) } 1 .. 2 + below(9);
}

sub tree {
    my ($depth) = @_;
    my $node = { name => word(), rank => below(100) };
    $node->{children} = [ map { tree( $depth - 1 ) } 1 .. 3 ] if $depth > 0;
    return $node;
}

sub weigh {
    my ($node) = @_;
    my $sum = $node->{rank} + length $node->{name};
    $sum += weigh($_) for @{ $node->{children} || [] };
    return $sum;
}

my $digest = 0;
for my $round ( 1 .. $ARGV[0] ) {
    my %count;
    my $text = join ' ', map { word() } 1 .. 20000;
    $count{$_}++ for split / /, $text;
    my @common = sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count;
    $digest += length join ',', @common[ 0 .. 99 ];

    my @rows = map { [ $_, word(), below(1000) ] } 1 .. 10000;
    my @sorted = sort { $a->[1] cmp $b->[1] || $a->[0] <=> $b->[0] } @rows;
    $digest += $_->[2] for @sorted[ 0 .. 500 ];
    ( my $changed = $text ) =~ s/([aeiou])([a-z])/$2$1/g;
    $digest += unpack '%32C*', $changed;

    $digest += weigh( tree(8) );
    $digest %= 2**32;
}
printf "%08x\n", $digest;
