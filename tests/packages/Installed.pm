# SPDX-License-Identifier: MIT
package Installed;

# What the tests share that install the packages on this machine: which they are, and that
# they are gone in the end, however the test ends.

use strict;
use warnings;
use Exporter 'import';
use FindBin;
use lib "$FindBin::Bin/../meta";
use Repo;
use Test::More;

our @EXPORT = qw(@packages deb purge);

our @packages = qw(hakmem hakmem-common libhakmem-dev libhakmem0);

sub is_there {
    return grep { !/ not-installed$/ }
        map { `dpkg-query -W -f '\${Package} \${db:Status-Status}\n' $_ 2>/dev/null` } @packages;
}

# The file that build.t has made of a package.
sub deb {
    my ($package) = @_;
    my ($file) = glob "$build/packages/${package}_*.deb";
    return $file;
}

sub purge {
    return system("dpkg -P @packages >/dev/null 2>&1") == 0;
}

plan(skip_all => 'not root') if $> != 0;
plan(skip_all => 'needs the packages that build.t makes') if grep { !deb($_) } @packages;
# What was there before is not for a test to remove.
if (my @there = is_there()) {
    diag('dpkg -P first: ', @there);
    plan(skip_all => 'the packages are installed already');
}
$ENV{DEBIAN_FRONTEND} = 'noninteractive';
delete @ENV{qw(HAKMEM_CONF HM_LIBRARY)};
my $ours = 1;

$SIG{$_} = sub { exit 1 } for qw(HUP INT TERM);
END {
    my $status = $?;
    purge() if $ours && is_there();
    $? = $status;
}

1;
