# SPDX-License-Identifier: MIT
# Perl: strings that grow, hashes, sorting, regular expressions, pipes to itself, fork.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../preload", $FindBin::Bin;
use Preload;
use Test::More;

my $script = spew("$scratch/work.pl", <<'PERL');
use strict;
use warnings;
my %count;
my $text = '';
for my $i (1 .. 30000) {
    my $word = join '', map { chr(97 + ($i * $_) % 26) } 1 .. ($i % 40);
    $count{$word}++;
    $text .= "$word ";
}
print length($text), ' ', scalar(keys %count), "\n";
my @sorted = sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count;
print "$sorted[0] $sorted[-1]\n";
(my $changed = $text) =~ s/([aeiou]+)/<$1>/g;
print length($changed), "\n";
my @nested = map { [ map { { value => $_ } } 1 .. 50 ] } 1 .. 1000;
print scalar(@nested), "\n";
@nested = ();
for my $child (1 .. 5) {
    my $pid = open(my $pipe, '-|') // die;
    if (!$pid) { print 'y' x ($child * 10000), "\n"; exit 0 }
    my $line = <$pipe>;
    close $pipe or die;
    print length($line), "\n";
}
PERL

for my $profile (@profiles) {
    same_output($profile, { profile => $profile }, $^X, $script);
}

done_testing();
