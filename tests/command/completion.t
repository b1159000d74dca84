# SPDX-License-Identifier: MIT
# Completion offers the commands, options and profiles that there are.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Command;
use Test::More;

needs('bash');

my $completion = "$top/command/completions/hakmem";
$ENV{PATH} = "$build/command:$ENV{PATH}";

# What is offered for the last of the words, with the words as readline has them.
sub offered {
    my @words = @_;
    my $script = <<'END';
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_hakmem
printf '%s\n' "${COMPREPLY[@]}"
END
    open my $pipe, '-|', 'bash', '--norc', '-c', $script, 'bash', $completion, @words
        or die "bash: $!\n";
    my %words = map { chomp; s/ +$//r => 1 } <$pipe>;
    close $pipe;
    return \%words;
}

my @commands = map { /^  ([a-z]+) / ? $1 : () } split /\n/, hakmem('--help')->{out};
cmp_ok(scalar @commands, '>=', 8, 'there are commands');
my $first = offered('hakmem', '');
is_deeply([grep { !$first->{$_} } @commands], [], 'they are offered');
is_deeply([sort keys %{ offered('hakmem', 'pro') }], ['profiles'], '... by their beginning');

my $zsh = slurp("$top/command/completions/_hakmem");
for my $command (@commands) {
    my @options = hakmem($command, '--help')->{out} =~ /^ .*?(--[a-z-]+=?)/mg;
    my $offered = offered('hakmem', $command, '-');
    is_deeply([grep { !$offered->{$_} } @options], [], "$command: its options are offered");
    my ($part) = $zsh =~ /^        $command\)\n(.*?);;/ms;
    my ($lists) = join ' ', $zsh =~ /^    (?:profile|option)=\(.*$/mg;
    my $known = ($part // '') . ($part && $part =~ /\$profile/ ? $lists : '');
    is_deeply([grep { index($known, $_) < 0 } @options], [], '... also in zsh');
}

ok(offered('hakmem', 'show', '')->{'low-memory'}, 'show: profiles');
ok(offered('hakmem', 'run', '-p', '')->{throughput}, 'run -p: profiles');
ok(offered('hakmem', 'run', '--profile', '=', 'thr')->{throughput}, 'run --profile=: profiles');
ok(offered('hakmem', 'run', '--profile', '=')->{default}, '... also without a beginning');
is_deeply([keys %{ offered('hakmem', 'run', '-o', 'trim_i') }], ['trim_interval='], 'run -o: options');
ok(offered('hakmem', 'run', '-p', 'default', 'ba')->{bash}, 'run: programs');
is_deeply([keys %{ offered('hakmem', 'run', '--', 'cat', "$top/COPYIN") }], ["$top/COPYING"],
    'run PROGRAM: files');
ok(offered('hakmem', 'run', '-o', 'shards', '=', '2', 'ba')->{bash}, '... behind an option');

SKIP: {
    skip('zsh is not installed', 2) unless has_tool('zsh');
    is(system('zsh', '-n', "$top/command/completions/_hakmem"), 0, 'zsh reads its own');
    # In a terminal, as completion is possible nowhere else.
    my $script = <<'END';
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "PS1=; fpath=($1 \$fpath); autoload -Uz compinit; compinit -u -D"
zpty -w shell "zstyle ':completion:*' list-colors ''; LISTMAX=1000; bindkey '^I' complete-word"
zpty -w shell "echo rea''dy"
zpty -r shell out '*ready*'
zpty -w -n shell $'hakmem show low-m\t'
zpty -r -m shell out '*low-memory*' && print found
zpty -d shell
END
    my $found = '';
    my $pid = open my $pipe, '-|', 'zsh', '-f', '-c', $script, 'zsh',
        "$top/command/completions" or die "zsh: $!\n";
    local $SIG{ALRM} = sub { kill 'KILL', $pid };
    alarm 60;
    $found = join '', <$pipe>;
    close $pipe;
    alarm 0;
    like($found, qr/found/, 'zsh completes a profile');
}

done_testing();
