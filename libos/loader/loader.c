// SPDX-License-Identifier: BSD-2-Clause
// The program that loads the first one. The kernel knows neither archives nor
// executables: it carries these few pages, maps them at LOADER_BASE, with a stack below
// them, into the environment that holds everything, and starts them. They find the
// program `init` in the boot archive, load it, give it the words of the command line as
// its arguments, and jump to it.
//
// Nothing here can be written to but the stack. The archive stays mapped, where a
// program that opens it maps it too (libos/mem/layout.h).

#include "kernel/base/assert.h"
#include "kernel/base/string.h"
#include "libos/crt/start.h"
#include "libos/crt/status.h"
#include "libos/crt/syscall.h"
#include "libos/image/cpio.h"
#include "libos/image/elf.h"
#include "libos/mem/layout.h"

// What -fstack-protector-strong compares with; its name is the compiler's.
extern const u64 __stack_chk_guard;
const u64 __stack_chk_guard = 0x00a3c5f07d5a9b00;

noreturn_ void
__stack_chk_fail(void);

noreturn_ void
loader(void);

static const struct startup_cap *
find(enum startup_role role)
{
	const struct uarea *u = uarea();

	for (u32 i = 0; i < u->cap_count; i++) {
		if (u->cap[i].role == role)
			return &u->cap[i];
	}
	return NULL;
}

static noreturn_ void
fail(const char *why)
{
	const struct startup_cap *console = find(ROLE_CONSOLE);
	u32 slot = console ? console->slot : SLOT_NONE;
	i64 written = sys_console_write(slot, why, (u32)strlen(why));

	(void)written;			// there is nobody else to tell
	sys_env_exit(STATUS_FAILED);
}

void
assert_failed(const char *expression, const char *file, int line)
{
	(void)file;
	(void)line;
	fail(expression);
}

void
__stack_chk_fail(void)
{
	fail("loader: stack smashed\n");
}

static void
map(u64 va, u32 slot, u64 frame, u64 pages, u32 prot)
{
	if (sys_page_map(CAP_SLOT_SELF, va, slot, frame, (u32)pages, prot))
		fail("loader: too little memory for page tables\n");
}

static const u8 *
map_archive(const struct startup_cap *archive)
{
	u64 pages = ALIGN_UP(archive->argument, PAGE_SIZE) / PAGE_SIZE;

	for (u64 at = 0; at < pages; at += MAP_PAGES_MAX) {
		u64 frame = archive->base + at;

		map((u64)direct_address(frame), archive->slot, frame,
		    MIN(pages - at, MAP_PAGES_MAX), PROT_READ);
	}
	return direct_address(archive->base);
}

// Fresh frames are zero: what the file does not fill stays so.
static void
load(const struct elf_segment *s)
{
	i64 slot = sys_frame_alloc(FRAME_ANY, (u32)MIN(s->pages, UINT32_MAX));
	struct cap_info frames;

	if (slot < 0 || sys_cap_inspect(CAP_SLOT_SELF, (u32)slot, &frames))
		fail("loader: too little memory for `init`\n");
	map(s->va, (u32)slot, frames.base, s->pages, PROT_READ | PROT_WRITE);
	memcpy((u8 *)s->va + s->lead, s->data, s->data_len);
	map(s->va, (u32)slot, frames.base, s->pages,
	    PROT_READ | (s->write ? PROT_WRITE : 0) | (s->execute ? PROT_EXECUTE : 0));
}

// The kernel has put the command line there. Argument 0 is the program's name; its words
// follow.
static void
split_arguments(struct uarea *u)
{
	char line[sizeof(u->arguments)];
	size_t at = sizeof("init");

	string_copy(line, sizeof(line), u->arguments);
	memset(u->arguments, 0, sizeof(u->arguments));
	memcpy(u->arguments, "init", sizeof("init"));
	u->argument_count = 1;
	for (const char *word = line; *word;) {
		size_t len = 0;

		while (word[len] && word[len] != ' ')
			len++;
		if (len && at + len + 1 < sizeof(u->arguments)) {
			memcpy(u->arguments + at, word, len);
			at += len + 1;
			u->argument_count++;
		}
		word += len + (word[len] == ' ');
	}
}

void
loader(void)
{
	const struct startup_cap *archive = find(ROLE_BOOT_ARCHIVE);
	struct cpio_entry file;
	struct elf_image image;

	if (!archive ||
	    !cpio_find(map_archive(archive), archive->argument, "init", &file))
		fail("loader: the boot archive holds no program `init`\n");
	if (!elf_read(file.data, file.data_len, USER_BASE, IMAGE_END, &image))
		fail("loader: the program `init` is not a fit ELF executable\n");
	for (u32 i = 0; i < image.segment_count; i++)
		load(&image.segment[i]);
	split_arguments(uarea());
	((void (*)(void))image.entry)();
	fail("loader: the program `init` returned\n");
}
