# SPDX-License-Identifier: MIT
# The sample hakmem.conf, which a package makes the machine's: it changes nothing as it is,
# every line in it that is commented out is a valid one, and it has every option.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Command;
use Test::More;

my $sample = "$build/etc/hakmem.conf";
plan(skip_all => "needs $sample") unless -r $sample;
my $text = slurp($sample);

unlike($text, qr/@\w+@/, 'nothing is left to fill in');
unlike($text =~ s{/\S+/(?=(?:lib)?hakmem)}{/etc/}gr,
    qr/^.{91}/m, 'no line is wider than 90 columns, wherever it is installed');
unlike($text, qr/^[^#\n]/m, 'every line is a comment');

# Settings follow their # at once, explanations after a blank.
my $all = spew("$scratch/all.conf", $text =~ s/^#(?=[^#\s])//mgr);
my $checked = hakmem('check', '--json', $all);
is($checked->{status}, 0, 'with nothing commented out, there are no mistakes')
    or diag($checked->{out}, $checked->{err});

# An option's origin is its line in the sample, so none is missing, its value the default.
my %plain = map { $_->{name} => $_ }
    @{ json_of({ HAKMEM_CONF => '/dev/null' }, 'explain', '--json')->{options} };
my %sampled = map { $_->{name} => $_ }
    @{ json_of({ HAKMEM_CONF => $all }, 'explain', '--json')->{options} };
my @missing = grep { $sampled{$_}{origin} !~ /all\.conf:\d+/ } sort keys %plain;
is("@missing", '', 'it has every option');
my @other = grep { $sampled{$_}{value} ne $plain{$_}{value} } sort keys %plain;
is("@other", '', '... with its default');

done_testing();
