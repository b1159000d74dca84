# SPDX-License-Identifier: MIT
# The tarball and the Debian packages made of it have the same bytes wherever they are built,
# and neither lintian nor blhc finds anything in them. Leaves the packages in packages/ for
# the other tests.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../meta";
use Repo;
use File::Temp 'tempdir';
use Test::More;

plan(skip_all => 'debian/ is not in a release') unless -e "$top/debian/control";
needs_tool(qw(dpkg-buildpackage dh lintian blhc faketime localedef xz));

my $make = $ENV{MAKE} || 'make';
my ($version) = slurp('configure.ac') =~ /^AC_INIT\(\[libhakmem\],\[([\d.]+)\]\)/m;
my $tarball = "$build/libhakmem-$version.tar.xz";
my $scratch = tempdir(CLEANUP => 1);

# Runs shells' command lines at the same time; shows what one said that fails.
sub run_all {
    my @running;
    while (my ($name, $command) = splice @_, 0, 2) {
        my $log = "$scratch/log" . @running;
        defined(my $process = fork) or die "fork: $!\n";
        exec 'sh', '-c', "{ $command; } >$log 2>&1" or die "sh: $!\n" if $process == 0;
        push @running, [$name, $process, $log];
    }
    for (@running) {
        my ($name, $process, $log) = @$_;
        waitpid $process, 0;
        ok($? == 0, $name) or diag(join '', (slurp($log) =~ /(?:.*\n){1,60}\z/g));
    }
}

sub same {
    my ($name, @files) = @_;
    ok(system('cmp', @files) == 0, "$name: the same bytes");
}

# Everything that must not matter: the machine's language, of which Turkish has an i of its
# own, its place, what others may read, and the time.
system("localedef -i tr_TR -f UTF-8 $scratch/tr_TR.UTF-8") == 0
    or plan(skip_all => 'no locale to be had');
my $elsewhere = "umask 027; export LOCPATH=$scratch LC_ALL=tr_TR.UTF-8 TZ=Pacific/Kiritimati";

run_all('make dist' => "cd $build && $make dist");
run_all('... once more, from its own tarball, elsewhere' =>
    "$elsewhere; cd $scratch && tar xf $tarball && mkdir dist && cd dist && "
    . "../libhakmem-$version/configure && $make dist");
same('the tarball', $tarball, "$scratch/dist/libhakmem-$version.tar.xz");

my $packages = "$build/packages";
my $again = "$scratch/a-directory/with/a-longer-name";
run_all(
    'tools/deb' => "HM_DEB_DIR=$packages $top/tools/deb $tarball",
    '... once more, elsewhere, next year' =>
        "$elsewhere; DEB_BUILD_OPTIONS='nocheck parallel=1' HM_DEB_DIR=$again "
        . "faketime -m '400 days' $top/tools/deb $tarball"
);
my @packages = map { m{([^/_]+)_[^/]*$} } glob "$packages/*.deb";
is("@packages", 'hakmem-common hakmem libhakmem-dev libhakmem0', 'the packages are there');
same($_, "$packages/build/$_", "$again/build/$_")
    for map { s{.*/}{}r } glob "$packages/build/*.deb $packages/build/*.debian.tar.xz";

sub field {
    my ($package, $field) = @_;
    my ($file) = glob "$packages/${package}_*.deb";
    return join "\n", output('dpkg-deb', '-f', $file, $field);
}
is(field('libhakmem0', 'Multi-Arch'), 'same', 'libhakmem0 can be there for two architectures');
like(field('libhakmem0', 'Depends'), qr/^libc6 \([^,]*\)$/, '... and needs libc alone');
is(field('libhakmem-dev', 'Multi-Arch'), 'same', 'libhakmem-dev, too');

is(`lintian --allow-root --info --display-info --pedantic $packages/build/*.changes 2>&1`, '',
    'lintian has nothing to say');
is(`blhc --bindnow $packages/build.log 2>&1`, '', 'everything is compiled hardened');

done_testing();
