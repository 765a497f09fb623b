// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Running code that may fault, and going on after it did: for tests, and for
// programs that touch memory which somebody else may take away.

#include "libos/crt/upcall.h"

// Runs body(argument). Returns false when it returned; true when it faulted
// and no other handler took the fault: *fault then says how, and everything
// that the body had on the stack is gone. Does not nest.
bool
attempt(void (*body)(void *argument), void *argument,
	struct upcall_frame *fault);
