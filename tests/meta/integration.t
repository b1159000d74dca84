# SPDX-License-Identifier: MIT
# The programs in examples/ build and run against an installed tree, each by the build system
# that it is an example of, and what docs/INTEGRATION.md shows is what is there.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Repo;
use File::Temp 'tempdir';
use Test::More;

needs_library();
needs_tool('pkg-config');

my $make = $ENV{MAKE} || 'make';
my $scratch = tempdir(CLEANUP => 1);
my $root = "$scratch/root";
my @cxx = split ' ', $ENV{CXX} || 'c++';

# Whether it runs; rustup has stand-ins for tools that are not there.
sub has {
    my @command = @_;
    return !system("@command --version >/dev/null 2>&1");
}

sub spew {
    my ($path, $text) = @_;
    open my $out, '>', $path or die "$path: $!\n";
    print $out $text;
    close $out or die "$path: $!\n";
    return $path;
}

# --- The installed tree ------------------------------------------------------------------

my %dir = map { split /=/, $_, 2 } output($make, '-s', '-C', $build, '-f', 'Makefile', '-f',
    spew("$scratch/probe.mk", "hm-dirs:\n" . join '', map { "\t\@echo '$_=\$($_)'\n" }
        qw(libdir pkgconfigdir)), 'hm-dirs');
output($make, '-s', '-C', $build, 'install', "DESTDIR=$root");

# Sources are copied, so that nothing is built, or locked by Cargo, beside them.
is(system('cp', '-R', "$top/examples", "$scratch/"), 0, 'there are examples');
is(system('chmod', '-R', 'u+w', "$scratch/examples"), 0, '... to work on');
my $examples = "$scratch/examples";

$ENV{PKG_CONFIG_PATH} = "$root$dir{pkgconfigdir}";
$ENV{PKG_CONFIG_SYSROOT_DIR} = $root;
delete $ENV{CMAKE_GENERATOR};
my ($flags) = output('pkg-config', '--cflags', '--libs', 'hakmem');
my ($libs) = output('pkg-config', '--libs', 'hakmem');

# --- The examples ------------------------------------------------------------------------

