# SPDX-License-Identifier: MIT
# What the documents name in backticks exists.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Repo;
use Test::More;

my $code = join "\n", map { slurp($_) } files('src/*.[ch]', 'src/*.def', 'include/hakmem/*.h',
    'tests/*.h');

for my $document (files('README.md', 'HACKING.md', 'CONTRIBUTING.md', 'docs/*.md')) {
    my $text = slurp($document);
    my %words = map { $_ => 1 } $text =~ /`([^`\n]+)`/g;
    my @unknown;
    for my $word (sort keys %words) {
        next if $word =~ /[*…\s]|[A-Z]{2,}\./;    # a pattern, a command, NAME.conf
        if ($word =~ /^\.?[\w\/.-]+\.(?:[chmt]|mk|sh|md|map|def|golden|ac|am|in|conf)$/) {
            push @unknown, $word unless grep { -e "$top/$_$word" } '', 'src/', 'tests/';
        } elsif ($word =~ /^((?:hm|hakmem)_\w+)(?:\(.*\))?$/) {
            push @unknown, $word unless $code =~ /\b$1\b/;
        }
    }
    is("@unknown", '', "$document names only what exists");
}

my $page = "$build/man/hakmem.conf.5";
SKIP: {
    skip 'the manual page is not built', 1 unless -e $page;
    unlike(slurp($page), qr/@\w+@/, 'nothing is left to fill in in hakmem.conf(5)');
}

done_testing();
