# SPDX-License-Identifier: MIT
package Repo;

# What the meta tests share: where things are, and how to read them.

use strict;
use warnings;
use Exporter 'import';
use FindBin;
use Test::More;

our @EXPORT = qw($top $build $library files lines slurp golden is_same_list
    output needs_tool needs_library);

our $top = $ENV{HM_SRCDIR} || "$FindBin::Bin/../..";
our $build = $ENV{HM_BUILDDIR} || $top;
our $library = $ENV{HM_LIBRARY} || "$build/.libs/libhakmem.so.0";

# Paths relative to the top that match one of the patterns.
sub files {
    return sort map { s{^\Q$top/\E}{}r } grep { -e } map { glob "$top/$_" } @_;
}

sub slurp {
    my ($path) = @_;
    $path = "$top/$path" unless $path =~ m{^/};
    open my $in, '<:encoding(UTF-8)', $path or die "$path: $!\n";
    local $/;
    return scalar <$in>;
}

sub lines {
    return split /\n/, slurp(@_);
}

# The entries of a golden list; "#" starts a comment.
sub golden {
    return grep { length } map { s/\s*#.*//r } lines("tests/meta/$_[0]");
}

# Passes when both lists have the same entries; else shows what is missing and what is new.
sub is_same_list {
    my ($got, $expected, $name) = @_;
    my %got = map { $_ => 1 } @$got;
    my %expected = map { $_ => 1 } @$expected;
    my @missing = grep { !$got{$_} } sort keys %expected;
    my @new = grep { !$expected{$_} } sort keys %got;
    ok(!@missing && !@new, $name);
    diag("missing: $_") for @missing;
    diag("not in the list: $_") for @new;
}

# A command's standard output as lines; it has to succeed.
sub output {
    open my $pipe, '-|', @_ or die "$_[0]: $!\n";
    chomp(my @lines = <$pipe>);
    close $pipe or die "@_: failed\n";
    return @lines;
}

sub needs_tool {
    for my $tool (@_) {
        plan(skip_all => "$tool is not installed")
            unless grep { -x "$_/$tool" } split /:/, $ENV{PATH};
    }
}

sub needs_library {
    plan(skip_all => 'libhakmem.so is not built here') unless -e $library;
}

1;
