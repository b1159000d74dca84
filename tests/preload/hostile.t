# SPDX-License-Identifier: MIT
# Where a process may find itself: a configuration that is no file, no /proc, a privileged
# program, a program with a malloc of its own, one built with AddressSanitizer.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../preload", $FindBin::Bin;
use Preload;
use File::Copy ();
use Test::More;

needs('cat', 'sh');
my $cc = $ENV{CC} || 'cc';

# The program runs; the library says one line, about the configuration.
sub runs_with_conf {
    my ($name, $conf) = @_;
    my $result =
        run('sh', '-c', "HAKMEM_CONF='$conf' exec cat /dev/null");
    is($result->{status}, 0, "$name: the program runs");
    my @lines = split /\n/, $result->{err};
    ok(@lines == 1 && !grep({ !/^hakmem: / } @lines), "$name: one line")
        or diag($result->{err});
    return;
}

mkdir "$scratch/directory";
runs_with_conf('a directory', "$scratch/directory");
system 'mkfifo', "$scratch/fifo";
runs_with_conf('a FIFO', "$scratch/fifo");
spew("$scratch/huge", "# x\n" x 5_000_000);
runs_with_conf('20 MB', "$scratch/huge");
spew("$scratch/binary", join '', map { chr($_ * 37 % 256) } 1 .. 20_000);
runs_with_conf('binary', "$scratch/binary");
symlink "$scratch/loop", "$scratch/loop";
runs_with_conf('a symbolic link to itself', "$scratch/loop");
runs_with_conf('a device without end',      '/dev/zero');
runs_with_conf('no such file',              "$scratch/none");

# No /proc: the facts of the start come from the stack.
SKIP: {
    my $private = 'unshare -m sh -c "umount -l /proc && exec ';
    skip 'cannot unshare mounts', 2
        if system("$private true\" 2>/dev/null") != 0;
    my $result = run({ plain => 1 },
        'sh', '-c', "$private env LD_PRELOAD='$library' HAKMEM_PROFILE=throughput cat /dev/null\"");
    is($result->{status}, 0,  'without /proc: runs');
    is($result->{err},    '', 'without /proc: in silence');
}

# A program that gained privileges: what is linked in reads nothing of the environment.
SKIP: {
    skip 'needs root, to make a set-user-ID program', 2 if $> != 0 || !-x '/usr/bin/setpriv';
    spew("$scratch/profile.c", <<'C');
#include <hakmem/hakmem.h>
#include <stdio.h>
int main(void)
{
    puts(hakmem_profile());
    return 0;
}
C
    my $dir     = $library =~ s{/[^/]+$}{}r;
    my $program = "$scratch/profile";
    skip 'no compiler', 2
        if system("$cc -I'$top/include' -o '$program' '$scratch/profile.c' '$library' "
            . "-Wl,-rpath,'$dir' 2>/dev/null") != 0;
    chmod 0755, "$scratch";
    my $as_nobody = "setpriv --reuid 65534 --clear-groups '$program'";
    my $profile   = "HAKMEM_PROFILE=throughput $as_nobody";
    my $plain     = run({ plain => 1 }, 'sh', '-c', $profile);
    skip 'another user cannot run it here', 2 if $plain->{out} ne "throughput\n";
    chmod 04755, $program;
    my $result = run({ plain => 1 }, 'sh', '-c', $profile);
    skip 'set-user-ID has no effect on this file system', 2
        if $result->{out} eq "throughput\n" && `findmnt -no OPTIONS -T '$program'` =~ /nosuid/;
    is($result->{out}, "default\n", 'a set-user-ID program ignores HAKMEM_PROFILE');
    is($result->{err}, '',          'in silence');
}

# A malloc in the program goes before ours, and what the two make is never mixed.
SKIP: {
    spew("$scratch/own.c", <<'C');
#include <stdio.h>
#include <string.h>
static char heap[1 << 22];
static size_t used;
void *malloc(size_t n)
{
    char *p = heap + used;
    used += (n + 31) & ~(size_t)15;
    *(size_t *)p = n;
    return used < sizeof heap ? p + 16 : 0;
}
void free(void *p) { (void)p; }
void *calloc(size_t n, size_t m) { void *p = malloc(n * m); return p ? memset(p, 0, n * m) : 0; }
void *realloc(void *p, size_t n)
{
    void *q = malloc(n);
    if (p && q)
        memcpy(q, p, n < ((size_t *)p)[-2] ? n : ((size_t *)p)[-2]);
    return q;
}
int main(void)
{
    char *s = strdup("of its own");
    int mine = s >= heap && s < heap + sizeof heap;
    puts(mine ? s : "another's");
    free(s);
    return 0;
}
C
    skip 'no compiler', 1
        if system("$cc -fno-builtin -o '$scratch/own' '$scratch/own.c' 2>/dev/null") != 0;
    my $result = succeeds('a program with a malloc of its own', {}, "$scratch/own");
    is($result->{out}, "of its own\n", 'it keeps it');
}

# The helper thread is not started out of libc. Where that is cannot be told by a function
# that the program has one of its own instead of.
SKIP: {
    spew("$scratch/abort.c", <<'C');
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
void abort(void)
{
    _exit(7);
}
static int threads(void) /* without a call of malloc out of libc */
{
    struct stat s;
    return stat("/proc/self/task", &s) == 0 ? (int)s.st_nlink - 2 : 2;
}
int main(void)
{
    static char *volatile blocks[5000];
    while (threads() < 2) {
        for (int i = 0; i < 5000; i++)
            blocks[i] = malloc(500);
        for (int i = 0; i < 5000; i++)
            free(blocks[i]);
        usleep(1000);
    }
    return 0;
}
C
    skip 'no compiler', 1
        if system("$cc -fno-builtin -rdynamic -o '$scratch/abort' '$scratch/abort.c' "
            . '2>/dev/null') != 0;
    succeeds('a program with an abort of its own: the helper thread starts',
        { options => 'trim_thread=yes,trim_interval=20ms' }, "$scratch/abort");
}

# AddressSanitizer's runtime wants to be first, and says so; after it, it is used instead.
SKIP: {
    spew("$scratch/asan.c", <<'C');
#include <stdio.h>
#include <stdlib.h>
int main(int argc, char **argv)
{
    char *p = malloc(100);
    p[99] = (char)argc;
    printf("%d\n", p[99]);
    free(p);
    (void)argv;
    return 0;
}
C
    skip 'no AddressSanitizer', 2
        if system("$cc -fsanitize=address -o '$scratch/asan' '$scratch/asan.c' "
            . "2>/dev/null && '$scratch/asan' >/dev/null 2>&1") != 0;
    my $result = run("$scratch/asan");
    unlike($result->{err}, qr/^hakmem:/m, 'with AddressSanitizer: nothing is misused');
    ok($result->{out} eq "1\n" || $result->{err} =~ /runtime does not come first/,
        'it runs, or says why it does not');
}

done_testing();
