# SPDX-License-Identifier: MIT
package Preload;

# What the tests of real programs share: where things are, and how to run a program with
# the library preloaded. HAKMEM_SO names another library than the built one, so that a
# test can itself be tested on another allocator.

use strict;
use warnings;
use Exporter 'import';
use File::Temp;
use FindBin;
use Test::More;

our @EXPORT = qw($top $build $library $is_ours $scratch @profiles
    run succeeds same_output needs built scaled slurp spew);

our $top   = $ENV{HM_SRCDIR}   || "$FindBin::Bin/../..";
our $build = $ENV{HM_BUILDDIR} || $ENV{abs_top_builddir} || '.';
our $library =
    delete $ENV{HAKMEM_SO} || $ENV{HM_LIBRARY} || "$build/.libs/libhakmem.so.0";

# Another allocator has neither profiles nor statistics; those assertions are left out
# then.
our $is_ours  = $library =~ /libhakmem/;
our @profiles = qw(default low-memory throughput high-contention hardened);
our $scratch  = File::Temp->newdir('hakmem-test-XXXXXX', TMPDIR => 1);

# A hang is a failure, and the only one that is found by the clock.
use constant HANG_SECONDS => 300;

plan(skip_all => "needs $library") unless -r $library;

# Skips the whole script unless these programs are installed.
sub needs {
    for my $program (@_) {
        next if grep { -x "$_/$program" } split /:/, $ENV{PATH};
        plan(skip_all => "needs $program");
    }
    return;
}

# A program that the build made, e.g. built('tests/profiles/probe').
sub built {
    my ($name) = @_;
    my ($dir, $base) = $name =~ m{^(.*)/([^/]+)$};
    for my $path ("$build/$name", "$build/$dir/.libs/$base") {
        return $path if -e $path;
    }
    plan(skip_all => "needs $build/$name");
    return;
}

# An amount of work, as support.h's.
sub scaled {
    my ($amount) = @_;
    my $result = int($amount * ($ENV{HM_TEST_SCALE} || 1));
    return $result < 1 ? 1 : $result;
}

sub slurp {
    my ($path) = @_;
    open my $in, '<:raw', $path or die "$path: $!\n";
    local $/;
    my $text = <$in>;
    return defined $text ? $text : '';
}

sub spew {
    my ($path, $text) = @_;
    open my $out, '>:raw', $path or die "$path: $!\n";
    print {$out} $text;
    close $out or die "$path: $!\n";
    return $path;
}

sub child {
    my ($how, @command) = @_;
    open STDIN,  '<', $how->{stdin} || '/dev/null' or die "stdin: $!\n";
    open STDOUT, '>', "$scratch/out"               or die "stdout: $!\n";
    open STDERR, '>', "$scratch/err"               or die "stderr: $!\n";
    chdir $how->{dir} or die "$how->{dir}: $!\n" if $how->{dir};
    %ENV = () if $how->{clean};
    $ENV{HAKMEM_CONF} = $how->{conf} || '/dev/null' unless $how->{clean};
    delete @ENV{qw(HAKMEM_PROFILE HAKMEM_OPTIONS LD_PRELOAD)};
    $ENV{HAKMEM_PROFILE} = $how->{profile} if $how->{profile};
    $ENV{HAKMEM_OPTIONS} = $how->{options} if $how->{options};

  # Last, so that it concerns the program alone. An absolute path: no PATH is needed then.
    $ENV{LD_PRELOAD} = join ' ', @{ $how->{preload} || [$library] } unless $how->{plain};
    alarm HANG_SECONDS;
    { no warnings; exec { $command[0] } @command }
    print STDERR "$command[0]: $!\n";
    POSIX::_exit(127);
}

# Runs a command and returns { status, out, err }. First an optional hash: profile,
# options, conf (a file), preload (list; default: the library), plain => 1 (no preload), dir, stdin,
# clean => 1 (an empty environment but for the preload).
sub run {
    my $how     = ref $_[0] ? shift : {};
    my @command = @_;
    if ($command[0] !~ m{/}) {
        my ($dir) = grep { -x "$_/$command[0]" } split /:/, $ENV{PATH};
        $command[0] = "$dir/$command[0]" if defined $dir;
    }
    my $pid = fork;
    die "fork: $!\n" unless defined $pid;
    child($how, @command) if $pid == 0;
    waitpid $pid, 0;
    return {
        status => $?,
        out    => slurp("$scratch/out"),
        err    => slurp("$scratch/err"),
    };
}

# The command's last words, when a test of it has failed.
sub explain_failure {
    my ($result) = @_;
    diag("status $result->{status}");
    diag(substr $result->{err}, -2000) if length $result->{err};
    return;
}

# Runs with the library and passes when it exits with 0 and nothing was said by hakmem.
sub succeeds {
    my ($name, $how, @command) = @_;
    my $result = run($how, @command);
    my $quiet  = $result->{err} !~ /^hakmem:/m;
    ok($result->{status} == 0 && $quiet, $name) or explain_failure($result);
    return $result;
}

# The same, and standard output must be what it is without the library.
sub same_output {
    my ($name, $how, @command) = @_;
    my $plain  = run({ %$how, plain => 1 }, @command);
    my $result = succeeds("$name: succeeds", $how, @command);
    is($result->{out}, $plain->{out}, "$name: same output");
    return $result;
}

use POSIX ();

1;
