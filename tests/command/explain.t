# SPDX-License-Identifier: MIT
# hakmem explain: the values that a process has, and where they come from. What it says is
# compared with what a process says of itself.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Command;
use Test::More;

helped('explain');

# What explain says, by option.
sub explained {
    my $answer = json_of(@_);
    my %option = map { $_->{name} => $_ } @{ $answer->{options} };
    return ($answer, \%option);
}

# What a value overrides: "VALUE ORIGIN, ...".
sub overrides {
    my ($option) = @_;
    return join ', ', map { "$_->{value} $_->{origin}" } @{ $option->{overrides} };
}

my ($answer, $option) = explained('explain', '--json');
is("$answer->{profile} $answer->{profile_origin}", 'default built-in', 'without anything');
is($option->{shards}{origin}, 'built-in', '... an option has its default');
is(overrides($option->{shards}), '', '... and overrides nothing');

my $file = spew("$scratch/hakmem.conf", <<'END');
profile = mine
shards = 4
[profile mine]
inherits = throughput
trim_interval = 3s   # often enough
END
my %env = (HAKMEM_CONF => $file, HAKMEM_OPTIONS => 'trim_interval=4s,thp=never');
($answer, $option) = explained(\%env, 'explain', '--json', '-o', 'prewarm=2');
is("$answer->{profile} $answer->{profile_origin}", "mine $file:1", 'a file picks the profile');
like($option->{shards}{origin}, qr/\Q$file\E:2$/, 'a value of a file has its line');
is(overrides($option->{shards}), '0 built-in', '... and overrides the default');
like($option->{tls_cache_max}{origin}, qr/throughput/, 'a value of a profile has its name');
is($option->{trim_interval}{value}, '4s', 'HAKMEM_OPTIONS counts most');
is(overrides($option->{trim_interval}),
    "3s profile mine at $file:5, 10s profile throughput, 200ms built-in",
    '... and what it overrides is said, all of it');
is("$option->{prewarm}{value} $option->{prewarm}{origin}", '2 HAKMEM_OPTIONS', '-o is part of it');
($answer) = explained(\%env, 'explain', '--json', '-p', 'low-memory');
is("$answer->{profile} $answer->{profile_origin}", 'low-memory -p', '-p picks the profile');
($answer) = explained({%env, HAKMEM_PROFILE => 'default'}, 'explain', '--json');
is("$answer->{profile} $answer->{profile_origin}", 'default HAKMEM_PROFILE',
    '... as does the environment');

(undef, $option) = explained(\%env, 'explain', '--json', '-o', 'enabled=no');
is("$option->{enabled}{value} $option->{enabled}{origin}", 'no HAKMEM_OPTIONS',
    'whether the library is enabled');

my $text = hakmem(\%env, 'explain');
like($text->{out}, qr/^profile +mine +\Q$file\E:1 +default$/m,
    'the profile, in words');
like($text->{out}, qr/^thp +never +HAKMEM_OPTIONS +advise from .*throughput, inherit by default$/m,
    '... and the options');
my $mistake = hakmem({HAKMEM_OPTIONS => 'shards=x'}, 'explain');
is($mistake->{status}, 1, 'a mistake in the environment');
like($mistake->{err}, qr/warning: HAKMEM_OPTIONS:1:8: shards: .*; using 0$/m,
    '... with what a process does about it');

# Sections that are about a program hold for it alone, by its name and its file.
my ($perl) = $^X =~ m{([^/]+)$};
my $sections = spew("$scratch/sections.conf", <<"END");
[app:$perl]
profile = low-memory
!shards = 7   # as it was told
END
%env = (HAKMEM_CONF => $sections, HAKMEM_OPTIONS => 'shards=2');
($answer, $option) = explained(\%env, 'explain', '--json', '--', $^X);
like("$answer->{profile} $answer->{profile_origin}", qr/^low-memory .*\Q$sections\E:2\b/,
    'the section of a program picks its profile');
is("$option->{shards}{value} $option->{shards}{reason}", '7 as it was told',
    '... and locks an option');
is("$option->{shards}{refused} " . overrides($option->{shards}), '2 0 built-in',
    '... which refuses what the environment says');
like(hakmem(\%env, 'explain', '--', $^X)->{out},
    qr/^shards .*, locked +0 by default; refused 2 from HAKMEM_OPTIONS$/m, '... in words');
