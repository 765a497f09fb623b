// SPDX-License-Identifier: BSD-2-Clause
// The shell's loop: typed bytes become lines, lines become commands; in between
// it sleeps until something is typed or a job ends.
//
// While a job is in the foreground only ^C is obeyed; what else is typed waits
// for the prompt (TYPED_MAX bytes of it).

#include "libos/crt/clock.h"
#include "libos/crt/console.h"
#include "libos/crt/errors.h"
#include "libos/crt/line.h"
#include "libos/crt/start.h"
#include "libos/crt/status.h"
#include "libos/programs/sh/sh.h"

#define TYPED_MAX 1024u
#define KEY_INTERRUPT 0x03

static struct {
	u32 len;
	u32 taken;
	char text[TYPED_MAX];
} typed;

static struct line line;

static void
prompt(void)
{
	console_put("deos> ", 6);
}

// Moves what was typed into the buffer; what does not fit is lost. Returns the
// console's count of typed bytes from before.
static u32
read_console(void)
{
	char keys[128];
	u32 count, word;

	if (typed.taken == typed.len)
		typed.taken = typed.len = 0;
	count = console_take(keys, sizeof(keys), &word);
	for (u32 i = 0; i < count; i++) {
		if (keys[i] == KEY_INTERRUPT && job_in_foreground()) {
			job_interrupt();
			prompt();
		} else if (typed.len < TYPED_MAX)
			typed.text[typed.len++] = keys[i];
	}
	return word;
}

// Handles one finished line. Returns false at the end of input.
static bool
line_finished(enum line_event event)
{
	if (event == LINE_ENDED)
		return false;
	if (event == LINE_DONE)
		command_run(line.text);
	line_start(&line);
	if (!job_in_foreground())
		prompt();
	return true;
}

// Edits with what was typed until a job takes the foreground. Returns false at
// the end of input.
static bool
edit(void)
{
	struct line_echo echo;

	while (!job_in_foreground() && typed.taken < typed.len) {
		enum line_event event =
			line_key(&line, typed.text[typed.taken++], &echo);

		console_put(echo.text, echo.len);
		if (event != LINE_MORE && !line_finished(event))
			return false;
	}
	return true;
}

static void
announce_ended(bool was_in_foreground)
{
	if (job_in_foreground())
		return;
	prompt();
	if (!was_in_foreground)
		console_put(line.text, line.len);
}

int
main(int argc, char **argv)
{
	struct wait_set set;
	i64 error = archive_open(ROLE_BOOT_ARCHIVE, &boot_archive);

	(void)argc;
	(void)argv;
	if (error)
		print("sh: no boot archive: %s\n", error_text(error));
	line_start(&line);
	prompt();
	for (;;) {
		bool was_in_foreground;
		u32 word = read_console();

		if (!edit())
			return STATUS_OK;
		was_in_foreground = job_in_foreground();
		wait_begin(&set);
		wait_word_add(&set, &sys_info()->console_typed, word);
		if (jobs_look(&set))
			announce_ended(was_in_foreground);
		else
			wait_sleep(&set);
	}
}
