# SPDX-License-Identifier: MIT

# Installed for people to read and copy; the library has them compiled in.
HM_PROFILES = \
	profiles/default.conf \
	profiles/throughput.conf \
	profiles/low-memory.conf \
	profiles/high-contention.conf \
	profiles/hardened.conf

profilesdir = $(pkgdatadir)/profiles
dist_profiles_DATA = $(HM_PROFILES)