# Commands one after the other; the rest is left out as soon as one fails.
sub builds {
    my ($name, @commands) = @_;
    my $log = "$scratch/log";
    for my $command (@commands) {
        my $ok = !system("{ $command; } >$log 2>&1");
        ok($ok, "$name: " . ($command =~ s/\Q$scratch\E\///gr)) or diag(slurp($log));
        return 0 unless $ok;
    }
    return 1;
}

# What the program prints, line by line, under a profile of the environment's choice: that
# it says so shows that it runs with the library, and the sizes that it allocates from it.
sub runs {
    my ($name, $program, @patterns) = @_;
    local $ENV{LD_LIBRARY_PATH} = "$root$dir{libdir}";
    local $ENV{HAKMEM_PROFILE} = 'low-memory';
    my $out = `$program 2>&1`;
    is($?, 0, "$name runs");
    my @lines = split /\n/, $out;
    my @differ = grep { ($lines[$_] // '') !~ /^(?:$patterns[$_])$/ } 0 .. $#patterns;
    ok(!@differ && @lines == @patterns, '... and prints what it should') or diag($out);
    return;
}

my $profile = 'profile low-memory';

SKIP: {
    skip 'cmake is not installed', 1 unless has('cmake');
    my $dir = "$examples/cmake";
    # A big block begins behind a page that is never mapped in, or ends with part of one.
    builds('CMake', "cmake -S $dir -B $dir/build", "cmake --build $dir/build")
        and runs('CMake', "$dir/build/example", $profile, '10485760 bytes cost 104[89]\d{4}');
}

SKIP: {
    skip 'meson or ninja is not installed', 1 unless has('meson') && has('ninja');
    my $dir = "$examples/meson";
    builds('Meson', "meson setup --werror $dir/build $dir", "ninja -C $dir/build")
        and runs('Meson', "$dir/build/example", $profile, ('\d+ bytes, all usable: yes') x 4);
}

SKIP: {
    skip 'no compiler for C++', 1 unless has(@cxx);
    my $dir = "$examples/cxx";
    builds('C++', "@cxx -std=c++17 -Wall -Wextra -Werror -o $dir/example $dir/main.cc $flags")
        and runs('C++', "$dir/example", $profile, 'names \d{5,} bytes', 'lines 6[4-9]\d{3} bytes',
            'left 0 bytes');
}

my @rust = ($profile, '1000 bytes, usable (\d+) of \g{-1}',
    '1003 lines, aligned true, intact true', '1048576 bytes of zero true');
SKIP: {
    skip 'rustc is not installed', 1 unless has('rustc');
    my $dir = "$examples/rust";
    builds('Rust', "rustc --edition=2021 -D warnings -o $dir/example $dir/src/main.rs $libs")
        and runs('Rust', "$dir/example", @rust);
}
SKIP: {
    skip 'cargo is not installed', 1 unless has('rustc') && has('cargo');
    my $dir = "$examples/rust";
    local $ENV{CARGO_TARGET_DIR} = "$dir/target";
    builds('Cargo', "cargo build --offline --manifest-path $dir/Cargo.toml")
        and runs('Cargo', "$dir/target/debug/hakmem-example", @rust);
}

# --- What the document shows --------------------------------------------------------------

# Indented blocks by section, and the files of examples/ that the section names.
my (%blocks, %files, $section, $open);
for my $line (lines('docs/INTEGRATION.md')) {
    if ($line =~ /^## (.*)/) {
        ($section, $open) = ($1, 0);
    } elsif ($line =~ s/^    //) {
        push @{ $blocks{$section} }, '' unless $open;
        $blocks{$section}[-1] .= "$line\n";
        $open = 1;
    } elsif ($line =~ /\S/) {
        $open = 0;
        push @{ $files{$section} }, $line =~ m{`(examples/[^`]*\.\w+)`}g if defined $section;
    } elsif ($open) {
        $blocks{$section}[-1] .= "\n";
    }
}
for my $list (values %blocks) {
    s/\n+\z/\n/ for @$list;
}

# A block of a section about a build system or a language is part of a file that it names, or
# a command to be given in that directory of examples/.
sub unindented {
    return join "\n", map { s/^\s+//r } split /\n/, $_[0];
}

for my $name (grep { @{ $files{$_} } } sort keys %files) {
    my ($dir) = $files{$name}[0] =~ m{^(examples/[^/]+)/};
    for my $block (@{ delete $blocks{$name} }) {
        my ($first) = $block =~ /\A(.*)/;
        if ($first =~ /^(c\+\+|rustc) /) {
            SKIP: {
                skip "$1 is not installed", 1 unless has($1);
                builds($name, "cd $scratch/$dir && $first");
            }
            next;
        }
        ok((grep { index(unindented(slurp($_)), unindented($block)) >= 0 } @{ $files{$name} }),
            "$name: $first … is in an example");
    }
}

my $hakmem = "$build/command/hakmem";
my ($commands, $drop_in) = @{ delete $blocks{systemd} };
my ($arguments) = $commands =~ /^hakmem enable (.*)$/m;
is(system("$hakmem enable --root=$root $arguments >$scratch/log"), 0,
    "systemd: hakmem enable $arguments");
my $written = slurp("$root/etc/systemd/system/web.service.d/hakmem.conf");
is($written =~ s/^#.*\n//r, $drop_in, '... writes the drop-in that is shown');

# Variables that a snippet sets have no mistakes.
sub has_no_mistakes {
    my ($name, %variables) = @_;
    is($variables{LD_PRELOAD}, 'libhakmem.so.0', "$name: the library is preloaded");
    delete $variables{LD_PRELOAD};
    local @ENV{keys %variables} = values %variables;
    is(system("$hakmem check >$scratch/log 2>&1"), 0, '... with sound variables')
        or diag(slurp("$scratch/log"));
    return;
}

my ($dockerfile) = @{ delete $blocks{Dockerfile} };
has_no_mistakes('Dockerfile', map { /(\w+)=(\S+)/g } $dockerfile =~ /^ENV (.*)$/mg);
SKIP: {
    skip 'the tarball has no debian/control', 1 unless -e "$top/debian/control";
    my %packages = map { $_ => 1 } slurp('debian/control') =~ /^Package: (\S+)$/mg;
    my @unknown = grep { !$packages{$_} } $dockerfile =~ m{build/deb/([\w-]+)_\*\.deb}g;
    is("@unknown", '', '... and copies packages that there are');
}

my ($environment) = @{ delete $blocks{'environment.d'} };
my $generator = '/usr/lib/systemd/user-environment-generators/30-systemd-environment-d-generator';
SKIP: {
    skip 'systemd is not installed', 2 unless -x $generator;
    mkdir "$scratch/environment.d" or die "environment.d: $!\n";
    spew("$scratch/environment.d/zz-hakmem.conf", $environment);
    local $ENV{XDG_CONFIG_HOME} = $scratch;
    has_no_mistakes('environment.d',
        map { /^((?:LD_PRELOAD|HAKMEM)\w*)=(.*)$/ } output($generator));
}

is(join(', ', sort keys %blocks), '', 'nothing that is shown is left out');

done_testing();
