# SPDX-License-Identifier: MIT
# Everything speaks TAP: programs in C and C++, and scripts *.t in Perl. HACKING.md, "Tests".

TEST_EXTENSIONS = .t
LOG_DRIVER = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh
T_LOG_DRIVER = $(LOG_DRIVER)
if HAVE_PERL
T_LOG_COMPILER = $(PERL) -w
else
T_LOG_COMPILER = echo '1..0 \# SKIP no Perl with Test::More for'
endif

# The machine's own configuration may not decide how a test ends. Of the sanitizers: a leak of
# a test program is no finding, and a forked child of threads may start threads, and
# has not got the threads that its parent would have joined.
AM_TESTS_ENVIRONMENT = \
	ASAN_OPTIONS=detect_leaks=0; export ASAN_OPTIONS; \
	TSAN_OPTIONS="die_after_fork=0 report_thread_leaks=0"; export TSAN_OPTIONS; \
	HAKMEM_CONF=/dev/null; export HAKMEM_CONF; \
	unset HAKMEM_PROFILE HAKMEM_OPTIONS LD_PRELOAD MAKEFLAGS MFLAGS; \
	HM_SRCDIR='$(abs_top_srcdir)'; export HM_SRCDIR; \
	HM_BUILDDIR='$(abs_top_builddir)'; export HM_BUILDDIR; \
	HM_LIBRARY='$(abs_top_builddir)/.libs/libhakmem.so.0'; export HM_LIBRARY; \
	CC='$(CC)'; export CC; CXX='$(CXX)'; export CXX; MAKE='$(MAKE)'; export MAKE;

AM_CFLAGS = $(HM_CFLAGS) $(HM_TEST_WARN_CFLAGS) $(HM_WERROR_CFLAGS) $(HM_SANITIZER_CFLAGS)
AM_CXXFLAGS = -std=c++17 -fsized-deallocation -Wall -Wextra -fno-builtin $(HM_WERROR_CFLAGS)
# Without -no-install libtool would put a shell script in a program's place, which neither a
# debugger nor valgrind can do anything with.
AM_LDFLAGS = -no-install -pthread

# Where a long has 32 bits, an emulator passes on what its host's file systems have in 64.
test_includes = -D_FILE_OFFSET_BITS=64 -I$(top_srcdir)/include $(HM_COMPAT_CPPFLAGS) \
	$(CMOCKA_CFLAGS)
# With a sanitizer, what is tested is the internal library, under its own names.
if SANITIZER
AM_CPPFLAGS = -include $(top_srcdir)/tests/prefix.h $(test_includes)
LDADD = libhm_internal.a $(CMOCKA_LIBS)
else
AM_CPPFLAGS = $(test_includes)
LDADD = libhakmem.la $(CMOCKA_LIBS)
endif

# unit: modules by their internal functions ----------------------------------------------

unit_cppflags = -DHM_TEST_PREFIX -I$(top_srcdir)/tests -I$(top_srcdir)/src \
	$(test_includes)
unit_ldadd = libhm_internal.a $(CMOCKA_LIBS)
# Malloc and its family in libhm_internal.a, by the names that they have there.
heap_cppflags = -include $(top_srcdir)/tests/prefix.h $(unit_cppflags:-DHM_TEST_PREFIX=)
unit_tests = \
	tests/unit/test_big \
	tests/unit/test_big_compose \
	tests/unit/test_big_lend \
	tests/unit/test_bits \
	tests/unit/test_canary \
	tests/unit/test_check \
	tests/unit/test_conf \
	tests/unit/test_conf_app \
	tests/unit/test_conf_errors \
	tests/unit/test_conf_files \
	tests/unit/test_conf_refused \
	tests/unit/test_dump \
	tests/unit/test_exhaustion \
	tests/unit/test_fence \
	tests/unit/test_guard \
	tests/unit/test_heap \
	tests/unit/test_lock \
	tests/unit/test_medium \
	tests/unit/test_memlimit \
	tests/unit/test_meta \
	tests/unit/test_option \
	tests/unit/test_process \
	tests/unit/test_quarantine \
	tests/unit/test_random \
	tests/unit/test_region \
	tests/unit/test_report \
	tests/unit/test_secure \
	tests/unit/test_settle \
	tests/unit/test_share \
	tests/unit/test_sizeclass \
	tests/unit/test_slab \
	tests/unit/test_slab_threads \
	tests/unit/test_superslab \
	tests/unit/test_superslab_trim \
	tests/unit/test_sys \
	tests/unit/test_tcache \
	tests/unit/test_tcache_threads \
	tests/unit/test_text \
	tests/unit/test_trim \
	tests/unit/test_watch \
	tests/unit/test_window
