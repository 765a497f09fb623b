# SPDX-License-Identifier: BSD-2-Clause
# Releases: an archive whose bytes depend on the commit and the compilers alone, and the
# kernel and programs of the release before, for tests of both together.

RELEASE := 1.2

.PHONY: release before
release: $(SODIUM_STAMP) ## build/deos-RELEASE.tar.xz of HEAD, built twice: the same bytes
	@$(PYTHON) harness/release/release.py $(RELEASE) --build $(B)

before: $(SODIUM_STAMP) ## build/before/COMMIT: kernel and programs of the release before
	@$(PYTHON) harness/release/before.py --build $(B)
