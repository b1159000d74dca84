# SPDX-License-Identifier: MIT
# A module includes its own header and those of lower layers, in the order of HACKING.md.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Repo;
use Test::More;

my ($list) = slurp('HACKING.md') =~ /^```layers\n(.*?)^```/ms
    or die "HACKING.md has no list of layers\n";
my @layers = $list =~ /^(\w+)/mg;
my %rank;
@rank{@layers} = 0 .. $#layers;

my (%modules, @upward);
for my $file (files('src/*.[ch]')) {
    my ($module) = $file =~ m{(\w+)\.[ch]$};
    next if $module eq 'optdoc';    # a program
    $modules{$module} = 1;
    my $rank = $rank{$module} // next;
    for my $included (slurp($file) =~ /^\s*#\s*include\s+"([^"]+)"/mg) {
        next if $included eq 'hakmem/hakmem.h';
        my ($other) = $included =~ m{^(\w+)\.(?:h|def)$};
        push @upward, "$file includes $included"
            unless defined $other && defined $rank{$other} && $rank{$other} <= $rank;
    }
}
is_same_list([keys %modules], \@layers, 'the layers are the modules of src/');
is_deeply(\@upward, [], 'no module includes a higher layer');

# The fuzzer's program is one that has the configuration without the allocator.
SKIP: {
    my $program = "$build/tests/fuzz/fuzz_conf";
    skip 'the fuzzer is not built', 2 unless -e $program;
    skip 'nm is not installed', 2 unless grep { -x "$_/nm" } split /:/, $ENV{PATH};
    my @names = map { /\b(hm_\w+)$/ } output('nm', $program);
    my ($conf) = grep { $layers[$_] eq 'conf' } 0 .. $#layers;
    my $above = join '|', @layers[$conf + 1 .. $#layers];
    ok((grep { $_ eq 'hm_conf_load_text' } @names), 'the configuration links');
    is_deeply([grep { /^hm_(?:$above|test)_/ } @names], [], 'without the allocator');
}

done_testing();
