# SPDX-License-Identifier: MIT
# What `make dist` packs is the repository and what autoreconf makes of it, byte for byte,
# but for the files of tarball.golden.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Repo;
use File::Find;
use File::Temp 'tempdir';
use Test::More;

plan(skip_all => 'not a git checkout') unless -e "$top/.git";
needs_tool('git');

my $dir = tempdir(CLEANUP => 1) . '/dist';
output($ENV{MAKE} || 'make', '-s', '-C', $build, 'distdir', "distdir=$dir");
my %packed;
find({no_chdir => 1, wanted => sub { $packed{s{^\Q$dir/\E}{}r} = 1 if -f }}, $dir);

# Also what is not committed yet: a new file is to be packed before it is too late.
my @repository = output('git', '-c', 'safe.directory=*', '-C', $top, 'ls-files',
    '--cached', '--others', '--exclude-standard');
@repository = grep { -e "$top/$_" } @repository;

my (@left_out, @made);
for (golden('tarball.golden')) {
    my ($sign, $pattern) = /^([-+]) (\S+)$/ or die "tarball.golden: $_\n";
    push @{ $sign eq '-' ? \@left_out : \@made }, $pattern;
}
my ($out) = map { qr/^(?:$_)/ } join '|', map { quotemeta } @left_out;
is_same_list([keys %packed], [@made, grep { !/$out/ } @repository],
    'the tarball has what the repository has');

my @differ = grep { $packed{$_} && system('cmp', '-s', "$dir/$_", "$top/$_") } @repository;
is("@differ", '', '... as it is there');
my @executable = grep { $packed{$_} && !-x "$dir/$_" != !-x "$top/$_" } @repository;
is("@executable", '', '... and can be executed if it can be there');

# A checkout can be packed without git, too.
my $scratch = tempdir(CLEANUP => 1);
sub spew { open my $to, '>', $_[0] or die "$_[0]: $!\n"; print {$to} $_[1]; close $to }
spew("$scratch/git", "#!/bin/sh\nexit 127\n");
chmod 0755, "$scratch/git";
spew("$scratch/makefile", "include Makefile\nprint-dist-time:\n\t\@echo \$(dist_time)\n");
local $ENV{PATH} = "$scratch:$ENV{PATH}";
delete local $ENV{SOURCE_DATE_EPOCH};
like(join('', output($ENV{MAKE} || 'make', '-s', '-C', $build, '-f', "$scratch/makefile",
    'print-dist-time')), qr/^\d+\n?$/, 'without git the tarball has a date');

done_testing();
