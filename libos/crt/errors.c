// SPDX-License-Identifier: BSD-2-Clause
// Error sentences, from the one table that the kernel uses too.
//
// Stateless.

#include "libos/crt/errors.h"

const char *
error_text(i64 result)
{
	switch (result < 0 ? -result : result) {
#define X(name, code, sentence) \
	case name: \
		return sentence;
#include "kernel/abi/errors.def"
#undef X
	}
	return "no error of the kernel's";
}
