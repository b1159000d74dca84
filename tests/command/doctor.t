# SPDX-License-Identifier: MIT
# hakmem doctor: every fact leads to the advice that fits it, and to no other.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Command;
use File::Basename 'dirname';
use File::Path 'make_path';
use Test::More;

helped('doctor');

# A machine as files. Its defaults are those of a machine that nothing is wrong with.
my %sound = (
    '/proc/meminfo' => "MemTotal:       16384 kB\nMemFree: 1 kB\nSwapTotal:       0 kB\n",
    '/proc/sys/vm/overcommit_memory' => "0\n",
    '/proc/sys/vm/max_map_count'     => "65530\n",
    '/proc/self/limits' => "Limit                     Soft Limit           Hard Limit  Units\n"
        . "Max data size             unlimited            unlimited            bytes\n"
        . "Max locked memory         8388608              8388608              bytes\n"
        . "Max address space         unlimited            unlimited            bytes\n",
    '/proc/self/cgroup' => "0::/a/b\n",
    '/sys/fs/cgroup/a/b/memory.max'  => "max\n",
    '/sys/kernel/mm/transparent_hugepage/enabled' => "always [madvise] never\n",
    '/sys/kernel/mm/transparent_hugepage/defrag'  => "always defer defer+madvise [madvise] never\n",
);
my $number = 0;

# What the doctor says about a machine that differs from that one: findings by name.
sub machine {
    my (%changes) = @_;
    my $root = "$scratch/machine" . $number++;
    my %files = (%sound, %changes);
    for my $path (grep { defined $files{$_} } keys %files) {
        make_path(dirname("$root$path"));
        spew("$root$path", $files{$path});
    }
    my %finding = map { $_->{name} => $_ } @{ json_of('doctor', '--json', "--root=$root") };
    return (\%finding, $root);
}

my ($found, $sound_root) = machine();
is_deeply([grep { $found->{$_}{state} ne 'good' } keys %$found], [], 'a sound machine');
is($found->{memory}{value}, '16M', 'sizes are read');
is(hakmem('doctor', "--root=$sound_root")->{status}, 0, '... nothing to do');
like(hakmem('doctor', "--root=$sound_root")->{out}, qr/^ok  memory +16M$/m, '... in words');

