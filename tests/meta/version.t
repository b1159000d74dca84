# SPDX-License-Identifier: MIT
# The version stands in configure.ac; wherever else it is written, it is the same.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Repo;
use Test::More;

my ($version) = slurp('configure.ac') =~ /^AC_INIT\(\[libhakmem\],\[([\d.]+)\]\)/m;
like($version, qr/^\d+\.\d+\.\d+$/, 'configure.ac');

my $header = slurp('include/hakmem/hakmem.h');
is(join('.', map { $header =~ /^#define HAKMEM_VERSION_$_ (\d+)$/m } qw(MAJOR MINOR PATCH)),
    $version, 'hakmem.h');

my ($news) = slurp('NEWS') =~ /^libhakmem (\d\S*)/m;
is($news, $version, 'NEWS');

SKIP: {
    skip('debian/ is not in a release', 1) unless -e "$top/debian/changelog";
    my ($package) = slurp('debian/changelog') =~ /\Alibhakmem \(([\d.]+)/;
    is($package, $version, 'debian/changelog');
}

done_testing();
