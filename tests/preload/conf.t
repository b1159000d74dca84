# SPDX-License-Identifier: MIT
# hakmem.conf as a process sees it: sections about the executable, whatever argv[0] says,
# and what looking for files costs a process that has none.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../preload", $FindBin::Bin;
use Preload;
use Test::More;

plan(skip_all => 'another allocator') unless $is_ours;

# An executable of a name of its own, another name for it, and a script.
my ($program, $link, $script) = map { "$scratch/$_" } qw(hm-program hm-link hm-script);
spew($program, slurp($^X));
symlink $program, $link or die "$link: $!\n";
spew($script, "#!$program\n1;\n");
chmod 0755, $program, $script;

# The profile that the statistics at the end of a run name.
sub profile_of {
    my ($conf, @command) = @_;
    my $how = { conf => spew("$scratch/conf", $conf), options => 'stats_at_exit=yes' };
    my $result = run($how, @command);
    my ($profile) = $result->{err} =~ /^hakmem [\d.]+, profile (\S+)/m;
    diag($result->{err}) unless defined $profile;
    return $profile;
}

my @perl = ('-e', '1');
my %for = map { $_ => "[app:$_]\nprofile = low-memory\n" }
    ('hm-program', 'hm-link', 'hm-script', 'hm-*', $program, "$scratch/*-program", 'other');

is(profile_of($for{'hm-program'}, $program, @perl), 'low-memory', 'by its name');
is(profile_of($for{'hm-*'}, $program, @perl), 'low-memory', 'by a pattern of its name');
is(profile_of($for{$program}, $program, @perl), 'low-memory', 'by its path');
is(profile_of($for{"$scratch/*-program"}, $program, @perl), 'low-memory',
    'by a pattern of its path');
is(profile_of($for{other}, $program, @perl), 'default', 'not by another');
is(profile_of($for{'hm-link'}, $link, @perl), 'low-memory', 'by the link to it');
is(profile_of($for{'hm-program'}, $link, @perl), 'low-memory', 'and what it leads to');
is(profile_of($for{'hm-link'}, $program, @perl), 'default', 'no link, no name');
is(profile_of($for{'hm-script'}, $script), 'low-memory', 'a script by its name');
is(profile_of($for{'hm-program'}, $script), 'low-memory', 'and by its interpreter');

my $lie = 'exec { $ARGV[0] } "other", "-e", "1"';
is(profile_of($for{other}, $^X, '-e', $lie, $program), 'default', 'argv[0] has no say');

SKIP: {
    my ($strace) = grep { -x } map { "$_/strace" } split /:/, $ENV{PATH};
    skip 'needs strace', 2 unless defined $strace;
    my $traced = run({ plain => 1 }, $strace, '-E', "LD_PRELOAD=$library", '-E',
        'HAKMEM_CONF', '-e', 'trace=file', '-o', "$scratch/trace", $program, @perl);
    skip 'needs to be allowed to trace', 2 if $traced->{status} != 0;
    my @calls = grep { /hakmem\.conf|hakmem\/apps\.d/ } split /\n/, slurp("$scratch/trace");
    skip 'this machine has a configuration', 2 if grep { !/ENOENT/ } @calls;
    is(scalar(grep { /^open/ } @calls), 2, 'two opens where there is no file');
    is(scalar(@calls), 3, 'and one look for a file of the vendor');
}

done_testing();
