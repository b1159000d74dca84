# SPDX-License-Identifier: MIT
# hakmem run: the program gets the library, the profile and the options, and whoever runs
# something that cannot work is told.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Command;
use Test::More;

helped('run', 125);
my $top_help = hakmem('--help');
is($top_help->{status}, 0, '--help succeeds');
like($top_help->{out}, qr/^  run\s/m, '... and lists the commands');
like(hakmem('--version')->{out}, qr/^hakmem \(libhakmem\) \d+\.\d+\.\d+$/, '--version');
is(hakmem()->{status}, 2, 'no command is an error');
like(hakmem('rum')->{err}, qr/no command 'rum'/, 'and so is an unknown one');

# --- What is refused before anything runs ------------------------------------------------

my $result = hakmem('run', '-p', 'no-such', 'true');
is($result->{status}, 125, 'an unknown profile is refused');
like($result->{err}, qr/unknown profile "no-such", expected one of default, throughput/,
    '... and the known ones are listed');
$result = hakmem('run', '-o', 'shards=1,trim_interva=3s', 'true');
is($result->{status}, 125, 'an unknown option is refused');
like($result->{err}, qr/did you mean trim_interval\?.*\n.*\n\s+\| {10}\^~{11}\n/,
    '... with a caret below it');
is(hakmem('run', '-o', 'x' x 5000, 'true')->{status}, 125, 'so is one that is too long');
is(hakmem('run', '-p', '', 'true')->{status}, 125, 'and a profile without a name');
is(hakmem('run')->{status}, 125, 'a command is needed');
is(hakmem('run', '--library=/no/such.so', 'true')->{status}, 125, 'a library, too');

SKIP: {
    skip('libhakmem.so is not built here', 24) unless -r $library;

    # --- What the program gets ---------------------------------------------------------------

    my $show = 'echo "$HAKMEM_PROFILE|$HAKMEM_OPTIONS|$LD_PRELOAD"; '
        . 'grep -c libhakmem /proc/self/maps';
    my $shell = sub { hakmem('run', @_, '--', 'sh', '-c', $show) };
    like($shell->()->{out}, qr/\A\|\|\S*libhakmem\.so\.0\n[1-9]/, 'the library is loaded');
    like($shell->('-p', 'low-memory', '-o', 'shards=2', '-o', 'thp=never')->{out},
        qr/\Alow-memory\|shards=2,thp=never\|/, 'profile and options are set');
    is($shell->('-p', 'low-memory')->{err}, '', 'nothing is said about a shell');
    like(hakmem({HAKMEM_OPTIONS => 'shards=1', HAKMEM_PROFILE => 'throughput'},
        'run', '-o', 'shards=2', 'sh', '-c', $show)->{out}, qr/\Athroughput\|shards=1,shards=2\|/,
        'the environment stays, with the options behind');
    like(hakmem({LD_PRELOAD => 'libm.so.6'}, 'run', 'sh', '-c', $show)->{out},
        qr/\A\|\|\S*libhakmem\.so\.0:libm\.so\.6\n/, 'and so does another preload');
    my $statistics = hakmem('run', '-o', 'stats_at_exit=yes', $^X, '-e', '1');
    like($statistics->{err}, qr/superslab/i, 'options have their effect');

    my $conf = spew("$scratch/mine.conf", "[profile mine]\nthp = never\n");
    is(hakmem({HAKMEM_CONF => $conf}, 'run', '-p', 'mine', 'true')->{status}, 0,
        'a profile of hakmem.conf is known');

    # --- Not for the program's children -----------------------------------------------------

    my $alone = 'grep -c libhakmem /proc/$$/maps; grep -c libhakmem /proc/self/maps; '
        . 'echo "<$LD_PRELOAD>"';
    my $own = hakmem('run', '--no-inherit', 'sh', '-c', $alone);
    like($own->{out}, qr/\A[1-9]\d*\n0\n<>\n\z/, '--no-inherit: only the program has it')
        or diag($own->{err});
    like(hakmem({LD_PRELOAD => 'libm.so.6'}, 'run', '--no-inherit', 'sh', '-c', $alone)->{out},
        qr/\A[1-9]\d*\n0\n<libm\.so\.6>\n\z/, '... its children what was there before');

    # --- Exit codes --------------------------------------------------------------------------

    is(hakmem('run', 'sh', '-c', 'exit 7')->{status}, 7, 'the exit code is the program\'s');
    is(hakmem('run', 'no-such-program')->{status}, 127, '127: not found');
    is(hakmem('run', '/no/such/program')->{status}, 127, '... also by a path');
    is(hakmem('run', "$top/README.md")->{status}, 126, '126: cannot be run');
    is(hakmem('run', "$scratch")->{status}, 126, '... being a directory');

    # --- What cannot work --------------------------------------------------------------------

    my $main = "int main(void)\n{\n    return 0;\n}\n";
    my $warns = sub {
        my ($name, $program, $pattern) = @_;
    SKIP: {
            skip("$name: cannot be made here", 1) unless defined $program;
            like(hakmem('run', $program)->{err}, $pattern, "$name: a warning");
        }
    };
    my $static = compiled('static', $main, '-static');
    $warns->('static', $static, qr/static is statically linked/);
    SKIP: {
        skip('static: cannot be made here', 1) unless defined $static;
        is(hakmem('run', '-q', $static)->{err}, '', '--quiet: none');
    }
    $warns->('own malloc', compiled('own', <<'END', '-rdynamic', '-fno-builtin'),
#include <stddef.h>
static char memory[1 << 20];
static size_t used;
void *malloc(size_t n)
{
    void *p = memory + used;
    used += (n + 15) & ~(size_t)15;
    return p;
}
void free(void *p)
{
    (void)p;
}
int main(void)
{
    return 0;
}
END
        qr/own has a malloc of its own, which comes before/);
    $warns->('sanitizer', compiled('asan', $main, '-fsanitize=address'),
        qr/asan is built with AddressSanitizer/);
    $warns->('32 bits', compiled('small', $main, '-m32'), qr/another architecture/);
    my $foreign = spew("$scratch/foreign", "\177ELF\1\1\1" . "\0" x 100);
    chmod 0755, $foreign;
    $warns->('architecture', $foreign, qr/foreign is made for another architecture/);
    $warns->('C library', compiled('other', $main, '-Wl,--dynamic-linker=/lib/ld-musl.so.1'),
        qr/other is made for another C library .*ld-musl/);
    SKIP: {
        my $setuid = $> == 0 && compiled('setuid', $main);
        skip('setuid: needs root', 1) unless $setuid;
        chown 65534, 65534, $setuid;
        chmod 04755, $setuid;
        like(hakmem('run', $setuid)->{err}, qr/setuid is set-user-ID or set-group-ID/,
            'set-user-ID: a warning');
    }
    SKIP: {
        skip('script: cannot be made here', 2) unless defined $static;
        my $script = spew("$scratch/script", "#!$static -x\n");
        chmod 0755, $script;
        $warns->('script', $script, qr{/static is statically linked});
        local $ENV{PATH} = "$scratch:$ENV{PATH}";
        spew($script, "#!/usr/bin/env -S A=1 static\n");
        $warns->('script by env', $script, qr{/static is statically linked});
    }
}

done_testing();
