// SPDX-License-Identifier: BSD-2-Clause
// The line editor.
//
// Invariants:
//   L1  len < LINE_SIZE, and text[len] is the terminator
//   L2  the echo of one key fits: it erases at most len characters, three
//       bytes each, or adds at most two

#include "libos/crt/line.h"
#include "kernel/base/assert.h"
#include "kernel/base/string.h"

#define KEY_END_OF_TEXT 0x03	// ^C
#define KEY_END 0x04		// ^D
#define KEY_BACKSPACE 0x08
#define KEY_ERASE_LINE 0x15	// ^U
#define KEY_ERASE_WORD 0x17	// ^W
#define KEY_ESCAPE 0x1b
#define KEY_DELETE 0x7f

enum escape_state {
	ESCAPE_NONE,
	ESCAPE_STARTED,
	ESCAPE_CSI,		// after ESC [ or ESC O, until a final byte
};

static void
echo_add(struct line_echo *echo, const char *text)
{
	u32 len = (u32)strlen(text);

	ASSERT(echo->len + len <= LINE_ECHO_MAX);
	memcpy(echo->text + echo->len, text, len);
	echo->len += len;
}

static bool
is_continuation(char c)
{
	return ((u8)c & 0xc0) == 0x80;
}

static void
erase_character(struct line *line, struct line_echo *echo)
{
	ASSERT(line->len > 0);
	do
		line->len--;
	while (line->len && is_continuation(line->text[line->len]));
	line->text[line->len] = 0;
	echo_add(echo, "\b \b");
}

static void
erase_word(struct line *line, struct line_echo *echo)
{
	while (line->len && line->text[line->len - 1] == ' ')
		erase_character(line, echo);
	while (line->len && line->text[line->len - 1] != ' ')
		erase_character(line, echo);
}

static void
insert(struct line *line, char key, struct line_echo *echo)
{
	char text[2] = { key, 0 };

	if (line->len + 1 == LINE_SIZE) {
		echo_add(echo, "\a");
		return;
	}
	line->text[line->len++] = key;
	line->text[line->len] = 0;
	echo_add(echo, text);
}

// Returns true when the key belongs to an escape sequence.
static bool
swallow_escape(struct line *line, char key)
{
	switch (line->escape) {
	case ESCAPE_NONE:
		if (key == KEY_ESCAPE)
			line->escape = ESCAPE_STARTED;
		return key == KEY_ESCAPE;
	case ESCAPE_STARTED:
		line->escape = key == '[' || key == 'O' ? ESCAPE_CSI :
							  ESCAPE_NONE;
		return true;
	}
	if (key >= 0x40 && key <= 0x7e)
		line->escape = ESCAPE_NONE;
	return true;
}

void
line_start(struct line *line)
{
	line->len = 0;
	line->escape = ESCAPE_NONE;
	line->text[0] = 0;
}

static void
edit(struct line *line, char key, struct line_echo *echo)
{
	switch (key) {
	case KEY_BACKSPACE:
	case KEY_DELETE:
		if (line->len)
			erase_character(line, echo);
		return;
	case KEY_ERASE_LINE:
		while (line->len)
			erase_character(line, echo);
		return;
	case KEY_ERASE_WORD:
		erase_word(line, echo);
		return;
	case '\t':
		insert(line, ' ', echo);
		return;
	}
	if ((u8)key >= 0x20)
		insert(line, key, echo);
}

enum line_event
line_key(struct line *line, char key, struct line_echo *echo)
{
	ASSERT(line->len < LINE_SIZE);
	echo->len = 0;
	if (swallow_escape(line, key))
		return LINE_MORE;
	switch (key) {
	case '\r':
	case '\n':
		echo_add(echo, "\n");
		return LINE_DONE;
	case KEY_END_OF_TEXT:
		echo_add(echo, "^C\n");
		return LINE_CANCELLED;
	case KEY_END:
		if (line->len)
			return LINE_MORE;
		echo_add(echo, "\n");
		return LINE_ENDED;
	}
	edit(line, key, echo);
	ASSERT(line->text[line->len] == 0);
	return LINE_MORE;
}

// Takes one word from *at: moves it to its final place (quotes vanish),
// terminates it, and advances. Returns false for an open quote.
static bool
take_word(char **at)
{
	char *from = *at, *to = *at;
	bool quoted = false;

	while (*from && (quoted || *from != ' ')) {
		if (*from == '"')
			quoted = !quoted;
		else
			*to++ = *from;
		from++;
	}
	*at = *from ? from + 1 : from;
	*to = 0;
	return !quoted;
}

int
line_split(char *text, char *words[WORDS_MAX])
{
	int count = 0;

	for (;;) {
		while (*text == ' ')
			text++;
		if (!*text)
			return count;
		if (count == (int)WORDS_MAX)
			return -1;
		words[count++] = text;
		if (!take_word(&text))
			return -1;
	}
}
