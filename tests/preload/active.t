# SPDX-License-Identifier: MIT
# A preloaded libhakmem really is the program's malloc. Without this, every other test of
# real programs would pass on libc's: an allocator that does not interpose fails silently.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../preload", $FindBin::Bin;
use Preload;
use Test::More;

needs('python3', 'cat');

my ($name) = $library =~ m{([^/]+)$};
like(run('cat', '/proc/self/maps')->{out}, qr/\Q$name\E|libhakmem/, 'it is mapped');
unlike(run({ plain => 1 }, 'cat', '/proc/self/maps')->{out},
    qr/libhakmem/, 'and is not without the preload');

# Which object do the names resolve to, seen from inside the process?
my $where = <<'PYTHON';
import ctypes
class Info(ctypes.Structure):
    _fields_ = [("fname", ctypes.c_char_p), ("fbase", ctypes.c_void_p),
                ("sname", ctypes.c_char_p), ("saddr", ctypes.c_void_p)]
process = ctypes.CDLL(None)
for name in ("malloc free calloc realloc memalign aligned_alloc posix_memalign valloc "
             "pvalloc malloc_usable_size malloc_trim malloc_stats malloc_info mallinfo mallinfo2 "
             "mallopt").split():
    info = Info()
    assert process.dladdr(getattr(process, name), ctypes.byref(info))
    print(name, info.fname.decode())
PYTHON
my $result = run('python3', '-c', $where);
is($result->{status}, 0, 'the family is found');
# A program at a fixed address has functions whose address it takes in itself, as a jump to
# where they are bound. The dynamic linker says where that is.
{
    local @ENV{qw(LD_BIND_NOW LD_DEBUG LD_DEBUG_OUTPUT)} = (1, 'bindings', "$scratch/bound");
    run('python3', '-c', '');
}
my %bound;
my $its = qr/\Q$name\E|libhakmem/;
for my $text (map { slurp($_) } glob "$scratch/bound.*") {
    $bound{"$1 $2"} = 1
        while $text =~ /binding file (\S+) \[0\] to \S*(?:$its)\S* \[0\]: normal symbol `(\w+)'/g;
}
for my $line (split /\n/, $result->{out}) {
    my ($function, $object) = split / /, $line;
    ok($object =~ $its || $bound{"$object $function"}, "$function is its")
        or diag("in $object");
}

SKIP: {
    skip 'another allocator', 3 * @profiles unless $is_ours;
    for my $profile (@profiles) {
        my $ask = 'import ctypes; f = ctypes.CDLL(None).hakmem_profile; '
            . 'f.restype = ctypes.c_char_p; print(f().decode())';
        is(run({ profile => $profile }, 'python3', '-c', $ask)->{out},
            "$profile\n", "$profile: is in force");

        # Not cat: coreutils close standard error before the library's destructor runs.
        my $told =
            run({ profile => $profile, options => 'stats_at_exit=yes' }, $^X, '-e', '1');
        is($told->{status}, 0, "$profile: perl succeeds");
        like($told->{err}, qr/superslab/i, "$profile: statistics at exit");
    }
}

done_testing();
