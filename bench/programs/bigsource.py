#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Prints one big C translation unit, for a compiler to allocate its way through.

bigsource.py UNITS: a unit is a structure and five functions on it, about 107 lines. The
same number always gives the same text.
"""

import random
import sys

PROLOGUE = """\
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
"""

FIELD_TYPES = (
    "char",
    "short",
    "int",
    "long",
    "unsigned",
    "double",
    "float",
    "unsigned long",
)
OPERATORS = ("+", "-", "*", "^", "&", "|")


def structure(rng, number):
    fields = [rng.choice(FIELD_TYPES) for _ in range(rng.randint(6, 14))]
    lines = [f"struct s{number} {{"]
    lines += [f"    {kind} f{i};" for i, kind in enumerate(fields)]
    lines += [f"    struct s{number} *next;", "};", ""]
    integers = [i for i, kind in enumerate(fields) if kind not in ("double", "float")]
    return lines, integers or [0]


def expression(rng, terms):
    text = rng.choice(terms)
    for _ in range(rng.randint(2, 6)):
        text = f"({text} {rng.choice(OPERATORS)} {rng.choice(terms)})"
    return text


def arithmetic(rng, number, fields):
    terms = [f"(long)p->f{i}" for i in fields] + [
        "n",
        "a",
        "b",
        str(rng.randint(1, 999)),
    ]
    lines = [
        f"long calc{number}(struct s{number} *p, long n)",
        "{",
        "    long a = 1, b = n;",
    ]
    lines += ["    for (long i = 0; i < n; i++) {"]
    for _ in range(rng.randint(6, 12)):
        lines.append(f"        {rng.choice('ab')} = {expression(rng, terms + ['i'])};")
        if rng.random() < 0.3:
            lines.append(
                f"        if ({expression(rng, terms)} > {rng.randint(0, 99)})"
            )
            lines.append(f"            p->f{rng.choice(fields)} += (int)a;")
    return lines + ["    }", "    return a ^ b;", "}", ""]


def choice(rng, number, fields):
    lines = [f"static int pick{number}(const struct s{number} *p, int what)", "{"]
    lines += ["    switch (what) {"]
    for case in sorted(rng.sample(range(200), rng.randint(8, 20))):
        lines.append(f"    case {case}:")
        lines.append(
            f"        return (int)p->f{rng.choice(fields)} + {rng.randint(0, 9)};"
        )
    return lines + ["    default:", "        return -1;", "    }", "}", ""]


def chain(number, fields):
    return f"""\
struct s{number} *make{number}(int count)
{{
    struct s{number} *first = NULL;
    while (count-- > 0) {{
        struct s{number} *one = calloc(1, sizeof(*one));
        if (one == NULL) {{
            fprintf(stderr, "unit {number}: %s\\n", strerror(errno));
            return first;
        }}
        one->f{fields[0]} = count;
        one->next = first;
        first = one;
    }}
    return first;
}}

void drop{number}(struct s{number} *p)
{{
    while (p != NULL) {{
        struct s{number} *next = p->next;
        free(p);
        p = next;
    }}
}}

int run{number}(int count)
{{
    struct s{number} *all = make{number}(count);
    long sum = 0;
    for (struct s{number} *p = all; p != NULL; p = p->next)
        sum += calc{number}(p, count) + pick{number}(p, count % 200);
    drop{number}(all);
    return (int)(sqrt((double)(sum & 0xffff)) + {number});
}}
""".splitlines()


def main():
    rng = random.Random(1)
    out = [PROLOGUE]
    units = int(sys.argv[1])
    for number in range(units):
        lines, fields = structure(rng, number)
        out += lines
        out += arithmetic(rng, number, fields)
        out += choice(rng, number, fields)
        out += chain(number, fields)
    print("\n".join(out))


if __name__ == "__main__":
    main()
