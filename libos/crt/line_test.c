// SPDX-License-Identifier: BSD-2-Clause
// The line editor and the word splitter.
//
// links: libos/crt/line.c kernel/base/string.c

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kernel/base/assert.h"
#include "kernel/base/string.h"
#include "libos/crt/line.h"

void
assert_failed(const char *expression, const char *file, int line)
{
	_assert_true(0, expression, file, line);
	abort();
}

static enum line_event
type(struct line *line, const char *keys, struct line_echo *echo)
{
	enum line_event event = LINE_MORE;

	while (*keys && event == LINE_MORE)
		event = line_key(line, *keys++, echo);
	return event;
}

static void
check_line(const char *keys, enum line_event event, const char *text)
{
	struct line line;
	struct line_echo echo;

	line_start(&line);
	assert_int_equal(type(&line, keys, &echo), event);
	assert_string_equal(line.text, text);
	assert_int_equal(line.len, strlen(text));
}

static void
test_keys(void **state)
{
	(void)state;
	check_line("hello\r", LINE_DONE, "hello");
	check_line("hello\n", LINE_DONE, "hello");
	check_line("helpp\b\x7flo\r", LINE_DONE, "hello");
	check_line("\b\bx\r", LINE_DONE, "x");
	check_line("gone\x15new\r", LINE_DONE, "new");
	check_line("one two  \x17three\r", LINE_DONE, "one three");
	check_line("tab\there\r", LINE_DONE, "tab here");
	check_line("half\x03", LINE_CANCELLED, "half");
	check_line("\x04", LINE_ENDED, "");
	check_line("x\x04y\r", LINE_DONE, "xy");
	check_line("\x1b[A\x1b[3~\x1bOPup\r", LINE_DONE, "up");
	check_line("\x01\x02x\x1f\r", LINE_DONE, "x");
	check_line("caf\xc3\xa9\x7f\x65\r", LINE_DONE, "cafe");
}

static void
test_echo(void **state)
{
	struct line line;
	struct line_echo echo;

	(void)state;
	line_start(&line);
	assert_int_equal(line_key(&line, 'a', &echo), LINE_MORE);
	assert_memory_equal(echo.text, "a", echo.len);
	assert_int_equal(line_key(&line, 'b', &echo), LINE_MORE);
	assert_int_equal(line_key(&line, 0x15, &echo), LINE_MORE);
	assert_int_equal(echo.len, 6);
	assert_memory_equal(echo.text, "\b \b\b \b", 6);
	assert_int_equal(line_key(&line, '\b', &echo), LINE_MORE);
	assert_int_equal(echo.len, 0);
	assert_int_equal(line_key(&line, '\r', &echo), LINE_DONE);
	assert_memory_equal(echo.text, "\n", 1);
}

static void
test_full(void **state)
{
	struct line line;
	struct line_echo echo;

	(void)state;
	line_start(&line);
	for (u32 i = 0; i < 2 * LINE_SIZE; i++)
		assert_int_equal(line_key(&line, 'x', &echo), LINE_MORE);
	assert_int_equal(line.len, LINE_SIZE - 1);
	assert_memory_equal(echo.text, "\a", 1);
	assert_int_equal(line_key(&line, 0x15, &echo), LINE_MORE);
	assert_int_equal(line.len, 0);
}

static void
check_split(const char *text, int count, const char *first, const char *last)
{
	char copy[LINE_SIZE];
	char *words[WORDS_MAX];

	string_copy(copy, sizeof(copy), text);
	assert_int_equal(line_split(copy, words), count);
	if (count < 1)
		return;
	assert_string_equal(words[0], first);
	assert_string_equal(words[count - 1], last);
}

static void
test_split(void **state)
{
	(void)state;
	check_split("", 0, "", "");
	check_split("   ", 0, "", "");
	check_split("one", 1, "one", "one");
	check_split("  run  crash null ", 3, "run", "null");
	check_split("say \"two words\"", 2, "say", "two words");
	check_split("a\"b c\"d e", 2, "ab cd", "e");
	check_split("\"\" x", 2, "", "x");
	check_split("open \"quote", -1, "", "");
	check_split("1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 "
		    "23 24 25 26 27 28 29 30 31 32", 32, "1", "32");
	check_split("1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 "
		    "23 24 25 26 27 28 29 30 31 32 33", -1, "", "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_echo),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_split),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