sub advised {
    my ($what, $path, $content, $name, $state, $advice) = @_;
    my ($machine, $root) = machine($path => $content);
    is($machine->{$name}{state}, $state, "$what: $state");
    like($machine->{$name}{advice} // '', $advice, '... with advice');
    is_deeply([grep { $machine->{$_}{state} ne 'good' && $_ ne $name } keys %$machine], [],
        '... and no other');
    is(hakmem('doctor', "--root=$root")->{status}, $state eq 'problem' ? 1 : 0, '... as exit code');
}

my $thp = '/sys/kernel/mm/transparent_hugepage';
advised('huge pages for all', "$thp/enabled", "[always] madvise never\n",
    'transparent huge pages', 'remark', qr/low-memory/);
advised('no huge pages', "$thp/enabled", "always madvise [never]\n",
    'transparent huge pages', 'remark', qr/no effect/);
advised('a kernel without huge pages', "$thp/enabled", undef,
    'transparent huge pages', 'remark', qr/no effect/);
advised('slow huge pages', "$thp/defrag", "[always] defer madvise never\n",
    'huge page defragmentation', 'remark', qr/page fault may wait/);
advised('strict overcommit', '/proc/sys/vm/overcommit_memory', "2\n",
    'vm.overcommit_memory', 'remark', qr/charged/);
advised('few mappings', '/proc/sys/vm/max_map_count', "1000\n",
    'vm.max_map_count', 'problem', qr/sysctl/);
advised('a small cgroup', '/sys/fs/cgroup/a/b/memory.max', "268435456\n",
    'cgroup memory.max', 'remark', qr/low-memory/);
advised('a small cgroup around it', '/sys/fs/cgroup/a/memory.max', "268435456\n",
    'cgroup memory.max', 'remark', qr/low-memory/);
advised('memory.high', '/sys/fs/cgroup/a/memory.high', "999999999\n",
    'cgroup memory.high', 'remark', qr/slows/);
advised('limited address space', '/proc/self/limits',
    $sound{'/proc/self/limits'} =~ s/(space +)unlimited/${1}1073741824/r,
    'limit of address space', 'remark', qr/cgroup instead of ulimit/);
advised('limited data', '/proc/self/limits',
    $sound{'/proc/self/limits'} =~ s/(data size +)unlimited/${1}1073741824/r,
    'limit of data size', 'remark', qr/malloc fails/);
advised('another allocator everywhere', '/etc/ld.so.preload', "/usr/lib/libjemalloc.so.2\n",
    '/etc/ld.so.preload', 'problem', qr/every process/);

($found) = machine('/sys/fs/cgroup/a/b/memory.max' => "1000000000\n",
    '/sys/fs/cgroup/a/b/memory.stat' => "anon 950000000\nfile 0\n");
is($found->{'cgroup memory.max'}{state}, 'problem', 'a cgroup that is nearly full');
($found) = machine('/sys/fs/cgroup/a/b/memory.max' => "1000000000\n",
    '/sys/fs/cgroup/a/b/memory.stat' => "anon 50000000\nfile 900000000\n");
is($found->{'cgroup memory.max'}{state}, 'good', '... not of cached files');
($found) = machine('/proc/self/cgroup' => undef, '/proc/self/limits' => undef,
    '/proc/meminfo' => "nonsense\n");
is($found->{memory}{value}, 'not known', 'what is not stated is not known');

# --- This machine, processes, programs ---------------------------------------------------

my %here = map { $_->{name} => $_ } @{ json_of('doctor', '--json') };
like($here{'page size'}{value}, qr/^\d+K$/, 'this machine has a page size');
is($here{configuration}{state}, 'good', '... and no mistakes in its configuration');
%here = map { $_->{name} => $_ } @{ json_of({HAKMEM_OPTIONS => 'x=1'}, 'doctor', '--json') };
is($here{configuration}{state}, 'problem', '... unless somebody makes one');
isnt(hakmem('doctor', $$)->{out}, '', 'a process');
is(hakmem('doctor', 999999999)->{status}, 2, '... that does not exist');
is(hakmem('doctor', 1, 2)->{status}, 2, 'two are one too many');

my ($program) = grep { $_->{name} eq 'program' } @{ json_of('doctor', '--json', $^X) };
is($program->{state}, 'good', 'a program');
is(hakmem('doctor', 'no-such-program')->{status}, 2, '... that does not exist');
my $static = compiled('static', "int main(void)\n{\n    return 0;\n}\n", '-static');
SKIP: {
    skip('a static program cannot be made here', 2) unless defined $static;
    ($program) = grep { $_->{name} eq 'program' } @{ json_of('doctor', '--json', $static) };
    is("$program->{state} $program->{value}", 'problem static', 'a static program');
    is(hakmem('doctor', $static)->{status}, 1, '... is something to do');
}

# Files that are no programs, damaged in every way, do no harm.
my $whole = slurp($^X);
my @harmed;
for my $damage (map { 8 * $_ } 2 .. 80) {
    my $bytes = $whole;
    substr($bytes, $damage, 8) = "\377" x 7 . "\177";
    spew("$scratch/damaged", $bytes);
    chmod 0755, "$scratch/damaged";
    push @harmed, $damage if hakmem('doctor', "$scratch/damaged")->{status} == -1;
    spew("$scratch/damaged", substr $whole, 0, $damage * 40);
    push @harmed, "-$damage" if hakmem('doctor', "$scratch/damaged")->{status} == -1;
}
is("@harmed", '', 'damaged programs are looked at without harm');

done_testing();
