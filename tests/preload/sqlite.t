# SPDX-License-Identifier: MIT
# SQLite in memory: inserts, an index, a join, sorting, text of many sizes.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../preload", $FindBin::Bin;
use Preload;
use Test::More;

needs('sqlite3');

my $sql = spew("$scratch/work.sql", <<'SQL');
CREATE TABLE t (id INTEGER PRIMARY KEY, k INTEGER, v TEXT);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000)
INSERT INTO t SELECT i, (i * 7919) % 10007, printf('%.*c', i % 300, 'x') FROM n;
CREATE INDEX tk ON t (k);
SELECT count(*), sum(k), sum(length(v)) FROM t;
SELECT k, count(*) FROM t GROUP BY k ORDER BY 2 DESC, 1 LIMIT 5;
SELECT count(*) FROM t a JOIN t b ON a.k = b.k;
SELECT length(group_concat(v, ',')) FROM (SELECT v FROM t ORDER BY v, id);
UPDATE t SET v = v || v WHERE id % 3 = 0;
DELETE FROM t WHERE id % 5 = 0;
VACUUM;
SELECT count(*), sum(length(v)) FROM t;
PRAGMA integrity_check;
SQL

for my $profile (@profiles) {
    my $result = same_output($profile, { profile => $profile, stdin => $sql },
        'sqlite3', ':memory:');
    like($result->{out}, qr/^ok$/m, "$profile: integrity");
}

done_testing();
