# SPDX-License-Identifier: MIT
# The command `hakmem`: one source file a subcommand, and what they share. It asks the
# parser of hakmem.conf itself, the very objects that are in the library.

if SANITIZER
check_PROGRAMS += command/hakmem
command_hakmem_LDADD = libhm_internal.a
else
bin_PROGRAMS += command/hakmem
command_hakmem_LDADD = \
	src/libhakmem_la-conf.lo \
	src/libhakmem_la-conf_env.lo \
	src/libhakmem_la-conf_exe.lo \
	src/libhakmem_la-conf_origin.lo \
	src/libhakmem_la-conf_parse.lo \
	src/libhakmem_la-conf_report.lo \
	src/libhakmem_la-conf_source.lo \
	src/libhakmem_la-conf_texts.lo \
	src/libhakmem_la-identity.lo \
	src/libhakmem_la-memlimit.lo \
	src/libhakmem_la-option.lo \
	src/libhakmem_la-os.lo \
	src/libhakmem_la-profiles_builtin.lo \
	src/libhakmem_la-sys.lo \
	src/libhakmem_la-text.lo
endif
command_hakmem_LDADD += $(NCURSES_LIBS)
command_hakmem_SOURCES = \
	command/ab.c \
	command/account.c \
	command/account.h \
	command/chart.c \
	command/chart.h \
	command/check.c \
	command/comment.c \
	command/comment.h \
	command/commands.h \
	command/diag.c \
	command/diag.h \
	command/doctor.c \
	command/elf_file.c \
	command/elf_file.h \
	command/enable.c \
	command/explain.c \
	command/figures.c \
	command/figures.h \
	command/foreign.c \
	command/foreign.h \
	command/history.c \
	command/history.h \
	command/library.c \
	command/library.h \
	command/live.c \
	command/live.h \
	command/machine.c \
	command/machine.h \
	command/main.c \
	command/map.c \
	command/measure.c \
	command/measure.h \
	command/out.c \
	command/out.h \
	command/profiles.c \
	command/profiles_whole.h \
	command/program.c \
	command/program.h \
	command/residency.c \
	command/residency.h \
	command/run.c \
	command/snapshot.c \
	command/snapshot.h \
	command/started.c \
	command/started.h \
	command/stat.c \
	command/svg.c \
	command/svg.h \
	command/top.c \
	command/top_screen.c \
	command/top_view.c \
	command/top_view.h \
	command/trim.c \
	command/unit.c \
	command/unit.h \
	command/view.c \
	command/view.h \
	command/why.c \
	command/wish.c \
	command/wish.h
nodist_command_hakmem_SOURCES = command/profiles_whole.c
command_hakmem_CPPFLAGS = $(HM_CPPFLAGS) -I$(top_srcdir)/command \
	$(NCURSES_CFLAGS) -DHM_BINDIR='"$(bindir)"' -DHM_LIBDIR='"$(libdir)"' -DHM_PKGLIBDIR='"$(pkglibdir)"'
command_hakmem_CFLAGS = $(HM_CFLAGS) $(HM_WARN_CFLAGS) $(HM_WERROR_CFLAGS) \
	$(HM_SANITIZER_CFLAGS)

# Preloaded by `hakmem run --no-inherit`.
if SHARED
if !SANITIZER
pkglib_LTLIBRARIES += command/noinherit.la
endif
endif
command_noinherit_la_SOURCES = command/noinherit.c
command_noinherit_la_CFLAGS = $(HM_CFLAGS) $(HM_WARN_CFLAGS) $(HM_WERROR_CFLAGS)
command_noinherit_la_LDFLAGS = -module -avoid-version -shared -Wl,-z,now
command_noinherit_la_LIBADD =

# With the comments, which give the reasons.
command/profiles_whole.c: src/gen-profiles.sh $(HM_PROFILES)
	$(AM_V_GEN)$(MKDIR_P) command
	$(AM_V_at)sh $(srcdir)/src/gen-profiles.sh --whole \
		$(HM_PROFILES:%=$(srcdir)/%) >$@.tmp && mv $@.tmp $@
CLEANFILES += command/profiles_whole.c command/profiles_whole.c.tmp

# Where the shells look under every prefix.
bashcompletiondir = $(datadir)/bash-completion/completions
dist_bashcompletion_DATA = command/completions/hakmem
zshcompletiondir = $(datadir)/zsh/site-functions
dist_zshcompletion_DATA = command/completions/_hakmem