tests_unit_test_big_CPPFLAGS = $(unit_cppflags)
tests_unit_test_big_LDADD = $(unit_ldadd)
tests_unit_test_big_compose_CPPFLAGS = $(unit_cppflags)
tests_unit_test_big_compose_LDADD = $(unit_ldadd)
tests_unit_test_big_lend_CPPFLAGS = $(unit_cppflags)
tests_unit_test_big_lend_LDADD = $(unit_ldadd)
tests_unit_test_bits_CPPFLAGS = $(unit_cppflags)
tests_unit_test_bits_LDADD = $(unit_ldadd)
tests_unit_test_canary_CPPFLAGS = $(unit_cppflags)
tests_unit_test_canary_LDADD = $(unit_ldadd)
tests_unit_test_check_CPPFLAGS = $(heap_cppflags)
tests_unit_test_check_LDADD = $(unit_ldadd)
tests_unit_test_conf_CPPFLAGS = $(unit_cppflags)
tests_unit_test_conf_LDADD = $(unit_ldadd)
tests_unit_test_conf_app_CPPFLAGS = $(unit_cppflags)
tests_unit_test_conf_app_LDADD = $(unit_ldadd)
tests_unit_test_conf_errors_CPPFLAGS = $(unit_cppflags)
tests_unit_test_conf_errors_LDADD = $(unit_ldadd)
tests_unit_test_conf_files_CPPFLAGS = $(unit_cppflags)
tests_unit_test_conf_files_LDADD = $(unit_ldadd)
tests_unit_test_conf_refused_CPPFLAGS = $(unit_cppflags)
tests_unit_test_conf_refused_LDADD = $(unit_ldadd)
tests_unit_test_dump_CPPFLAGS = $(unit_cppflags)
tests_unit_test_dump_LDADD = $(unit_ldadd)
# The system calls of os.c go through the test.
tests_unit_test_exhaustion_CPPFLAGS = $(heap_cppflags)
tests_unit_test_exhaustion_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=hm_sys_call
tests_unit_test_exhaustion_LDADD = $(unit_ldadd)
tests_unit_test_fence_CPPFLAGS = $(unit_cppflags)
tests_unit_test_fence_LDADD = $(unit_ldadd)
tests_unit_test_guard_CPPFLAGS = $(unit_cppflags)
tests_unit_test_guard_LDADD = $(unit_ldadd)
tests_unit_test_heap_CPPFLAGS = $(unit_cppflags)
tests_unit_test_heap_LDADD = $(unit_ldadd)
tests_unit_test_lock_CPPFLAGS = $(unit_cppflags)
tests_unit_test_lock_LDADD = $(unit_ldadd)
tests_unit_test_medium_CPPFLAGS = $(unit_cppflags)
tests_unit_test_medium_LDADD = $(unit_ldadd)
tests_unit_test_memlimit_CPPFLAGS = $(unit_cppflags)
tests_unit_test_memlimit_LDADD = $(unit_ldadd)
tests_unit_test_meta_CPPFLAGS = $(unit_cppflags)
tests_unit_test_meta_LDADD = $(unit_ldadd)
tests_unit_test_option_CPPFLAGS = $(unit_cppflags)
tests_unit_test_option_LDADD = $(unit_ldadd)
tests_unit_test_process_CPPFLAGS = $(unit_cppflags)
tests_unit_test_process_LDADD = $(unit_ldadd)
# What a lane of it grows by goes through the test.
tests_unit_test_quarantine_CPPFLAGS = $(unit_cppflags)
tests_unit_test_quarantine_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=hm_meta_alloc
tests_unit_test_quarantine_LDADD = $(unit_ldadd)
tests_unit_test_random_CPPFLAGS = $(unit_cppflags)
tests_unit_test_random_LDADD = $(unit_ldadd)
tests_unit_test_region_CPPFLAGS = $(unit_cppflags)
tests_unit_test_region_LDADD = $(unit_ldadd)
tests_unit_test_report_CPPFLAGS = $(unit_cppflags)
tests_unit_test_report_LDADD = $(unit_ldadd)
# What a process finds out about itself at its start goes through the test.
tests_unit_test_secure_CPPFLAGS = $(unit_cppflags)
tests_unit_test_secure_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=hm_sys_start_facts \
	-Wl,--wrap=hm_conf_load