($answer, $option) = explained(\%env, 'explain', '--json');
is("$answer->{profile} $option->{shards}{value}", 'default 2', '... of no other program');

# Everything that has a say, from weak to strong, in an order that is not the file's.
my $chain = spew("$scratch/chain.conf", <<"END");
[app:$perl]
profile = low-memory
trim_interval = 6s
[app:*]
profile = child
trim_interval = 7s
[profile child]
inherits = parent
trim_interval = 3s
trim_interval = 4s
[profile low-memory]
trim_interval = 1s
[profile parent]
inherits = low-memory
trim_interval = 2s
END
spew($chain, "profile = throughput\ntrim_interval = 5s\n" . slurp($chain));
%env = (HAKMEM_CONF => $chain, HAKMEM_PROFILE => 'child', HAKMEM_OPTIONS => 'trim_interval=8s');
($answer, $option) = explained(\%env, 'explain', '--json', '-o', 'trim_interval=9s', '--', $^X);
is(join(' < ', reverse(map { "$_->{value} $_->{origin}" }
    @{ $option->{trim_interval}{overrides} }), $option->{trim_interval}{value}),
    join(' < ', '200ms built-in', '50ms profile low-memory', "1s profile low-memory at $chain:14",
    "2s profile parent at $chain:17", "3s profile child at $chain:11",
    "4s profile child at $chain:12", "5s $chain:2", "6s [app:$perl] at $chain:5",
    "7s [app:*] at $chain:8", '8s HAKMEM_OPTIONS', '9s'), 'the whole chain');
is("$answer->{profile} < " . overrides($answer->{profile_choice}),
    "child < child [app:*] at $chain:7, low-memory [app:$perl] at $chain:4, "
    . "throughput $chain:1, default built-in", '... and that of the profile');

# --- Commands and processes --------------------------------------------------------------

is(hakmem('explain', '--', $^X, '-e', 1)->{status}, 0, 'a command');
is(hakmem('explain', 'no-such-program')->{status}, 2, '... that does not exist');
is(hakmem('explain', 999999999)->{status}, 2, 'a process that does not exist');
is(hakmem('explain', '-p', 'default', $$)->{status}, 2, 'one that runs gets no other profile');

my $pid = open(my $sleeper, '-|') // die "fork: $!\n";
if ($pid == 0) {
    %ENV = (HAKMEM_CONF => '/dev/null', HAKMEM_PROFILE => 'low-memory',
        HAKMEM_OPTIONS => 'shards=9');
    $| = 1;
    exec $^X, '-e', '$| = 1; print "up\n"; sleep 300';
}
<$sleeper>;
($answer, $option) = explained('explain', '--json', $pid);
is($answer->{profile}, 'low-memory', 'a process has its own environment');
is($option->{shards}{value}, 9, '... all of it');
like(hakmem('explain', $pid)->{err}, qr/does not have libhakmem\.so loaded/,
    '... also if the library is not there');
kill 'KILL', $pid;
close $sleeper;

# A script has a name of its own, and HAKMEM_CONF is relative to its directory.
my $script = spew("$scratch/hm-script", "#!$^X\n\$| = 1; print qq(up\\n); sleep 300;\n");
chmod 0755, $script;
spew("$scratch/script.conf", "[app:hm-script]\nshards = 3\n");
my $scripted = open(my $said, '-|') // die "fork: $!\n";
if ($scripted == 0) {
    %ENV = (HAKMEM_CONF => 'script.conf');
    chdir "$scratch" or die "$scratch: $!\n";
    exec $script;
}
<$said>;
(undef, $option) = explained('explain', '--json', $scripted);
is("$option->{shards}{value} $option->{shards}{origin}",
    "3 [app:hm-script] at $scratch/script.conf:2", 'a script that runs, by its own name');
kill 'KILL', $scripted;
close $said;

# A title that a program gives itself takes the place of what it was started with.
SKIP: {
    skip('libhakmem.so is not built here', 1) unless -r $library;
    skip('needs /dev/shm', 1) unless -d '/dev/shm' && -w _;
    my $title = open(my $titled, '-|') // die "fork: $!\n";
    if ($title == 0) {
        %ENV = (LD_PRELOAD => $library, HAKMEM_CONF => '/dev/null',
            HAKMEM_PROFILE => 'low-memory', HAKMEM_OPTIONS => 'stats_page=yes');
        exec $^X, '-e', '$0 = "x" x 2000; $| = 1; print "up\n"; sleep 300';
    }
    <$titled>;
    like(hakmem('explain', $title)->{err},
        qr/warning: process \d+ says that it has profile low-memory: the files/,
        'a process that has another profile than it seems');
    kill 'KILL', $title;
    close $titled;
}

