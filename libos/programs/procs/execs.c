// SPDX-License-Identifier: BSD-2-Clause
// exec: the programs `echo`, `wc` and `procs` itself in place of a child, with the pipes
// that it had, and what is no program refused with nothing changed. The archive is the
// boot archive, from which text is mapped.

#include "kernel/base/string.h"
#include "libos/crt/start.h"
#include "libos/mem/archive.h"
#include "libos/process/descriptor.h"
#include "libos/process/exec.h"
#include "libos/process/memory.h"
#include "libos/programs/procs/procs.h"
#include "libos/text/text.h"

static struct archive boot;
static u32 in[2], out[2];

static void
open_boot(void)
{
	if (!boot.data)
		must(archive_open(ROLE_BOOT_ARCHIVE, &boot), "the boot archive");
}

// Becomes a program that reads `in` and writes `out`.
static u32
become(u64 argv)
{
	char *const *words = (char *const *)argv;
	int argc = 0;

	while (words[argc])
		argc++;
	descriptor_close(in[1]);
	descriptor_close(out[0]);
	if (descriptor_move(in[0], 0) || descriptor_move(out[1], 1))
		return 1;
	return (u32)-process_exec(&boot, argc, words);
}

// Runs words with `text` as input. Returns the exit status; *said is what it wrote.
static u32
run(const char *const *words, const char *text, char said[64])
{
	u32 len = 0, child;
	i64 got = 1;

	open_boot();
	must(descriptor_pipe(in), "a pipe");
	must(descriptor_pipe(out), "a pipe");
	child = begin(become, (u64)words, 0);
	descriptor_close(in[0]);
	descriptor_close(out[1]);
	if (*text)
		check(!descriptor_write(in[1], text, strlen(text)), "it reads");
	descriptor_close(in[1]);
	while (len < 63 && got > 0) {
		got = descriptor_read(out[0], said + len, 63 - len);
		len += got > 0 ? (u32)got : 0;
	}
	said[len] = 0;
	descriptor_close(out[0]);
	return status_of(child);
}

void
test_exec(void)
{
	static const char *const echo[] = { "echo", "one", "two  three", NULL };
	static const char *const count[] = { "wc", NULL };
	static const char *const wrong[] = { "head", "x", NULL };
	char said[64];

	for (u32 i = 0; i < 5; i++) {
		check(run(echo, "", said) == 0 && !strcmp(said, "one two  three\n"),
		      "its arguments and its output");
		check(run(count, "a bc\nd\n", said) == 0 &&
		      !strcmp(said, "      2       3       7\n"), "its input");
		check(run(wrong, "", said) == 2, "its exit status");
	}
}

// What a child that is refused finds: itself.
static u32
try_nonsense(u64 unused)
{
	char *argv[] = { (char *)(u64)"nosuch", NULL };
	static u8 garbage[2 * PAGE_SIZE];
	const volatile struct env_info *self = &env_table()[self_index()];
	u32 before;

	(void)unused;
	before = self->used.frames;
	if (process_exec(&boot, 1, argv) != -E_ABSENT)
		return 1;
	for (u32 i = 0; i < 300; i++) {
		memcpy(garbage, boot.data + i * 512, sizeof(garbage));
		memcpy(garbage, "\177ELF", 4);
		garbage[4 + i % 60] ^= (u8)i;
		if (process_exec_image(&boot, garbage, sizeof(garbage) - i, 1, argv) !=
		    -E_ARGUMENT)
			return 2;
	}
	return self->used.frames <= before + 2 * MEMORY_STOCK_MIN + 4 ?
	       STATUS_GOOD : 3;
}

// Arguments that do not fit, and children in the way.
static u32
try_too_much(u64 unused)
{
	static char large[STARTUP_ARGS_SIZE + 1];
	char *argv[] = { (char *)(u64)"echo", large, NULL };
	u32 child;

	(void)unused;
	memset(large, 'x', sizeof(large) - 1);
	if (process_exec(&boot, 2, argv) != -E_ARGUMENT)
		return 1;
	large[1] = 0;
	child = begin(try_nonsense, 0, 0);
	if (process_exec(&boot, 2, argv) != -E_STATE)
		return 2;
	return status_of(child);
}

void
test_exec_refused(void)
{
	open_boot();
	check(status_of(begin(try_nonsense, 0, 0)) == STATUS_GOOD,
	      "what is no program is refused, and costs nothing");
	check(status_of(begin(try_too_much, 0, 1)) == STATUS_GOOD,
	      "what does not fit is refused");
}
