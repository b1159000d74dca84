# SPDX-License-Identifier: MIT
# The packages on this machine: installed, used as README says, upgraded, removed, purged.
# What they bring is there, what an administrator wrote stays, and in the end the machine's
# files are what they were before.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin, "$FindBin::Bin/../meta";
use Installed;
use Repo;
use File::Temp 'tempdir';
use Test::More;

my $scratch = tempdir(CLEANUP => 1);

# Where packages put something, but for what dpkg, apt and man-db note for themselves. A
# file of /etc, and one of ours, is compared by its contents, another by its size.
sub snapshot {
    my %file;
    my @skip = map { ('-path', $_, '-prune', '-o') }
        qw(/var/lib/dpkg /var/lib/apt /var/log /var/cache /etc/ld.so.cache);
    for (output('find', '/etc', '/usr', '/var', '/opt', '/srv', '-xdev', @skip, '-printf',
            '%p\t%y %m %U %G %l %s\n')) {
        my ($path, $what) = split /\t/;
        $what =~ s/ \d+$// if $what =~ /^d/;
        $file{$path} = $what;
    }
    $file{$_} .= ' ' . (output('sha256sum', $_))[0]
        for grep { -f && !-l && m{^/etc/} } keys %file;
    return \%file;
}

sub is_unchanged {
    my ($before, $name) = @_;
    my $after = snapshot();
    my @changed = grep { ($before->{$_} // '-') ne ($after->{$_} // '-') }
        sort keys %{ { %$before, %$after } };
    is(scalar @changed, 0, $name);
    diag("$_: ", $before->{$_} // 'was not there', ', now ', $after->{$_} // 'is not there')
        for @changed;
    is(`ldconfig -p | grep hakmem`, '', '... and the dynamic linker does not know it any more');
}

sub runs {
    my ($name, $command) = @_;
    is(system("{ $command\n} >$scratch/log 2>&1"), 0, $name) or diag(slurp("$scratch/log"));
}

sub spew {
    my ($path, $text) = @_;
    open my $out, '>', $path or die "$path: $!\n";
    print {$out} $text;
    close $out or die "$path: $!\n";
}

my %deb = map { $_ => deb($_) } @packages;
my $all = join ' ', values %deb;
my $conf = '/etc/hakmem.conf';
my $before = snapshot();

# As README has it ----------------------------------------------------------------------

runs('apt install ./*.deb', "cd $build/packages && apt-get -qy install ./*.deb");
my @bad = grep { length } map { output('dpkg', '-V', $_) } @packages;
is("@bad", '', 'every file is as packaged');

my $profile = 'import ctypes; f = ctypes.CDLL(None).hakmem_profile; '
    . 'f.restype = ctypes.c_char_p; print(f().decode())';
is(join("\n", do {
    local $ENV{HAKMEM_PROFILE} = 'low-memory';
    output('hakmem', 'run', '--', '/usr/bin/python3', '-c', $profile);
}), 'low-memory', 'HAKMEM_PROFILE=low-memory hakmem run -- python3');
spew("$scratch/program.c", <<'END');
#include <hakmem/hakmem.h>
#include <stdio.h>
int main(void)
{
    return puts(hakmem_profile()) < 0;
}
END
runs('a program is compiled by pkg-config',
    "cd $scratch && cc -o program program.c \$(pkg-config --cflags --libs hakmem)");
is(join("\n", output("$scratch/program")), 'default', '... and reports its profile');
SKIP: {
    skip('dpkg leaves out manual pages on this machine', 1)
        unless -e '/usr/share/man/man5/hakmem.conf.5.gz';
    like(`man hakmem.conf 2>&1`, qr{/etc/hakmem\.conf\b}, 'man hakmem.conf');
}
ok(purge(), 'dpkg -P');
is_unchanged($before, '... leaves nothing behind');

# From an older version on --------------------------------------------------------------

# The same packages with a lower version and another file for the machine.
mkdir "$scratch/old" or die "$!\n";
for my $package (@packages) {
    runs("an older $package", <<"END");
set -e
cd $scratch
dpkg-deb -R $deb{$package} tree
sed -i 's/^Version: .*/Version: 0.0.1-1/; s/(= [^)]*)/(= 0.0.1-1)/g' tree/DEBIAN/control
if [ -e tree$conf ]; then
    echo '# As in the older version.' >tree$conf
fi
dpkg-deb -b tree old/$package.deb
rm -r tree
END
}
runs('the older version is installed', "dpkg -i $scratch/old/*.deb");
is(slurp($conf), "# As in the older version.\n", '... with its file');
runs('... and upgraded', "dpkg -i $all");
like(slurp($conf), qr/^#superslab_size = /m, 'a file that nobody changed is the new one');

spew($conf, "profile = low-memory\n");
spew('/etc/hakmem.conf.d/ours.conf', "shards = 2\n");
runs('the older version once more', "dpkg -i --force-confold $scratch/old/*.deb");
runs('... and upgraded', "dpkg -i --force-confold $all");
is(slurp($conf), "profile = low-memory\n", 'a file that was changed stays');
is(join("\n", output('env', 'LD_PRELOAD=libhakmem.so.0', '/usr/bin/python3', '-c', $profile)),
    'low-memory', '... and counts');

runs('the packages are removed', "dpkg -r @packages");
is(slurp($conf), "profile = low-memory\n", 'the file still stays');
ok(!-e "/usr/bin/hakmem", '... but nothing else');
runs('they are installed again', "dpkg -i $all");
is(slurp($conf), "profile = low-memory\n", 'the file is as it was left');
unlink '/etc/hakmem.conf.d/ours.conf';
ok(purge(), 'dpkg -P');
is_unchanged($before, '... leaves nothing behind');

done_testing();
