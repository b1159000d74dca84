# SPDX-License-Identifier: MIT
# Python: parsers, regular expressions, big integers, threads, subprocesses, fork.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../preload", $FindBin::Bin;
use Preload;
use Test::More;

needs('python3');

my $script = spew("$scratch/work.py", <<'PYTHON');
import collections, hashlib, json, os, re, subprocess, sys, threading

# With PYTHONMALLOC=malloc every object is a block, not only those above 512 bytes.
def work(seed):
    rows = [{"id": i, "name": "row %d" % (i * seed), "tags": ["a" * (i % 50)] * (i % 7)}
            for i in range(int(sys.argv[1]))]
    text = json.dumps(rows)
    again = json.loads(text)
    assert again == rows
    words = re.findall(r"\b[a-z]+\b", text)
    counts = collections.Counter(words)
    number = 1
    for i in range(1, 1200):
        number *= i + seed
    blob = bytearray()
    for i in range(2000):
        blob += bytes([i % 256]) * (i % 97)
    digest = hashlib.sha256(text.encode() + bytes(blob) + str(number % 10**50).encode())
    return digest.hexdigest() + " %d" % sum(counts.values())

print(work(1))

results = [None] * 6
def in_thread(i):
    results[i] = work(i + 2)
threads = [threading.Thread(target=in_thread, args=(i,)) for i in range(len(results))]
for t in threads: t.start()
for t in threads: t.join()
print("\n".join(results))

for i in range(8):
    said = subprocess.run([sys.executable, "-c", "print('x' * %d)" % (i * 1000)],
                          capture_output=True, check=True).stdout
    print(len(said))

for i in range(8):
    pid = os.fork()
    if pid == 0:
        os._exit(0 if work(i) else 1)
    assert os.waitpid(pid, 0)[1] == 0

big = [b"x" * (1 << k) for k in range(25)]
print(sum(map(len, big)))
PYTHON

$ENV{PYTHONHASHSEED} = '0';
for my $profile (@profiles) {
    for my $allocator (qw(pymalloc malloc)) {
        local $ENV{PYTHONMALLOC} = $allocator;
        same_output(
            "$profile, PYTHONMALLOC=$allocator",
            { profile => $profile },
            'python3', $script, scaled(4000)
        );
    }
}

# Debian has Python's own tests in a package that nothing else needs, but the frame of some
# everywhere.
SKIP: {
    my @chosen = grep { run({ plain => 1 }, 'python3', '-c', "import test.$_")->{status} == 0 }
        qw(test_list test_dict test_set test_json);
    skip 'its own tests are not installed', 1 unless @chosen;
    succeeds("its own @chosen", { dir => $scratch }, 'python3', '-m', 'test', @chosen);
}

done_testing();
