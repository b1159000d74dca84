# SPDX-License-Identifier: MIT
# `make bench` builds and runs the benchmarks (BENCHFLAGS='...' goes to bench/run), `make
# bench-programs` only builds them. `make check` makes one smoke run with hardly any work.

bench_c_programs = \
	bench/bigwindow \
	bench/churn \
	bench/falseshare \
	bench/fragment \
	bench/handoff \
	bench/idle \
	bench/larson \
	bench/random_mixed \
	bench/rings \
	bench/spike \
	bench/startup \
	bench/threads10k \
	bench/vectors
bench_programs = $(bench_c_programs) bench/launch bench/pairs bench/whichmalloc
if HAVE_CXX
bench_programs += bench/structures
endif
EXTRA_PROGRAMS += $(bench_programs)
CLEANFILES += $(bench_programs)

# They run on whatever allocator is preloaded, so none is linked: the tests' LDADD, which
# Automake would use, is overridden.
bench_bigwindow_SOURCES = bench/bigwindow.c bench/bench.c bench/bench.h
bench_bigwindow_LDADD =
bench_churn_SOURCES = bench/churn.c bench/bench.c bench/bench.h
bench_churn_LDADD =
bench_falseshare_SOURCES = bench/falseshare.c bench/bench.c bench/bench.h
bench_falseshare_LDADD =
bench_fragment_SOURCES = bench/fragment.c bench/bench.c bench/bench.h
bench_fragment_LDADD =
bench_handoff_SOURCES = bench/handoff.c bench/bench.c bench/bench.h
bench_handoff_LDADD =
bench_idle_SOURCES = bench/idle.c bench/bench.c bench/bench.h
bench_idle_LDADD =
bench_larson_SOURCES = bench/larson.c bench/bench.c bench/bench.h
bench_larson_LDADD =
bench_random_mixed_SOURCES = bench/random_mixed.c bench/bench.c bench/bench.h
bench_random_mixed_LDADD =
bench_rings_SOURCES = bench/rings.c bench/bench.c bench/bench.h
bench_rings_LDADD =
bench_spike_SOURCES = bench/spike.c bench/bench.c bench/bench.h
bench_spike_LDADD =
bench_startup_SOURCES = bench/startup.c bench/bench.c bench/bench.h
bench_startup_LDADD =
bench_structures_SOURCES = bench/structures.cpp bench/bench.c bench/bench.h
bench_structures_LDADD =
bench_threads10k_SOURCES = bench/threads10k.c bench/bench.c bench/bench.h
bench_threads10k_LDADD =
bench_vectors_SOURCES = bench/vectors.c bench/bench.c bench/bench.h
bench_vectors_LDADD =
bench_pairs_SOURCES = bench/pairs.c
bench_pairs_LDADD =
# In another than a position-independent program, a function's address is in the program.
bench_whichmalloc_SOURCES = bench/whichmalloc.c
bench_whichmalloc_CFLAGS = $(AM_CFLAGS) -fPIE
bench_whichmalloc_LDFLAGS = $(AM_LDFLAGS) -pie
bench_whichmalloc_LDADD =
# libtool would take -static to mean libhakmem only.
bench_launch_SOURCES = bench/launch.c
bench_launch_LDADD =
bench_launch_LDFLAGS = -all-static

bench-programs: $(bench_programs)

bench: bench-programs libhakmem.la
	$(srcdir)/bench/run --build=$(abs_builddir) $(BENCHFLAGS)

.PHONY: bench bench-programs

EXTRA_DIST += \
	bench/README.md \
	bench/run \
	bench/hmbench/__init__.py \
	bench/hmbench/allocators.py \
	bench/hmbench/charts.py \
	bench/hmbench/measure.py \
	bench/hmbench/pairs.py \
	bench/hmbench/programs.py \
	bench/hmbench/redis.py \
	bench/hmbench/report.py \
	bench/hmbench/workloads.py \
	bench/programs/bigsource.py \
	bench/programs/objects.pl \
	bench/programs/objects.py \
	bench/programs/objects.rb \
	bench/programs/tables.sql \
	bench/programs/puzzle.smt2

# The smoke run needs the programs, but no other test does.
if !SANITIZER
TESTS += tests/bench/smoke.t
endif
EXTRA_DIST += tests/bench/smoke.t
tests/bench/smoke.log: $(bench_programs) libhakmem.la
# What the fast path costs in all is counted with one of them.
tests/meta/fastpath.log: bench/pairs libhakmem.la