tests_unit_test_secure_LDADD = $(unit_ldadd)
tests_unit_test_settle_CPPFLAGS = $(unit_cppflags)
tests_unit_test_settle_LDADD = $(unit_ldadd)
tests_unit_test_share_CPPFLAGS = $(unit_cppflags)
tests_unit_test_share_LDADD = $(unit_ldadd)
tests_unit_test_sizeclass_CPPFLAGS = $(unit_cppflags)
tests_unit_test_sizeclass_LDADD = $(unit_ldadd)
tests_unit_test_slab_CPPFLAGS = $(unit_cppflags)
tests_unit_test_slab_LDADD = $(unit_ldadd)
tests_unit_test_slab_threads_CPPFLAGS = $(unit_cppflags)
tests_unit_test_slab_threads_LDADD = $(unit_ldadd)
tests_unit_test_superslab_CPPFLAGS = $(unit_cppflags)
tests_unit_test_superslab_LDADD = $(unit_ldadd)
tests_unit_test_superslab_trim_CPPFLAGS = $(unit_cppflags)
tests_unit_test_superslab_trim_LDADD = $(unit_ldadd)
tests_unit_test_sys_CPPFLAGS = $(unit_cppflags)
tests_unit_test_sys_LDADD = $(unit_ldadd)
tests_unit_test_tcache_CPPFLAGS = $(unit_cppflags)
tests_unit_test_tcache_LDADD = $(unit_ldadd)
tests_unit_test_tcache_threads_CPPFLAGS = $(unit_cppflags)
tests_unit_test_tcache_threads_LDADD = $(unit_ldadd)
tests_unit_test_text_CPPFLAGS = $(unit_cppflags)
tests_unit_test_text_LDADD = $(unit_ldadd)
tests_unit_test_trim_CPPFLAGS = $(unit_cppflags)
tests_unit_test_trim_LDADD = $(unit_ldadd)
tests_unit_test_watch_CPPFLAGS = $(unit_cppflags)
tests_unit_test_watch_LDADD = $(unit_ldadd)
tests_unit_test_window_CPPFLAGS = $(unit_cppflags)
tests_unit_test_window_LDADD = $(unit_ldadd)

# fuzz: what a fuzzer would run, on the inputs that are kept in seeds-… --------------------

fuzz_tests = tests/fuzz/fuzz_api tests/fuzz/fuzz_conf tests/fuzz/fuzz_option
tests_fuzz_fuzz_api_CPPFLAGS = $(heap_cppflags)
tests_fuzz_fuzz_api_LDADD = libhm_internal.a
tests_fuzz_fuzz_conf_CPPFLAGS = $(unit_cppflags)
tests_fuzz_fuzz_conf_LDADD = libhm_internal.a
tests_fuzz_fuzz_option_CPPFLAGS = $(heap_cppflags)
tests_fuzz_fuzz_option_LDADD = libhm_internal.a
check_PROGRAMS += $(fuzz_tests)
TESTS += $(fuzz_tests)
EXTRA_DIST += tests/fuzz/replay.h tests/fuzz/run.sh tests/fuzz/seeds-api \
	tests/fuzz/seeds-conf tests/fuzz/seeds-option

# `make fuzz SECONDS=n`: n seconds for each target. What is found on the way stays in
# fuzz/corpus-*, for the next time.
fuzz: src/profiles_builtin.c
	$(AM_V_at)SRCDIR='$(abs_srcdir)' SECONDS_EACH='$(SECONDS)' \
		sh $(srcdir)/tests/fuzz/run.sh $(fuzz_tests)
