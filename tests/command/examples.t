# SPDX-License-Identifier: MIT
# The examples in the manual pages, README.md and docs/*.md are true: commands succeed and
# print what is shown, but for figures, which vary; configurations have no mistakes; C
# compiles and runs; messages are those that the library writes. All of it happens in a
# directory of its own. An example of no known kind fails, so that none is left out.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Command;
use File::Basename 'basename';
use Test::More;

needs_library();
needs('bash', 'python3');
my $cc = $ENV{CC} || 'cc';

# --- Where they are run ------------------------------------------------------------------

# What the examples call program and so on.
my $bin = "$scratch/bin";
mkdir $bin or die "$bin: $!\n";
spew("$bin/hakmem", qq{#!/bin/sh\nexec "$build/command/hakmem" "\$@"\n});
spew("$bin/program", "#!/bin/sh\necho done\n");
# Nothing is installed here; install.t is about what pkg-config really says.
spew("$bin/pkg-config", qq{#!/bin/sh\ncase " \$*" in\n*" --static"*) echo "-I$top/include }
    . qq{$build/.libs/libhakmem.a -pthread" ;;\n*) echo "-I$top/include -L$build/.libs }
    . qq{-lhakmem -Wl,-rpath,$build/.libs" ;;\nesac\n});
spew("$bin/cc", qq{#!/bin/sh\nexec $cc "\$@"\n}) unless $cc eq 'cc';
chmod 0755, glob "$bin/*";

# A directory with the files that the examples speak of, for each document.
sub place_for {
    my ($name) = @_;
    my $place = "$scratch/$name.d";
    mkdir $place or die "$place: $!\n";
    spew("$place/program.c", "#include <hakmem/hakmem.h>\n#include <stdio.h>\n"
        . "int main(void) { return puts(hakmem_profile()) < 0; }\n");
    spew("$place/service.py", "import sys\ndata = [bytes(n) for n in range(2000)]\n"
        . "print('ready', *sys.argv[1:])\n");
    spew("$place/mine.conf", "profile = low-memory\n\ntrim_intervall = 1m\n");
    return $place;
}

# --- Reading the documents ---------------------------------------------------------------

# The blocks of a page in mdoc(7), as they are shown.
sub blocks_of_page {
    my ($path) = @_;
    my @blocks = slurp($path) =~ /^\.Bd -literal.*\n((?:.*\n)*?)\.Ed$/mg;
    for (@blocks) {
        s/\\e/\\/g;
        s/\\\(dq/"/g;
        s/\\-/-/g;
        s/\\&//g;
    }
    return @blocks;
}

# The indented blocks of a document in Markdown.
sub blocks_of_markdown {
    my ($path) = @_;
    my (@blocks, $open);
    for my $line (split /\n/, slurp($path)) {
        if ($line =~ s/^    //) {
            push @blocks, '' unless $open;
            $blocks[-1] .= "$line\n";
            $open = 1;
        } elsif ($line =~ /\S/) {
            $open = 0;
        } elsif ($open) {
            $blocks[-1] .= "\n";
        }
    }
    s/\n+\z/\n/ for @blocks;
    return @blocks;
}

# A line that ends in a backslash goes on in the next.
sub joined {
    my ($text) = @_;
    $text =~ s/\\\n\s*//g;
    return $text;
}

# --- Sessions ----------------------------------------------------------------------------

# [command, expected output] for each command of a block with prompts.
sub commands_of {
    my ($block) = @_;
    my @commands;
    my $here;    # the word that ends the text of a command
    for my $line (split /\n/, joined($block)) {
        if (defined $here) {
            $commands[-1][0] .= "\n$line";
            undef $here if $line eq $here;
        } elsif ($line =~ s/^\$ //) {
            push @commands, [$line, []];
            ($here) = $line =~ /<<'(\w+)'/;
        } else {
            push @{ $commands[-1][1] }, $line;
        }
    }
    return @commands;
}

# A number, maybe with a unit.
my $figure = qr/\d+(?:[.,]\d+)*(?: (?:(?:[KMGT]i)?B|m?s)\b|[KMGT]\b)?/;

# A line of output as a pattern: any figure in the place of a figure, any number of blanks
# in that of blanks, "..." stands for anything.
sub pattern_of {
    my ($line) = @_;
    my $pattern = '';
    for ($line =~ /\.\.\.|0x[0-9a-f]+|$figure|\s+|./g) {
        $pattern .=
              $_ eq '...'  ? '.*'
            : /^0x/        ? '0x[0-9a-f]+'
            : /^\d/        ? "$figure"
            : /^\s/        ? '\s+'
            :                quotemeta;
    }
    return qr/^\s*$pattern\s*$/;
}

# The line that differs, or undef. A line "..." stands for any number of lines.
sub difference {
    my ($expected, $output) = @_;
    my @output = split /\n/, $output;
    my $skipping = 0;
    for my $line (@$expected) {
        if ($line eq '...') {
            $skipping = 1;
            next;
        }
        my $pattern = pattern_of($line);
        shift @output while $skipping && @output && $output[0] !~ $pattern;
        return "expected: $line\n     got: " . ($output[0] // 'nothing')
            if !@output || $output[0] !~ $pattern;
        shift @output;
        $skipping = 0;
    }
    return @output && !$skipping ? "not expected: $output[0]" : undef;
}

# What a command needs and is not here; or undef.
sub lack_of {
    my ($command) = @_;
    return 'needs gnuplot' if $command =~ / --svg=/ && !has_tool('gnuplot');
    return 'needs libhakmem.a' if $command =~ / -static / && !-e "$build/.libs/libhakmem.a";
    return undef;
}

# The same for docs/WALKTHROUGH.md as a whole.
sub lack_of_walk {
    return 'HM_TEST_SCALE of 1' if ($ENV{HM_TEST_SCALE} // 1) < 1;    # it takes a while
    return ((grep { !has_tool($_) } qw(redis-server redis-cli redis-benchmark gcc awk)),
        (grep { !-e } qw(/usr/bin/python3 /dev/shm)));
}

# Runs the commands of a document one after the other in one shell.
sub run_session {
    my ($name, @commands) = @_;
    my $place = place_for($name);
    my $script = "trap 'kill \$(jobs -p) 2>/dev/null' EXIT\n";
    for my $i (0 .. $#commands) {
        $commands[$i][0] =~ s/\bab -n \d+/ab -n 2/;    # it prints the same
        $script .= "{ $commands[$i][0]\n} >$scratch/out.$i 2>&1 </dev/null\n"
            . "echo \$? >$scratch/status.$i\n";
    }
    spew("$scratch/session.sh", $script);
    my $pid = fork // die "fork: $!\n";
    if ($pid == 0) {
        open STDIN,  '<', '/dev/null'        or die "stdin: $!\n";
        open STDOUT, '>', "$scratch/session" or die "stdout: $!\n";
        open STDERR, '>&', \*STDOUT          or die "stderr: $!\n";
        chdir $place or die "$place: $!\n";
        $ENV{PATH} = "$bin:$ENV{PATH}";
        $ENV{LD_LIBRARY_PATH} = "$build/.libs";
        alarm 300;
        exec 'bash', "$scratch/session.sh" or die "bash: $!\n";
    }
    waitpid $pid, 0;
    for my $i (0 .. $#commands) {
        my ($command, $expected) = @{ $commands[$i] };
        my $lack = lack_of($command);
        SKIP: { skip $lack, 1 if $lack }
        next if $lack;
        my ($out, $status) = map { -e ? slurp($_) : '' } "$scratch/out.$i", "$scratch/status.$i";
        unlink "$scratch/out.$i", "$scratch/status.$i";
        chomp $status;
        # 1: there were mistakes, or differences.
        ok(length $status && $status <= 1, "$name: $command") or diag("status $status\n$out");
        next unless @$expected;
        is(difference($expected, $out), undef, '... prints what is shown') or diag($out);
    }
    return;
}

# --- Configurations, C, messages ---------------------------------------------------------

sub check_configuration {
    my ($name, $block) = @_;
    my $result = hakmem('check', spew("$scratch/example.conf", $block));
    is("$result->{status} $result->{out}", "0 $scratch/example.conf: no mistakes\n",
        "$name: a configuration has no mistakes") or diag($block);
    return;
}

# Statements, or functions without arguments, one of which is called.
sub check_c {
    my ($name, $block) = @_;
    my ($function) = $block =~ /^void (\w+)\(void\)/m;
    my $source = defined $function ? "$block\nint main(void)\n{\n    $function();\n}\n"
        : "#include <hakmem/hakmem.h>\n#include <stdio.h>\nint main(void)\n{\n$block}\n";
    my $program = compiled('example', $source, '-Wall', '-Werror', "-I$top/include",
        "-L$build/.libs", '-lhakmem', "-Wl,-rpath,$build/.libs");
    ok(defined $program, "$name: C compiles") or diag($source, slurp("$scratch/cc.log"));
    SKIP: {
        skip 'it does not compile', 1 unless defined $program;
        is(system("$program >$scratch/c.log 2>&1"), 0, '... and runs')
            or diag(slurp("$scratch/c.log"));
    }
    return;
}

# Everything that the library says about mistakes of some kind or other.
sub messages {
    my $program = compiled('misuse', <<'END', '-w', '-O0', "-L$build/.libs", '-lhakmem',
#include <stdlib.h>
int main(int argc, char **argv)
{
    static const size_t sizes['z'] = {['f'] = 64, ['o'] = 24, ['u'] = 100};
    size_t size = sizes[argv[1][0]];
    char *block = malloc(size != 0 ? size : 48), local;
    switch (argv[1][0]) {
    case 'o': block[size] = 1; break;
    case 'u': /* until it leaves the quarantine */
        free(block);
        block[size - 1] = 1;
        for (;;)
            free(malloc(size));
    case 'a': free(block); break;
    case 'l': block += 16; break;
    case 'f': free(block); block += 32; break;
    case 's': block = &local; break;
    }
    free(block);
}
END
        "-Wl,-rpath,$build/.libs") // return '';
    my $said = hakmem({HAKMEM_OPTIONS => 'shards=x,trim_intervall=1s'}, 'run', 'true')->{err};
    for my $kind (qw(again live free stack overrun used)) {
        local $ENV{HAKMEM_PROFILE} = 'hardened' if $kind =~ /^[ou]/;
        my $pid = fork // die "fork: $!\n";
        if ($pid == 0) {
            open STDERR, '>', "$scratch/misuse.log" or die "stderr: $!\n";
            exec $program, $kind or die "$program: $!\n";
        }
        waitpid $pid, 0;
        $said .= slurp("$scratch/misuse.log");
    }
    return $said;
}
my $messages;

# A line as it is, but for figures; or as a form, with words in capitals for what varies.
sub check_messages {
    my ($name, @lines) = @_;
    $messages //= messages();
    for my $line (@lines) {
        my $pattern = pattern_of($line =~ s/\b[A-Z]{4,}\b|what is wrong|what was expected/.../gr);
        ok((grep { $_ =~ $pattern } split /\n/, $messages), "$name: it says $line")
            or diag($messages);
    }
    return;
}

# --- All of them -------------------------------------------------------------------------

# What is not run: pictures, and what builds the library, which is done by now.
sub is_no_example {
    my ($block) = @_;
    return $block =~ /^\s*[|+][-|]/m || $block =~ /^\.\/|^include\/|^make\b|^CURRENT/m;
}

my %docs = map { basename($_) => $_ } grep { -e }
    map { glob "$top/$_" } qw(man/*.[1357] man/*.in README.md docs/WALKTHROUGH.md);
for my $name (sort keys %docs) {
    next if $name eq 'hakmem.conf.5';
    my (@session, $count);
    my @blocks = $name =~ /\.md$/ ? blocks_of_markdown($docs{$name}) : blocks_of_page($docs{$name});
    for my $block (@blocks) {
        if ($block =~ /^\$ /) {
            push @session, commands_of($block);
        } elsif ($block =~ /^hakmem: /) {
            check_messages($name, split /\n/, $block);
        } elsif ($block =~ /^[\[?!]|^\w+ = |^# /m && $block !~ /^#include/) {
            check_configuration($name, $block);
        } elsif ($block =~ /;$/m) {
            check_c($name, $block);
        } elsif ($block =~ /\A(?:(?:[A-Z_]+=\S+ )*(?:hakmem|program|cc)\b.*\n)+\z/) {
            push @session, map { [$_, []] } split /\n/, joined($block);
        } elsif (!is_no_example($block)) {
            fail("$name: an example of a known kind") or diag($block);
        }
        $count++;
    }
    cmp_ok($count, '>', 0, "$name has examples");
    my @lack = $name eq 'WALKTHROUGH.md' ? lack_of_walk() : ();
    SKIP: {
        skip "$name needs @lack", 1 if @lack;
        run_session($name, @session);
    }
}

done_testing();
