# SPDX-License-Identifier: MIT
# What the shared library asks of the dynamic linker.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Repo;
use Test::More;

needs_tool('readelf', 'objcopy');
needs_library();

my $segments = join "\n", output('readelf', '-lW', $library);
my $dynamic = join "\n", output('readelf', '-dW', $library);

# offset, virtual and physical address, size in the file, size in memory
my ($tls) = $segments =~ /^\s+TLS(?:\s+0x[0-9a-f]+){4}\s+(0x[0-9a-f]+)/m;
my $debug = slurp("$build/config.h") =~ /^#define HM_ENABLE_DEBUG 1/m;
SKIP: {
    skip('a debug build also knows which locks a thread holds', 1) if $debug;
    is(hex($tls // 0), 24, 'thread-local storage is three words');
}
like($dynamic, qr/\bSTATIC_TLS\b/, 'and is addressed as initial-exec');
like($segments, qr/^\s+GNU_STACK(?:\s+0x[0-9a-f]+){5}\s+RW\s/m, 'the stack is not executable');
unlike($segments, qr/^\s+LOAD.*\sRWE\s/m, 'no segment is both writable and executable');
like($segments, qr/^\s+GNU_RELRO\b/m, 'relocated data becomes read-only');
like($dynamic, qr/\(FLAGS_1\).*\bNOW\b/, 'all symbols are bound at start');
like($dynamic, qr/\(FLAGS_1\).*\bNODELETE\b/, 'dlclose does not unload it');
unlike($dynamic, qr/\(TEXTREL\)/, 'code needs no relocation');
unlike($dynamic, qr/\((?:RPATH|RUNPATH)\)/, 'no search path is built in');
like($dynamic, qr/\(SONAME\).*\[libhakmem\.so\.0\]/, 'it is called libhakmem.so.0');

my @needed = $dynamic =~ /\(NEEDED\).*\[(.*)\]/g;
is_deeply([grep { !/^(?:libc\.so|ld-linux)/ } @needed], [], 'it needs only libc');

my $bare = "$build/tests/meta/elf.$$.tmp";
system('mkdir', '-p', "$build/tests/meta");
output('objcopy', '--strip-debug', $library, $bare);
open my $in, '<:raw', $bare or die "$bare: $!\n";
my $bytes = do { local $/; <$in> };
unlink $bare;
is(index($bytes, $top), -1, 'the place of the sources is not in it');
is(index($bytes, $build), -1, 'nor is that of the build');

done_testing();
