# SPDX-License-Identifier: MIT
# What tests/static/test_static was linked from: libhakmem.a's malloc and, of libc.a, no
# part of malloc.o. Were one symbol of that object missing in ours, the linker would take
# it whole.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../preload";
use Preload;
use Test::More;

needs('nm');
my $program = built('tests/static/test_static');

open my $nm, '-|', 'nm', $program or die "nm: $!\n";
my %defined;
while (<$nm>) {
    $defined{$2} = $1 if /^[0-9a-f]+ (\w) (\S+)$/;
}
close $nm or die "nm $program failed\n";

cmp_ok(scalar keys %defined, '>', 500, 'the program has symbols');
for my $inside (
    qw(_int_malloc _int_free _int_realloc _int_memalign ptmalloc_init sysmalloc
    malloc_consolidate main_arena mp_ __malloc_arena_thread_freeres arena_get2
    tcache_init)
    )
{
    ok(!exists $defined{$inside}, "libc's $inside is not in it");
}
for my $ours (
    qw(malloc free calloc realloc memalign aligned_alloc posix_memalign valloc
    pvalloc malloc_usable_size malloc_trim malloc_stats malloc_info mallinfo mallinfo2
    mallopt __libc_malloc __libc_free __libc_calloc __libc_realloc __libc_memalign)
    )
{
    ok(exists $defined{$ours}, "$ours is");
}

# There is no other malloc in it that calls could be left to.
my $off = run({ plain => 1, options => 'enabled=no' }, $program);
is($off->{status}, 0, 'it cannot be disabled');
like($off->{err}, qr/^hakmem: HAKMEM_OPTIONS: enabled is no, expected yes .*; using yes$/m,
    'and says so');

done_testing();
