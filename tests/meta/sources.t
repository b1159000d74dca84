# SPDX-License-Identifier: MIT
# Rules that hold for every source file. CONTRIBUTING.md gives them.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Repo;
use Test::More;

my @library = grep { !m{/optdoc\.c$} } files('src/*.[ch]', 'src/*.def');
my @c = (files('include/hakmem/*.h', 'src/*.[ch]', 'src/*.def', 'command/*.[ch]', 'tests/*.[ch]',
    'tests/*/*.[ch]', 'tests/*/*.cc', 'bench/*.[ch]', 'examples/*/*.c', 'examples/*/*.cc', 'examples/*/*.hh'));
# Made from profiles/, here in a build inside the source tree.
@c = grep { !m{/profiles_(?:builtin|whole)\.c$} } @c;
my @all = (@c, files('*.ac', '*.am', '*.in', '*/*.mk', 'm4/hm_*.m4', '*.sh', '*/*.sh',
    'src/*.map', 'tests/*/*.t', 'tests/*/*.pm', 'tests/*/*.pml', 'profiles/*.conf', 'man/*',
    'etc/*.in', 'command/completions/*', 'bench/run', 'bench/*/*.py', 'bench/programs/*',
    'examples/cmake/*.txt', 'examples/meson/*.build', 'examples/rust/*.*', 'examples/rust/*/*.rs',
    'tools/*', '.ci/*', 'debian/rules', 'debian/tests/*'));
# Made by autoheader, by automake, and from hakmem.conf.5.in.
@all = grep { !m{^build-aux/|^config\.h\.in$|^Makefile\.in$|^man/hakmem\.conf\.5$} } @all;

# No line of `files` matches `pattern`.
sub none {
    my ($name, $pattern, @files) = @_;
    my @found;
    for my $file (@files) {
        my $number = 0;
        for (lines($file)) {
            $number++;
            push @found, "$file:$number: $_" if /$pattern/;
        }
    }
    ok(!@found, $name) or diag(join "\n", @found);
}

is_deeply([grep { slurp($_) !~ /\A(?:.*\n){0,3}?.*SPDX-License-Identifier: MIT/ } @all], [],
    'every file states its license in its first lines');
is_deeply([grep { lines($_) > 600 } grep { /^(?:src|command)/ } @c], [], 'no file has more than 600 lines');
none('no line is wider than 90 columns', qr/^.{91}/,
    grep { m{^(?:src|include|command|examples)/} } @c, grep { m{^examples/} } @all);
none('nothing is left to do', qr/\b(?:TO(?:)DO|FIX(?:)ME|X(?:)XX|HA(?:)CK)\b/, @all);
none('no trailing blanks', qr/[ \t]$/, @all);
none('no file includes a .c', qr/^\s*#\s*include\s+["<].*\.c[">]/, @c);
# malloc_info writes to a FILE that it is given: nothing else may know of stdio.
none('the library does not use stdio', qr/^\s*#\s*include\s+<(?:stdio|wchar)\.h>/,
    grep { !m{/report\.h$} } @library);
none('nothing depends on the time or place of the build',
    qr/__(?:DATE|TIME|TIMESTAMP)__|-march=na(?:)tive/, @all);
none('only os maps memory',
    qr/\b(?:SYS_|__NR_)(?:mmap2?|munmap|mremap|mprotect|madvise|brk)\b
        |\b(?:mmap|munmap|mremap|mprotect|madvise|s?brk)\s*\(/x,
    grep { !m{^src/os\w*\.[ch]$} } @library);

done_testing();
