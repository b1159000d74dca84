# SPDX-License-Identifier: MIT
package Command;

# What the tests of the command share: how to run it, and what it said.

use strict;
use warnings;
use Exporter 'import';
use File::Temp;
use FindBin;
use IO::Handle;
use JSON::PP ();
use POSIX ();
use Test::More;

our @EXPORT = qw($top $build $library $scratch hakmem json_of needs has_tool needs_library
    needs_pages started preloaded slurp spew helped compiled);

our $top     = $ENV{HM_SRCDIR}   || "$FindBin::Bin/../..";
our $build   = $ENV{HM_BUILDDIR} || '.';
our $library = $ENV{HM_LIBRARY}  || "$build/.libs/libhakmem.so.0";
our $scratch = File::Temp->newdir('hakmem-command-XXXXXX', TMPDIR => 1);

my $command = "$build/command/hakmem";
plan(skip_all => "needs $command") unless -x $command;
$ENV{HAKMEM_CONF} = '/dev/null' unless defined $ENV{HAKMEM_CONF};
delete @ENV{qw(NO_COLOR HAKMEM_PROFILE HAKMEM_OPTIONS LD_PRELOAD)};

# A hang is a failure, and the only one that is found by the clock.
use constant HANG_SECONDS => 300;

# Runs `hakmem ARGUMENT...` and returns { status, out, err }; status is the exit code, or -1
# for a signal. First an optional hash: variables of the environment, undef to unset one.
sub hakmem {
    my $env = ref $_[0] ? shift : {};
    my @arguments = @_;
    my $pid = fork;
    die "fork: $!\n" unless defined $pid;
    if ($pid == 0) {
        open STDIN,  '<', '/dev/null'    or die "stdin: $!\n";
        open STDOUT, '>', "$scratch/out" or die "stdout: $!\n";
        open STDERR, '>', "$scratch/err" or die "stderr: $!\n";
        for (keys %$env) {
            if (defined $env->{$_}) { $ENV{$_} = $env->{$_} }
            else                    { delete $ENV{$_} }
        }
        alarm HANG_SECONDS;
        exec { $command } 'hakmem', @arguments or POSIX::_exit(99);
    }
    waitpid $pid, 0;
    return {
        status => $? & 127 ? -1 : $? >> 8,
        out    => slurp("$scratch/out"),
        err    => slurp("$scratch/err"),
    };
}

# The same for a command that writes JSON: what it wrote, decoded.
sub json_of {
    my $result = hakmem(@_);
    my $value  = eval { JSON::PP->new->utf8->decode($result->{out}) };
    ok(defined $value, "(@{[grep { !ref } @_]}) writes JSON")
        or diag($@, $result->{out}, $result->{err});
    return $value;
}

sub has_tool {
    my ($tool) = @_;
    return scalar grep { -x "$_/$tool" } split /:/, $ENV{PATH};
}

# Skips the whole script unless these programs are installed.
sub needs {
    has_tool($_) or plan(skip_all => "needs $_") for @_;
    return;
}

# Ends the script, passed, where processes cannot have statistics pages.
sub needs_pages {
    return if -r $library && -d '/dev/shm' && -w _;
    note('no more without libhakmem.so and /dev/shm');
    done_testing();
    exit;
}

# Starts a program to talk to: { pid, to, from }.
sub started {
    my @command = @_;
    pipe my $from, my $out or die "pipe: $!\n";
    pipe my $in,   my $to  or die "pipe: $!\n";
    my $pid = fork // die "fork: $!\n";
    if ($pid == 0) {
        open STDIN,  '<&', $in  or die "stdin: $!\n";
        open STDOUT, '>&', $out or die "stdout: $!\n";
        close $_ for $from, $to, $in, $out;
        alarm HANG_SECONDS;
        exec { $command[0] } @command or POSIX::_exit(99);
    }
    close $_ for $in, $out;
    $to->autoflush;
    return { pid => $pid, to => $to, from => $from };
}

# The same under the library with these options.
sub preloaded {
    my ($options, @command) = @_;
    local @ENV{qw(LD_PRELOAD HAKMEM_OPTIONS)} = ($library, $options);
    return started(@command);
}

sub needs_library {
    plan(skip_all => 'libhakmem.so is not built here') unless -r $library;
    return;
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

# A program of one C file, or undef when it cannot be made (a static libc is missing, say).
sub compiled {
    my ($name, $source, @flags) = @_;
    my $cc = $ENV{CC} || 'cc';
    spew("$scratch/$name.c", $source);
    system("$cc -o $scratch/$name $scratch/$name.c @flags >$scratch/cc.log 2>&1") == 0
        or return undef;
    return "$scratch/$name";
}

# Every subcommand explains itself and refuses what it does not know.
sub helped {
    my ($name, $usage_status) = @_;
    my $help = hakmem($name, '--help');
    is($help->{status}, 0, "$name --help succeeds");
    like($help->{out}, qr/\AUsage: hakmem $name/, '... and tells the usage');
    unlike($help->{out}, qr/^.{81}/m, '... in 80 columns');
    my $wrong = hakmem($name, '--no-such-option');
    is($wrong->{status}, $usage_status || 2, "$name refuses an unknown option");
    like($wrong->{err}, qr/Try 'hakmem $name --help'/, '... and says where to look');
    return;
}

1;
