# SPDX-License-Identifier: MIT
# Neither mandoc nor groff has anything to say about the manual pages, and they name each
# other rightly.
use strict;
use warnings;
use File::Temp;
use FindBin;
use lib $FindBin::Bin;
use Repo;
use Test::More;

needs_tool('mandoc');

my @pages = ((map { "$top/$_" } files('man/*.[1-8]')), glob "$build/man/*.[1-8]");
my %seen;
my %exists = map { m{([\w.-]+)\.(\d)$} ? ("$1 $2" => 1) : () } @pages;
for my $page (grep { !$seen{ s{.*/}{}r }++ } @pages) {
    my ($name) = $page =~ m{([^/]+)$};
    # Whether others' pages are installed here says nothing about ours.
    my @said = grep { !/referenced manual not found|outdated mandoc\.db/ }
        `mandoc -T lint -W warning '$page' 2>&1`;
    is(join('', @said), '', "$name: mandoc is content");
    SKIP: {
        skip 'groff is not installed', 1 unless grep { -x "$_/groff" } split /:/, $ENV{PATH};
        # It cannot break paths, which are as long as the prefix makes them.
        my $usual = File::Temp->new;
        binmode $usual, ':encoding(UTF-8)';
        print $usual slurp($page) =~ s{/\S+/(?=hakmem)}{/etc/}gr;
        close $usual;
        is(`groff -mandoc -Tutf8 -Kutf8 -ww -rLL=80n -z '$usual' 2>&1`, '', '... groff, too');
    }
    my @wrong = grep { !$exists{$_} } slurp($page) =~ /^\.(?:Xr|.* Xr) (hakmem\S* \d)/mg;
    is("@wrong", '', '... and the pages of ours that it names exist');
}

done_testing();
