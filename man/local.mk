# SPDX-License-Identifier: MIT

dist_man_MANS = man/hakmem.1 man/hakmem.3 man/hakmem-profiles.7
man_MANS = man/hakmem.conf.5

# The options' part comes from the same table as the parser. The brackets keep config.status
# from putting its own values in the place of the names, here in the Makefile.
man/hakmem.conf.5: man/hakmem.conf.5.in src/optdoc
	$(AM_V_GEN)$(MKDIR_P) man
	$(AM_V_at)src/optdoc >$@.options
	$(AM_V_at)$(SED) -e '/^@OPTIONS@$$/{r $@.options' -e 'd' -e '}' \
		-e 's|@[s]ysconfdir@|$(sysconfdir)|g; s|@[d]atadir@|$(datadir)|g' \
		-e 's|@[P]ACKAGE@|$(PACKAGE)|g' $(srcdir)/man/hakmem.conf.5.in >$@.tmp
	$(AM_V_at)rm $@.options && mv $@.tmp $@
CLEANFILES += man/hakmem.conf.5 man/hakmem.conf.5.tmp man/hakmem.conf.5.options

EXTRA_DIST += man/hakmem.conf.5.in