.PHONY: fuzz

# api, misuse, stress: libhakmem.so as users' programs have it. Stress tests run with a
# sanitizer too -----------------------------------------------------------------------------

api_tests = \
	tests/api/test_align \
	tests/api/test_confined \
	tests/api/test_family \
	tests/api/test_info \
	tests/api/test_limits \
	tests/api/test_sizes \
	tests/api/test_stats \
	tests/misuse/test_hardened \
	tests/misuse/test_misuse
stress_tests = \
	tests/stress/soak \
	tests/stress/test_fork \
	tests/stress/test_fork_edges \
	tests/stress/test_handoff \
	tests/stress/test_larson \
	tests/stress/test_mappings \
	tests/stress/test_random \
	tests/stress/test_threads
# What tools/check.sh also runs on valgrind's synthetic CPU. Not what sets limits, which
# valgrind is bound by as well, or dies by a signal.
valgrind_tests = \
	tests/api/test_align \
	tests/api/test_family \
	tests/api/test_info \
	tests/api/test_sizes \
	tests/api/test_stats

# What tools/ports.sh runs on other architectures and C libraries: something of every layer,
# and nothing that takes an emulator long.
port_tests = \
	tests/api/test_family \
	tests/fuzz/fuzz_api \
	tests/fuzz/fuzz_conf \
	tests/fuzz/fuzz_option \
	tests/static/test_static \
	tests/unit/test_big \
	tests/unit/test_big_compose \
	tests/unit/test_big_lend \
	tests/unit/test_bits \
	tests/unit/test_conf_errors \
	tests/unit/test_lock \
	tests/unit/test_medium \
	tests/unit/test_meta \
	tests/unit/test_option \
	tests/unit/test_region \
	tests/unit/test_share \
	tests/unit/test_sizeclass \
	tests/unit/test_slab \
	tests/unit/test_superslab \
	tests/unit/test_sys \
	tests/unit/test_tcache \
	tests/unit/test_tcache_threads \
	tests/unit/test_text \
	tests/unit/test_window

# profiles.t runs it under one profile and option after the other.
api_helpers = tests/profiles/probe

# catalogue: programs that misuse the heap, under whatever allocator is preloaded: linked with
# none, and with nothing else that might be missing where it is compared.
misuse_programs = tests/misuse/catalogue
tests_misuse_catalogue_SOURCES = tests/misuse/catalogue.c tests/misuse/catalogue_cases.c \
	tests/misuse/catalogue.h
tests_misuse_catalogue_LDADD =

# cxx: operators new and delete, seen from C++ --------------------------------------------

cxx_tests = tests/api/test_cxx
tests_api_test_cxx_SOURCES = tests/api/test_cxx.cc
cxx_modules =
if SHARED
cxx_tests += tests/api/test_cxx_dlopen
cxx_modules += tests/api/cxx_plugin.la
tests_api_cxx_plugin_la_SOURCES = tests/api/cxx_plugin.cc
tests_api_cxx_plugin_la_LDFLAGS = $(module_ldflags)
endif
# libtool builds only what has an -rpath as a shared object.
module_ldflags = -module -avoid-version -rpath $(abs_builddir)/tests

# dlopen, early, preload: libhakmem.so comes in otherwise than by linking ------------------

tests_dlopen_test_dlopen_LDADD = $(CMOCKA_LIBS)
tests_early_early_lib_la_SOURCES = tests/early/early_lib.c
tests_early_early_lib_la_LDFLAGS = $(module_ldflags) -Wl,-init,early_init -Wl,-fini,late_fini

# disabled.t runs it with the library and without: it is not linked with it.
preload_helpers = tests/preload/passes
tests_preload_passes_LDADD =

scripts = \
	tests/early/early.t \
	tests/misuse/catalogue.t \
	tests/preload/active.t \
	tests/preload/bare.t \
	tests/preload/conf.t \
	tests/preload/disabled.t \
	tests/preload/gcc.t \
	tests/preload/git.t \
	tests/preload/hostile.t \
	tests/preload/limits.t \
	tests/preload/perl.t \
	tests/preload/python.t \
	tests/preload/redis.t \
	tests/preload/resident.t \
	tests/preload/shell.t \
	tests/preload/sqlite.t \
	tests/preload/statistics.t \
	tests/profiles/hardened.t \
	tests/profiles/profiles.t

