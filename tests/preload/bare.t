# SPDX-License-Identifier: MIT
# Processes with less than the usual: no standard descriptors, no environment.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../preload", $FindBin::Bin;
use Preload;
use Test::More;

my @python = grep { -x } '/usr/bin/python3', '/usr/local/bin/python3';

for my $profile (@profiles) {
    my $how = { profile => $profile };
    succeeds("$profile: no descriptors 0 to 2",
        $how, 'sh', '-c', 'exec 0<&- 1>&- 2>&-; exec sh -c true');
    succeeds("$profile: no descriptors at all",
        $how, 'sh', '-c',
        'exec 0<&- 1>&- 2>&- 3<&- 4<&- 5<&- 6<&- 7<&- 8<&- 9<&-; exec "$0" -e 1', $^X);

   # With nothing open, the first file that the program opens must get number 0: a library
   # that keeps a descriptor would be in its place.
SKIP: {
        skip 'no python3', 1 unless @python;
        my $check = 'import os; fd = os.open("/dev/null", os.O_RDONLY); '
            . 'os._exit(0 if fd == 0 else 1)';
        my $result =
            run($how, 'sh', '-c', "exec 0<&- 1>&- 2>&-; exec $python[0] -c '$check'");

# Python itself reopens 0 to 2 in some versions: then the number is what it is without us.
        my $plain = run({ %$how, plain => 1 },
            'sh', '-c', "exec 0<&- 1>&- 2>&-; exec $python[0] -c '$check'");
        is($result->{status}, $plain->{status}, "$profile: no descriptor is kept");
    }
}

# The only variable is LD_PRELOAD.
for my $command (
    ['/bin/cat', '/dev/null'],
    ['/bin/sh',  '-c', 'echo x | cat'],
    [$^X,        '-e', '1']
    )
{
    succeeds("no environment: @$command", { clean => 1 }, @$command);
}

# Not even that: env -i inside a process that has us; its child must not.
my $result = run('env', '-i', '/bin/cat', '/proc/self/maps');
is($result->{status}, 0, 'env -i');
unlike($result->{out}, qr/\Q$library\E/, 'env -i: the child runs without');

# A thousand variables, and one that is no variable.
{
    local %ENV = (%ENV, map { ("VARIABLE_$_" => 'x' x 100) } 1 .. 1000);
    succeeds('a large environment', {}, 'sh', '-c', 'true');
}

SKIP: {
    skip 'another allocator', 4 unless $is_ours;
    my $bad = run({ profile => 'nosuch' }, 'cat', '/dev/null');
    is($bad->{status}, 0, 'an unknown profile does not stop a program');
    like($bad->{err}, qr/^hakmem: .*nosuch.*\n\z/, 'it gets one line');
    $bad = run({ options => 'nosuch=1,trim_interval=soon' }, 'cat', '/dev/null');
    is($bad->{status},                            0, 'nor do bad options');
    is(scalar(() = $bad->{err} =~ /^hakmem: /mg), 2, 'they get a line each');
}

done_testing();
