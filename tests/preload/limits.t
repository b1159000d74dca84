# SPDX-License-Identifier: MIT
# ulimit -v: an allocator that sets address space aside must do without when there is
# none, under every profile.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../preload", $FindBin::Bin;
use Preload;
use Test::More;

sub limited {
    my ($kib, $name, $how, @command) = @_;
    my $exec = join ' ', map { my $word = $_; $word =~ s/'/'\\''/g; "'$word'" } @command;

    # The limit is set by a shell without the library, which the program then replaces.
    my %with    = %$how;
    my $preload = "LD_PRELOAD='$library'";
    $preload .= " HAKMEM_PROFILE='$with{profile}'" if $with{profile};
    return succeeds(
        "$with{profile}: $name",
        { plain => 1 },
        'sh', '-c', "ulimit -v $kib; exec env $preload $exec"
    );
}

my $grow = <<'PYTHON';
import threading
# Room to use: of 400 MB, 150 by one thread, then by blocks of another size.
data = [bytes(1000) for i in range(150000)]
del data
data = [bytes(100000) for i in range(1500)]
del data
def work():
    for i in range(200):
        x = [bytes(i * 10) for i in range(100)]
threads = [threading.Thread(target=work) for i in range(4)]
for t in threads: t.start()
for t in threads: t.join()
# Too much is a MemoryError, and the program goes on.
try:
    x = bytearray(600 << 20)
    raise SystemExit("600 MB under a limit of 400")
except MemoryError:
    pass
many = []
try:
    while True:
        many.append(bytes(300000))
except MemoryError:
    count = len(many)
    many = None
again = [bytes(5000) for i in range(20000)]
print("done" if count > 500 else count)
PYTHON

for my $profile (@profiles) {
    my $how = { profile => $profile };
    limited(65536, 'true under 64 MiB', $how, 'true');
    is(
        limited(65536, 'cat under 64 MiB', $how, 'cat', "$FindBin::Bin/limits.t")->{out},
        slurp("$FindBin::Bin/limits.t"),
        "$profile: cat does its work"
    );
    limited(65536, 'a shell under 64 MiB', $how, 'sh', '-c', 'x=$(echo y); test $x = y');
SKIP: {
        skip 'no python3', 2 if system('command -v python3 >/dev/null') != 0;
        local $ENV{PYTHONMALLOC} = 'malloc';
        is(
            limited(409600, 'python3 under 400 MiB', $how, 'python3', '-c', $grow)->{out},
            "done\n",
            "$profile: python3 uses what there is"
        );
    }
}

done_testing();