# command: `hakmem`, run as people run it ----------------------------------------------------

command_tests = \
	tests/command/ab.t \
	tests/command/check.t \
	tests/command/completion.t \
	tests/command/doctor.t \
	tests/command/examples.t \
	tests/command/enable.t \
	tests/command/explain.t \
	tests/command/live.t \
	tests/command/profiles.t \
	tests/command/run.t \
	tests/command/sample.t \
	tests/command/stat.t \
	tests/command/top.t \
	tests/command/why.t

# static: libhakmem.a in a program without a dynamic linker --------------------------------

tests_static_test_static_LDADD = libhakmem.la
tests_static_test_static_LDFLAGS = $(AM_LDFLAGS) -all-static

# meta: rules about the sources and about what is built -----------------------------------

meta_tests = \
	tests/meta/dist.t \
	tests/meta/docs.t \
	tests/meta/elf.t \
	tests/meta/fastpath.t \
	tests/meta/install.t \
	tests/meta/integration.t \
	tests/meta/layers.t \
	tests/meta/manual.t \
	tests/meta/sources.t \
	tests/meta/symbols.t \
	tests/meta/version.t

# model: what spin can verify without running any of it ---------------------------------------

model_tests = tests/model/slab.t
TESTS += $(model_tests)
EXTRA_DIST += $(model_tests) tests/model/slab.pml

# packages: Debian packages are built, and installed on this machine. Not part of `make check`;
# tools/check.sh runs them one after the other: the first builds what the others install. -------

packages_tests = \
	tests/packages/build.t \
	tests/packages/lifecycle.t \
	tests/packages/autopkgtest.t
tests/packages/lifecycle.log: tests/packages/build.log
tests/packages/autopkgtest.log: tests/packages/lifecycle.log

# soak: a stress test for as long as told; two rounds of it in make check. -----------------

soak: tests/stress/soak
	$(AM_TESTS_ENVIRONMENT) tests/stress/soak '$(or $(SECONDS),60)'
.PHONY: soak

# Which of them can be built and run here ---------------------------------------------------

check_PROGRAMS += $(unit_tests) $(stress_tests)
TESTS += $(unit_tests) $(stress_tests)
TESTS += $(command_tests)

if !SANITIZER
if GLIBC
check_PROGRAMS += $(preload_helpers)
endif
check_PROGRAMS += $(misuse_programs)
TESTS += $(scripts) $(meta_tests)
check_PROGRAMS += $(api_tests) $(api_helpers)
TESTS += $(api_tests)
if HAVE_CXX
check_PROGRAMS += $(cxx_tests)
check_LTLIBRARIES += $(cxx_modules)
TESTS += $(cxx_tests)
else
TESTS += tests/no-cxx.t
endif
if SHARED
if GLIBC
check_PROGRAMS += tests/dlopen/test_dlopen
TESTS += tests/dlopen/test_dlopen
endif
check_LTLIBRARIES += tests/early/early_lib.la
endif
if STATIC
check_PROGRAMS += tests/static/test_static
TESTS += tests/static/test_static tests/static/static.t
endif
endif

EXTRA_DIST += tests/misuse/Catalogue.pm tests/misuse/catalogue.golden tests/misuse/compare.pl
EXTRA_DIST += $(scripts) $(meta_tests) $(command_tests) tests/command/Command.pm \
	tests/static/static.t tests/cmocka/cmocka.h \
	tests/hide.h tests/no-cxx.t tests/prefix.h tests/support.h tests/unit/caches.h \
	tests/unit/capture.h tests/unit/conf_dir.h tests/unit/conf_load.h \
	tests/unit/extents.h tests/unit/inject.h tests/unit/layers.h tests/unit/rerun.h \
	tests/unit/slab_blocks.h tests/unit/superslab_runs.h tests/preload/Preload.pm \
	tests/meta/Repo.pm $(packages_tests) tests/packages/Installed.pm \
	tests/meta/imports.golden tests/meta/installed.golden tests/meta/symbols.golden \
	tests/meta/tarball.golden
