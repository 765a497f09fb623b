// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Bounded text: what answers on the control line are built in.
//
// Invariant T1: used < sizeof(at), and at[used] is the terminator. What does
// not fit is left out and `cut` says so.

#include "kernel/base/types.h"

#define TEXT_MAX (512u * 1024)

struct text {
	u32 used;
	bool cut;
	char at[TEXT_MAX];
};

void
text_clear(struct text *text);

// Appends as printf does.
void
text_add(struct text *text, const char *format, ...) printf_like(2, 3);

// Appends `s` as a JSON string with its quotes. Bytes that are not printable
// ASCII are escaped one by one, so the answer stays one line whatever is in a
// path.
void
text_add_json(struct text *text, const char *s);
