# SPDX-License-Identifier: MIT
# What the shared library gives to programs and what it takes from others.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Repo;
use Test::More;

needs_tool('nm', 'readelf');
needs_library();

SKIP: {
    skip('debian/ is not in a release', 1) unless -e "$top/debian/libhakmem0.symbols";
    my @packaged = map { /^ (?:\(arch-bits=64\))?(\w+)@/ ? $1 : () }
        lines('debian/libhakmem0.symbols');
    is_same_list([grep { !/^HAKMEM_\d/ } @packaged],
        [map { s/@.*//r } golden('symbols.golden')],
        'debian/libhakmem0.symbols has those of symbols.golden');
}

# Lines of nm -D are "[address] type name[@version]"; type A is a version's own name.
my @symbols = map { [/(\S) (\S+)$/] } output('nm', '-D', $library);

my @exported = map { $_->[1] } grep { $_->[0] !~ /[UwvA]/ } @symbols;
is_same_list(\@exported, [golden('symbols.golden')], 'exports are those of symbols.golden');

# A compiler adds calls of its own, by its version and options: to memcpy and the like, and
# to the checks of -D_FORTIFY_SOURCE and -fstack-protector.
my %allowed = map { $_ => 1 } golden('imports.golden');
my @imported = map { $_->[1] =~ s/@.*//r } grep { $_->[0] =~ /[Uwv]/ } @symbols;
my @foreign = grep { !$allowed{ s/^__(\w+)_chk$/$1/r } } @imported;
is("@foreign", '', 'imports are in imports.golden');

# A call of malloc from inside would be a call of whichever malloc comes first in the process.
my %own = map { s/@.*//r => 1 } @exported;
my @through = grep { $own{$_} }
    map { /^[0-9a-f]{8,}\s+[0-9a-f]+\s+R_\S+\s+[0-9a-f]+\s+(\w+)/ ? $1 : () }
    output('readelf', '-rW', $library);
is("@through", '', 'the library does not call itself through the dynamic linker');

done_testing();
