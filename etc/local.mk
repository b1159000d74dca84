# SPDX-License-Identifier: MIT

# Installed to be copied to sysconfdir: what is there belongs to the machine's administrator,
# and does not change with a make install. The options' part comes from the same table as the
# parser.
pkgdata_DATA = etc/hakmem.conf
etc/hakmem.conf: etc/hakmem.conf.in src/optdoc
	$(AM_V_GEN)$(MKDIR_P) etc
	$(AM_V_at)src/optdoc --conf >$@.options
	$(AM_V_at)$(SED) -e '/^@OPTIONS@$$/{r $@.options' -e 'd' -e '}' \
		-e 's|@[s]ysconfdir@|$(sysconfdir)|g; s|@[d]atadir@|$(datadir)|g' \
		-e 's|@[P]ACKAGE@|$(PACKAGE)|g' $(srcdir)/etc/hakmem.conf.in >$@.tmp
	$(AM_V_at)rm $@.options && mv $@.tmp $@
CLEANFILES += etc/hakmem.conf etc/hakmem.conf.tmp etc/hakmem.conf.options

EXTRA_DIST += etc/hakmem.conf.in
