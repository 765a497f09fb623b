// SPDX-License-Identifier: BSD-2-Clause
// Bounded text: see text.h.
//
// One buffer serves all answers: the switch is one thread and finishes each
// answer before it begins the next.

#include "harness/switch/text.h"

#include <stdarg.h>
#include <stdio.h>

#include "kernel/base/assert.h"

void
text_clear(struct text *text)
{
	text->used = 0;
	text->cut = false;
	text->at[0] = '\0';
}

void
text_add(struct text *text, const char *format, ...)
{
	u32 room = TEXT_MAX - text->used;
	va_list args;
	int len;

	ASSERT(room > 0);
	va_start(args, format);
	len = vsnprintf(text->at + text->used, room, format, args);
	va_end(args);
	ASSERT(len >= 0);
	if ((u32)len >= room) {
		text->cut = true;
		text->at[text->used] = '\0';
		return;
	}
	text->used += (u32)len;
}

void
text_add_json(struct text *text, const char *s)
{
	text_add(text, "\"");
	for (; *s; s++) {
		u8 c = (u8)*s;

		if (c == '"' || c == '\\')
			text_add(text, "\\%c", c);
		else if (c < 0x20 || c >= 0x7f)
			text_add(text, "\\u%04x", c);
		else
			text_add(text, "%c", c);
	}
	text_add(text, "\"");
}
