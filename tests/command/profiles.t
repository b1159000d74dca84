# SPDX-License-Identifier: MIT
# hakmem profiles, show, diff: what the shipped files and hakmem.conf say, with the reasons.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Command;
use Test::More;

helped($_) for qw(profiles show diff);
my @shipped = qw(default throughput low-memory high-contention hardened);

# --- profiles ----------------------------------------------------------------------------

is(hakmem('profiles', '--names')->{out}, join('', map { "$_\n" } @shipped), 'the shipped ones');
my $list = hakmem('profiles');
like($list->{out}, qr/^\*  default /m, 'default is what processes get');
like($list->{out}, qr/^   low-memory .* For many or small processes on one machine/m,
    'a profile has a sentence of its file');
unlike($list->{out}, qr/\033/, 'no colour where there is no terminal');

my $mine = spew("$scratch/mine.conf", <<'END');
profile = mine
shards = 3

# For my own use. And nothing else.

[profile mine]
inherits = low-memory   # small is good
thp = inherit           # the machine knows
# Not so often:
# it costs time.
trim_interval = 5s
prewarm = 2

[profile low-memory]
page_purge = no
END
my %conf = (HAKMEM_CONF => $mine);
my $json = json_of(\%conf, 'profiles', '--json');
is($json->{active}, 'mine', 'a file picks the profile');
my ($entry) = grep { $_->{name} eq 'mine' } @{ $json->{profiles} };
is_deeply($entry, {name => 'mine', inherits => 'low-memory', defined => "$mine:6",
    summary => 'For my own use.'}, 'a profile of a file, with its comment');
is(scalar @{ $json->{profiles} }, 6, 'one that a file amends is there once');
is(hakmem('profiles', 'operand')->{status}, 2, 'operands are refused');

# --- show --------------------------------------------------------------------------------

for my $profile (@shipped) {
    my $file = slurp("$top/profiles/$profile.conf");
    my $show = json_of('show', '--json', $profile);
    my %shown = map { $_->{name} => $_ } @{ $show->{options} };
    my (@wrong, @comment);
    for (split /\n/, $file) {
        if (/^#\s*(.*)/) { push @comment, $1; next }
        if (/^(\w+)\s*=\s*(.*?)\s*$/) {
            my $option = $shown{$1};
            push @wrong, $1 unless $option->{value} eq $2
                && ($option->{reason} // '') eq join(' ', @comment)
                && $option->{origin} =~ /profile \Q$profile\E/;
        }
        @comment = ();
    }
    is("@wrong", '', "$profile: values and reasons are those of its file");

    # What is shown defines the same profile again.
    my $text = hakmem('show', $profile)->{out} =~ s/\[profile .*\]/[profile copy]/r;
    my $copy = spew("$scratch/copy.conf", $text);
    is(hakmem('check', $copy)->{status}, 0, '... what is shown can be read');
    my $same = hakmem({HAKMEM_CONF => $copy}, 'diff', $profile, 'copy');
    is($same->{status}, 0, '... and sets the same') or diag($same->{out});
}

my %option = map { $_->{name} => $_ } @{ json_of(\%conf, 'show', '--json', 'mine')->{options} };
is($option{thp}{reason}, 'the machine knows', 'a reason behind the value');
is($option{trim_interval}{reason}, 'Not so often: it costs time.', '... and above it');
is($option{prewarm}{reason}, undef, '... or none');
like($option{trim_interval}{origin}, qr/\Q$mine\E:11$/, 'a value has its line');
is($option{page_purge}{value}, 'no', 'an ancestor may be amended');
is($option{shards}{value}, 3, 'what counts for every process counts here');
like($option{tls_cache_max}{reason}, qr/busy bins keep little/,
    'an inherited value has the reason of where it stands');
like(hakmem('show', '--all', 'default')->{out}, qr/^check = default  # the default$/m,
    '--all: also the defaults');
my $unknown = hakmem('show', 'lowmemory');
is($unknown->{status}, 2, 'an unknown profile is refused');
like($unknown->{err}, qr/unknown profile "lowmemory", expected one of default/,
    '... with the known ones');
is(hakmem('show')->{status}, 2, 'a profile is needed');

my $cycle = spew("$scratch/cycle.conf", "[profile a]\ninherits = a\n");
my $refused = hakmem({HAKMEM_CONF => $cycle}, 'show', 'a');
is($refused->{status}, 2, 'a profile that cannot be used is refused');
like($refused->{err}, qr/see hakmem check/, '... and where to look is said');

# --- diff --------------------------------------------------------------------------------

my $diff = hakmem('diff', 'default', 'throughput');
is($diff->{status}, 1, 'there are differences');
like($diff->{out}, qr/^thp\n    default     inherit  the default\n    throughput  advise   [A-Z]/m,
    'a difference, and why');
is(hakmem('diff', 'throughput', 'throughput')->{out}, '', 'none from itself');
is(hakmem('diff', 'throughput', 'none')->{status}, 2, 'an unknown profile');
my @differences = @{ json_of('diff', '--json', 'default', 'low-memory') };
my ($purge) = grep { $_->{name} eq 'page_purge' } @differences;
is($purge->{'low-memory'}{value}, 'yes', 'a difference as JSON');
is($purge->{default}{reason}, undef, '... in which a default has no reason');

done_testing();
