# SPDX-License-Identifier: MIT
# Statistics as JSON are JSON, one line, with every field of the header's struct.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../preload", $FindBin::Bin;
use JSON::PP;
use Preload;
use Test::More;

needs('python3');
plan(skip_all => 'another allocator') unless $is_ours;

my $header   = slurp("$top/include/hakmem/hakmem.h");
my ($struct) = $header =~ /struct hakmem_stats \{(.*?)\n\};/s;
my @fields   = $struct =~ /^\s*uint64_t (\w+);/mg;
cmp_ok(scalar @fields, '>', 20, 'the header has fields');

my $print = <<'PYTHON';
import ctypes, threading
process = ctypes.CDLL(None)
keep = [bytes(n) for n in range(0, 200000, 97)]
big = bytearray(50 << 20)
def work():
    return [bytes(n) for n in range(5000)]
threads = [threading.Thread(target=work) for i in range(3)]
for t in threads: t.start()
for t in threads: t.join()
assert process.hakmem_stats_print(1, 1) == 0
PYTHON

for my $profile (@profiles) {
    my $out   = run({ profile => $profile }, 'python3', '-c', $print)->{out};
    my $stats = eval { decode_json($out) };
    ok(ref $stats eq 'HASH', "$profile: one object") or diag($out);
    is($out =~ tr/\n//, 1, "$profile: one line");
    my @missing = grep { !defined $stats->{$_} || $stats->{$_} !~ /^\d+$/ } @fields;
    is_deeply(\@missing, [], "$profile: every field, a number");
    my @rows = map { ref $stats->{$_} eq 'ARRAY' ? @{ $stats->{$_} } : () } keys %$stats;
    cmp_ok(scalar @rows, '>', 5, "$profile: rows by class");
}

done_testing();
