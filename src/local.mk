# SPDX-License-Identifier: MIT

hakmemincludedir = $(includedir)/hakmem
hakmeminclude_HEADERS = include/hakmem/hakmem.h

HM_SOURCES = \
	src/alone.h \
	src/api.c \
	src/base.h \
	src/big.c \
	src/big.h \
	src/bigcache.c \
	src/bigcache.h \
	src/bits.c \
	src/bits.h \
	src/canary.c \
	src/canary.h \
	src/check.c \
	src/check.h \
	src/compat/malloc.h \
	src/compat/sys/stat.h \
	src/conf.c \
	src/conf.h \
	src/conf_env.c \
	src/conf_env.h \
	src/conf_exe.c \
	src/conf_exe.h \
	src/conf_origin.c \
	src/conf_origin.h \
	src/conf_parse.c \
	src/conf_parse.h \
	src/conf_report.c \
	src/conf_report.h \
	src/conf_source.c \
	src/conf_source.h \
	src/conf_texts.c \
	src/conf_texts.h \
	src/cxx.c \
	src/cxx.h \
	src/dump.c \
	src/dump.h \
	src/fail.c \
	src/fail.h \
	src/fence.c \
	src/fence.h \
	src/file.c \
	src/file.h \
	src/front.c \
	src/front.h \
	src/guard.c \
	src/guard.h \
	src/harden.c \
	src/harden.h \
	src/heap.c \
	src/heap.h \
	src/helper.c \
	src/helper.h \
	src/home.c \
	src/home.h \
	src/identity.c \
	src/identity.h \
	src/lock.c \
	src/lock.h \
	src/malloc.c \
	src/mallopt.c \
	src/mallopt.h \
	src/medium.c \
	src/medium.h \
	src/memlimit.c \
	src/memlimit.h \
	src/meta.c \
	src/meta.h \
	src/misuse.c \
	src/misuse.h \
	src/next.c \
	src/next.h \
	src/option.c \
	src/option.def \
	src/option.h \
	src/os.c \
	src/os.h \
	src/page.c \
	src/page.h \
	src/process.c \
	src/process.h \
	src/profiles_builtin.h \
	src/quarantine.c \
	src/quarantine.h \
	src/random.c \
	src/random.h \
	src/region.c \
	src/region.h \
	src/report.c \
	src/report.def \
	src/report.h \
	src/settle.c \
	src/settle.h \
	src/sizeclass.c \
	src/sizeclass.h \
	src/share.c \
	src/share.h \
	src/slab.c \
	src/slab.h \
	src/slab_give.c \
	src/superslab.c \
	src/superslab.h \
	src/superslab_pages.c \
	src/symbol.c \
	src/symbol.h \
	src/sys.c \
	src/sys.h \
	src/tcache.c \
	src/tcache.h \
	src/tcache_threads.c \
	src/tcache_totals.c \
	src/text.c \
	src/text.h \
	src/trim.c \
	src/trim.h \
	src/walk.c \
	src/walk.h \
	src/window.c \
	src/window.h

# Every file sees the facts that configure found, without having to ask for them.
HM_CPPFLAGS = -include config.h -D_GNU_SOURCE -DHM_SYSCONFDIR='"$(sysconfdir)"' \
	-DHM_DATADIR='"$(datadir)"' \
	$(HM_COMPAT_CPPFLAGS) -I$(top_srcdir)/include -I$(top_srcdir)/src

# What a C++ new-handler throws passes through our frames: exceptions. What __FILE__ becomes
# does not depend on where the build is: macro-prefix-map.
HM_LIB_CFLAGS = $(HM_CFLAGS) $(HM_WARN_CFLAGS) $(HM_WERROR_CFLAGS) \
	-fexceptions -fmacro-prefix-map=$(srcdir)/=

# The library --------------------------------------------------------------------------

if !SANITIZER
lib_LTLIBRARIES += libhakmem.la
endif

libhakmem_la_SOURCES = $(HM_SOURCES)
nodist_libhakmem_la_SOURCES = src/profiles_builtin.c
libhakmem_la_CPPFLAGS = $(HM_CPPFLAGS)
# The thread's cache is found through one pointer at a fixed offset from the thread's own
# address, which needs no call into the dynamic linker.
libhakmem_la_CFLAGS = $(HM_LIB_CFLAGS) -fvisibility=hidden -ftls-model=initial-exec
# Blocks and thread destructors outlive a dlclose, so the library stays: nodelete. Symbols
# are bound at start, when no lock is held: now. A call from one of our functions to another
# is one, also when a program has a malloc of its own: Bsymbolic.
libhakmem_la_LDFLAGS = -version-info $(HM_VERSION_INFO) \
	-Wl,--version-script=$(srcdir)/src/libhakmem.map \
	-Wl,-Bsymbolic-functions -Wl,-z,defs -Wl,-z,nodelete -Wl,-z,now -Wl,-z,relro \
	$(HM_RELR_LDFLAGS)
EXTRA_libhakmem_la_DEPENDENCIES = src/libhakmem.map
if LAYOUT
libhakmem_la_LDFLAGS += -Wl,-z,separate-code -Wl,-T,$(srcdir)/src/libhakmem.lds
EXTRA_libhakmem_la_DEPENDENCIES += src/libhakmem.lds
endif

# The same sources for tests that look inside: nothing is hidden, and malloc and its family
# are called hm_test_malloc and so on, so that a sanitizer's malloc can be in the same process.
check_LIBRARIES += libhm_internal.a
libhm_internal_a_SOURCES = $(HM_SOURCES)
nodist_libhm_internal_a_SOURCES = src/profiles_builtin.c
libhm_internal_a_CPPFLAGS = $(HM_CPPFLAGS) -include $(top_srcdir)/tests/prefix.h
libhm_internal_a_CFLAGS = $(HM_LIB_CFLAGS) $(HM_SANITIZER_CFLAGS)

# Generated ----------------------------------------------------------------------------

src/profiles_builtin.c: src/gen-profiles.sh $(HM_PROFILES)
	$(AM_V_GEN)$(MKDIR_P) src
	$(AM_V_at)sh $(srcdir)/src/gen-profiles.sh \
		$(HM_PROFILES:%=$(srcdir)/%) >$@.tmp && mv $@.tmp $@
CLEANFILES += src/profiles_builtin.c src/profiles_builtin.c.tmp

# Runs on the building machine, so it is no ordinary program.
src/optdoc: src/optdoc.c src/option.def src/option.h
	$(AM_V_GEN)$(MKDIR_P) src
	$(AM_V_at)$(CC_FOR_BUILD) -I$(srcdir)/src $(HM_FLAGS_FOR_BUILD) \
		-o $@ $(srcdir)/src/optdoc.c
CLEANFILES += src/optdoc

EXTRA_DIST += src/gen-profiles.sh src/libhakmem.lds src/libhakmem.map src/optdoc.c
