# SPDX-License-Identifier: MIT
# Git: the same commits and packs, threads in pack-objects, many short processes.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../preload", $FindBin::Bin;
use Preload;
use Test::More;

needs('git');

# Nothing of the person, the machine or the day is in a commit, so its name is known.
my %fixed = (
    GIT_AUTHOR_NAME     => 'A',
    GIT_AUTHOR_EMAIL    => 'a@example.org',
    GIT_COMMITTER_NAME  => 'C',
    GIT_COMMITTER_EMAIL => 'c@example.org',
    GIT_AUTHOR_DATE     => '2001-01-01T00:00:00Z',
    GIT_COMMITTER_DATE  => '2001-01-01T00:00:00Z',
    GIT_CONFIG_NOSYSTEM => 1,
    GIT_CONFIG_GLOBAL   => '/dev/null',
    HOME                => "$scratch",
);
@ENV{ keys %fixed } = values %fixed;

sub history {
    my ($how, $name) = @_;
    my $dir = "$scratch/$name";
    mkdir $dir or die "$dir: $!\n";
    my @said;
    my $git = sub {
        my $result = run({ %$how, dir => $dir }, 'git', @_);
        push @said, "git @_: $result->{status}\n$result->{err}" if $result->{status} != 0;
        return $result->{out};
    };
    $git->('init', '-q', '-b', 'main');
    for my $n (1 .. 5) {
        spew("$dir/file$_", join '', map { "line $_ of $n\n" } 1 .. 200 * $_) for 1 .. 20;
        $git->('add', '-A');
        $git->('commit', '-q', '-m', "commit $n");
    }
    $git->('repack', '-q', '-a', '-d', '--threads=4');
    $git->('fsck', '--full', '--strict');
    my $log = $git->('log', '--stat', '--format=%H %an %s');
    $log .=
          $git->('blame', '-s', 'file3')
        . $git->('grep', '-c', 'line 1')
        . $git->('diff', 'HEAD~3');
    return ($log, join '', @said);
}

my ($expected) = history({ plain => 1 }, 'plain');
like($expected, qr/commit 5/, 'it works without the library');
for my $profile (@profiles) {
    my ($log, $said) = history({ profile => $profile }, $profile);
    is($said, '',        "$profile: every command succeeds");
    is($log,  $expected, "$profile: same history");
}

done_testing();
