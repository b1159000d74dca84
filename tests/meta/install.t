# SPDX-License-Identifier: MIT
# `make install` puts the files of installed.golden in place, and pkg-config finds them.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Repo;
use File::Find;
use File::Temp 'tempdir';
use Test::More;

needs_library();
plan(skip_all => 'libhakmem.a is not built here') unless -e "$build/.libs/libhakmem.a";

my $make = $ENV{MAKE} || 'make';
my $root = tempdir(CLEANUP => 1);

# Where the directories of the golden list are, as the Makefile knows them; the longer paths
# first, because libdir is inside exec_prefix.
my @names = qw(bindir libdir pkglibdir includedir pkgconfigdir pkgdatadir docdir mandir
    datadir);
my @dirs;
{
    my $probe = "$root/probe.mk";
    open my $out, '>', $probe or die "$probe: $!\n";
    print $out "hm-dirs:\n", map { "\t\@echo '$_=\$($_)'\n" } @names;
    close $out;
    @dirs = map { [split /=/, $_, 2] }
        output($make, '-s', '-C', $build, '-f', 'Makefile', '-f', $probe, 'hm-dirs');
    unlink $probe;
}
@dirs = sort { length $b->[1] <=> length $a->[1] } @dirs;

output($make, '-s', '-C', $build, 'install', "DESTDIR=$root");
my @installed;
find({no_chdir => 1, wanted => sub {
    return if -d $_ && !-l $_;
    my $path = s/^\Q$root\E//r;
    for my $dir (@dirs) {
        last if $path =~ s/^\Q$dir->[1]\E\//\$($dir->[0])\//;
    }
    push @installed, -l $_ ? "$path -> " . readlink : $path;
}}, $root);
is_same_list(\@installed, [golden('installed.golden')], 'what is installed is in installed.golden');

SKIP: {
    my %dir = map { @$_ } @dirs;
    my @tools = grep { my $tool = $_; grep { -x "$_/$tool" } split /:/, $ENV{PATH} } 'pkg-config';
    skip('pkg-config is not installed', 3) unless @tools;
    my $program = "$root/program";
    open my $out, '>', "$program.c" or die "$program.c: $!\n";
    print $out <<'END';
#include <hakmem/hakmem.h>
#include <stdio.h>
int main(void)
{
    return puts(hakmem_version()) < 0;
}
END
    close $out;
    local $ENV{PKG_CONFIG_PATH} = "$root$dir{pkgconfigdir}";
    local $ENV{PKG_CONFIG_SYSROOT_DIR} = $root;
    my ($version) = output('pkg-config', '--modversion', 'hakmem');
    my ($flags) = output('pkg-config', '--cflags', '--libs', 'hakmem');
    my $cc = $ENV{CC} || 'cc';
    is(system("$cc -o $program $program.c $flags"), 0, 'a program links against it');
    local $ENV{LD_LIBRARY_PATH} = "$root$dir{libdir}";
    is(join("\n", output($program)), $version, 'and runs with the version that pkg-config says');
    my ($static) = output('pkg-config', '--static', '--cflags', '--libs', 'hakmem');
    is(system("$cc -static -o $program $program.c $static && $program >$root/out"), 0,
        'also statically');
}

done_testing();
