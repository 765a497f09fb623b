# SPDX-License-Identifier: BSD-2-Clause
# The house's rules, and the one tool that applies some of them by itself.

.PHONY: tidy format size reference
tidy: ## style, include arrows, sizes, static analysis
	@$(PYTHON) harness/tidy/tidy.py --build $(B)

format: ## clang-format FILES="a.c b.h", or every C file
	@clang-format -i $(or $(FILES),$(shell find $(TEST_ROOMS) -name '*.[ch]'))

size: ## lines and bytes a folder, and the images
	@$(PYTHON) harness/tidy/report.py --build $(B)

reference: ## docs/calls.md, the system calls, from the tables in kernel/abi
	@$(PYTHON) kernel/abi/reference.py --write