# What explain says is what a process has.
SKIP: {
    skip('libhakmem.so is not built here', 1) unless -r $library;
    skip('python3 is not installed', 1) unless has_tool('python3');
    my $ask = <<'END';
import ctypes, sys
get = ctypes.CDLL(None).hakmem_option_get
get.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t]
buf = ctypes.create_string_buffer(256)
for name in sys.argv[1:]:
    get(name.encode(), buf, 256)
    print(name, buf.value.decode(), sep="=")
END
    ($answer, $option) = explained(\%env, 'explain', '--json', '-o', 'shards=5');
    my @names = sort keys %$option;
    my $has = hakmem(\%env, 'run', '-o', 'shards=5', 'python3', '-c', $ask, @names);
    is($has->{out}, join('', map { "$_=$option->{$_}{value}\n" } @names),
        'a process has the values that are explained');
}

# --- Other allocators --------------------------------------------------------------------

my %foreign = (
    MALLOC_ARENA_MAX => 2, MALLOC_TRIM_THRESHOLD_ => 131072, MALLOC_PERTURB_ => 85,
    MALLOC_MMAP_THRESHOLD_ => 4 << 20, MALLOC_TOP_PAD_ => 1_500_000,
    GLIBC_TUNABLES => 'glibc.malloc.tcache_count=8:glibc.rtld.nns=4:glibc.malloc.hugetlb=2',
    MALLOC_CONF => 'dirty_decay_ms:1000,background_thread:true,no_such:1,percpu_arena:percpu,thp',
    MIMALLOC_PURGE_DELAY => -1, MIMALLOC_ALLOW_THP => 0, TCMALLOC_RELEASE_RATE => 'x',
    TCMALLOC_MAX_TOTAL_THREAD_CACHE_BYTES => 33554432,
);
my %nearest = map { $_->{setting} => $_ }
    @{ json_of(\%foreign, 'explain', '--json')->{other_allocators} };
my %expected = (
    'MALLOC_ARENA_MAX=2' => 'shards=2',
    'MALLOC_TRIM_THRESHOLD_=131072' => undef,
    'MALLOC_PERTURB_=85' => 'zero_on_free=yes',
    'MALLOC_MMAP_THRESHOLD_=4194304' => 'superslab_size=8M',
    'MALLOC_TOP_PAD_=1500000' => 'superslab_size=2M',
    'GLIBC_TUNABLES glibc.malloc.tcache_count=8' => 'tls_cache_max=8',
    'GLIBC_TUNABLES glibc.malloc.hugetlb=2' => undef,
    'MALLOC_CONF dirty_decay_ms:1000' => 'trim_interval=1s',
    'MALLOC_CONF background_thread:true' => 'trim_thread=yes',
    'MALLOC_CONF percpu_arena:percpu' => 'profile=high-contention',
    'MIMALLOC_PURGE_DELAY=-1' => 'trim_interval=1h',
    'MIMALLOC_ALLOW_THP=0' => 'thp=never',
    'TCMALLOC_RELEASE_RATE=x' => undef,
    'TCMALLOC_MAX_TOTAL_THREAD_CACHE_BYTES=33554432' => 'process_cache_bytes=32M',
);
is_deeply({map { $_ => $nearest{$_}{nearest} } keys %nearest}, \%expected,
    'settings of other allocators, and only those that are known');
is_deeply([grep { !$nearest{$_}{nearest} && !$nearest{$_}{remark} } keys %nearest], [],
    'where there is nothing like it, that has a reason');
my $advice = join ',', 'tls_cache_min=4', grep { defined && !/^profile/ } values %expected;
is(hakmem('check')->{status} + hakmem({HAKMEM_OPTIONS => $advice}, 'check')->{status}, 0,
    'what is advised is valid');
like(hakmem(\%foreign, 'explain')->{out}, qr/^  MALLOC_ARENA_MAX=2: shards=2\n      an arena/m,
    '... in words');
unlike(hakmem('explain')->{out}, qr/other allocators/, 'without any, nothing is said');

done_testing();
