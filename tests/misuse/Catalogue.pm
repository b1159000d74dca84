# SPDX-License-Identifier: MIT
package Catalogue;

# Runs the program tests/misuse/catalogue with an allocator preloaded, and understands
# what it says. For catalogue.t and for compare.pl.

use strict;
use warnings;
use Exporter 'import';

our @EXPORT = qw(run_catalogue stopped worst);

# A reference to a hash: case => caught, harmless, missed or absent; and one to their
# names in the order of the catalogue.
sub run_catalogue {
    my ($program, $environment) = @_;
    my $pid = open my $out, '-|';
    die "fork: $!\n" unless defined $pid;
    if ($pid == 0) {
        delete @ENV{qw(LD_PRELOAD HAKMEM_PROFILE HAKMEM_OPTIONS)};
        $ENV{$_} = $environment->{$_} for keys %$environment;
        open STDERR, '>', '/dev/null' or die "stderr: $!\n";
        exec { $program } $program;
        die "$program: $!\n";
    }
    my (%result, @names);
    while (<$out>) {
        my ($name, $what) = /^(\S+) (caught|harmless|missed|absent)$/
            or die "$program said: $_";
        push @names, $name;
        $result{$name} = $what;
    }
    close $out or die "$program failed\n";
    return (\%result, \@names);
}

sub stopped {
    my ($what) = @_;
    return $what =~ /^(?:caught|harmless)$/ ? 1 : 0;
}

# Of several runs: where placement is random, luck is no protection.
sub worst {
    my %rank = (missed => 0, absent => 1, harmless => 2, caught => 3);
    my ($first) = sort { $rank{$a} <=> $rank{$b} } @_;
    return $first;
}

1;
