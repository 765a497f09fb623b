// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Line input with editing, as a pure state machine: a typed byte goes in, the
// text to echo and perhaps a finished line come out.
//
// Keys: Enter ends the line; Backspace and Delete take back a character (all
// bytes of a UTF-8 one), ^W a word, ^U the line; ^C gives the line up; ^D on an
// empty line ends the input. Arrow and function keys are swallowed. Bytes that
// no longer fit ring the bell.

#include "kernel/base/types.h"

#define LINE_SIZE 256u			// bytes of a line with its terminator
#define LINE_ECHO_MAX (3 * LINE_SIZE)	// bytes that one key echoes at most

enum line_event {
	LINE_MORE,
	LINE_DONE,		// text is complete, terminated, without newline
	LINE_CANCELLED,		// ^C
	LINE_ENDED,		// ^D
};

struct line {
	u32 len;
	u8 escape;		// enum escape_state of line.c
	char text[LINE_SIZE];
};

struct line_echo {
	u32 len;
	char text[LINE_ECHO_MAX];
};

// Makes the line empty.
void
line_start(struct line *line);

// Takes one key. *echo is what the terminal should show (it is replaced). After
// anything but LINE_MORE the line must be started again.
must_check enum line_event
line_key(struct line *line, char key, struct line_echo *echo);

#define WORDS_MAX 32u

// Splits a line in place at blanks into at most WORDS_MAX words; "double
// quotes" keep blanks. Returns how many, or -1 when there are too many or a
// quote is not closed.
must_check int
line_split(char *text, char *words[WORDS_MAX]);
