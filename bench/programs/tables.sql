-- SPDX-License-Identifier: MIT
-- An in-memory database: every page, row in flight and compiled statement is a malloc.
-- Before it reads this, the runner sets the number of rows (".parameter set @rows N") and
-- keeps temporary tables out of files ("PRAGMA temp_store = MEMORY", which would drop the
-- parameter if it came later).
.bail on

CREATE TABLE item
    (id INTEGER PRIMARY KEY, name TEXT, kind INTEGER, price REAL, note BLOB);
CREATE TABLE sale (id INTEGER PRIMARY KEY, item INTEGER, day INTEGER, amount INTEGER);

-- Random numbers that are the same everywhere: multiplication modulo a prime.
INSERT INTO item
WITH RECURSIVE n(i, r) AS (
    SELECT 1, 48271
    UNION ALL SELECT i + 1, r * 48271 % 2147483647 FROM n WHERE i < @rows
)
SELECT i, printf('item %08x', r), r % 97, r % 10007 / 100.0, zeroblob(r % 200) FROM n;

INSERT INTO sale
WITH RECURSIVE n(i, r) AS (
    SELECT 1, 16807
    UNION ALL SELECT i + 1, r * 16807 % 2147483647 FROM n WHERE i < @rows * 2
)
SELECT i, 1 + r % @rows, r % 365, 1 + r % 9 FROM n;

CREATE INDEX item_by_name ON item (name);
CREATE INDEX sale_by_item ON sale (item, day);

SELECT count(*), sum(amount), round(sum(amount * price), 2)
FROM sale JOIN item ON item.id = sale.item WHERE kind < 50;

SELECT kind, count(*), length(group_concat(name)) FROM item GROUP BY kind
ORDER BY 2 DESC, 1 LIMIT 5;

SELECT day, total, rank() OVER (ORDER BY total DESC, day)
FROM (SELECT day, sum(amount) AS total FROM sale GROUP BY day) LIMIT 5;

UPDATE item SET name = upper(name) || '!', note = zeroblob(length(note) + 64)
WHERE id % 3 = 0;
DELETE FROM sale WHERE item IN (SELECT id FROM item WHERE kind % 4 = 1);
SELECT count(*), sum(length(name)), sum(length(note)) FROM item;
SELECT count(*), sum(amount) FROM sale;
DROP TABLE item;
DROP TABLE sale;
