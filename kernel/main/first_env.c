// SPDX-License-Identifier: BSD-2-Clause
// The first environment. The kernel loads one program itself; every other is
// loaded by a libOS (libos/crt/spawn.c). It gets: the quota for everything, a
// capability for each device and module, the words of the command line as its
// arguments, and CPU slice 0 of the boot processor.

#include "kernel/main/first_env.h"
#include "kernel/abi/caps.h"
#include "kernel/abi/layout.h"
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/arch/x86_64/memory.h"
#include "kernel/arch/x86_64/paging.h"
#include "kernel/base/assert.h"
#include "kernel/base/cpio.h"
#include "kernel/base/elf.h"
#include "kernel/base/string.h"
#include "kernel/fabric/fabric.h"
#include "kernel/main/kprintf.h"
#include "kernel/sys/env_life.h"
#include "kernel/sys/slice.h"
#include "kernel/sys/tables.h"

#define STACK_PAGES 16ull
#define STACK_TOP (USER_END - PAGE_SIZE)
#define FIRST 0u			// its index

// Mints a root capability and, with a role, tells the program where it is.
static u32
give(struct uarea *uarea, enum startup_role role, enum cap_type type, u32 rights,
     u64 base, u64 count, u64 argument)
{
	i64 slot = cap_mint(&caps, FIRST, SLOT_NONE, type, rights, base, count);

	ASSERT(slot > 0 && uarea->cap_count < STARTUP_CAPS_MAX);
	if (role != ROLE_NONE)
		uarea->cap[uarea->cap_count++] = (struct startup_cap){
			.role = (u16)role,
			.slot = (u16)slot,
			.base = base,
			.argument = argument,
		};
	return (u32)slot;
}

static u64
take_frames(u64 count)
{
	u64 base = own_find(&frames, FRAME_ANY, count);

	if (base == FRAME_ANY)
		panic("too little memory for the first environment");
	own_take(&frames, base, count, FIRST, FRAME_OWNED);
	memset(frame_memory(base), 0, count * PAGE_SIZE);
	env_table[FIRST].used.frames += (u32)count;
	return base;
}

// Maps new memory of its own, and returns it.
static u8 *
map_new(struct env *env, u64 va, u64 pages, u32 prot)
{
	u64 base = take_frames(pages);
	bool replaced = paging_map(env, va, base, pages, prot);

	ASSERT(!replaced);
	give(env->uarea, ROLE_NONE, CAP_FRAMES, CAP_ALL & ~CAP_FORGE, base, pages, 0);
	return frame_memory(base);
}

static void
load_segments(struct env *env, const struct elf_image *image)
{
	for (u32 i = 0; i < image->segment_count; i++) {
		const struct elf_segment *s = &image->segment[i];
		u32 prot = PROT_READ | (s->write ? PROT_WRITE : 0) |
			   (s->execute ? PROT_EXECUTE : 0);

		memcpy(map_new(env, s->va, s->pages, prot) + s->lead, s->data,
		       s->data_len);
	}
}

// Argument 0 is the program's name; the command line's words follow.
static void
set_arguments(struct uarea *uarea, const char *cmdline)
{
	size_t at = 0;

	at += sizeof("init");
	memcpy(uarea->arguments, "init", sizeof("init"));
	uarea->argument_count = 1;
	while (*cmdline) {
		size_t len = 0;

		while (cmdline[len] && cmdline[len] != ' ')
			len++;
		if (len && at + len + 1 < sizeof(uarea->arguments)) {
			memcpy(uarea->arguments + at, cmdline, len);
			at += len + 1;	// zeroed memory terminates it
			uarea->argument_count++;
		}
		cmdline += len + (cmdline[len] == ' ');
	}
}

static void
give_module(struct uarea *uarea, enum startup_role role, u32 rights,
	    const struct boot_range *module)
{
	u64 end = ALIGN_UP(module->base + module->len, PAGE_SIZE);

	if (module->base % PAGE_SIZE)
		panic("the boot loader did not align a module to a page");
	memset(direct(module->base + module->len), 0,
	       end - module->base - module->len);
	give(uarea, role, CAP_FRAMES, rights, module->base / PAGE_SIZE,
	     (end - module->base) / PAGE_SIZE, module->len);
}

static void
give_everything(struct uarea *uarea, const struct boot_info *boot)
{
	u32 all = CAP_ALL & ~CAP_EXECUTE;

	i64 self = cap_mint(&caps, FIRST, CAP_SLOT_SELF, CAP_ENV,
			    CAP_READ | CAP_WRITE | CAP_DERIVE, FIRST, 1);

	ASSERT(self == CAP_SLOT_SELF);
	give(uarea, ROLE_CONSOLE, CAP_CONSOLE, all, 0, 1, 0);
	give(uarea, ROLE_MACHINE, CAP_MACHINE, all, 0, 1, 0);
	if (sys_info.nic_count)
		give(uarea, ROLE_NIC, CAP_NIC, all, 0, 1, 0);
	if (sys_info.disk_blocks)
		give(uarea, ROLE_BLOCKS, CAP_BLOCKS, all, 0,
		     sys_info.disk_blocks, 0);
	if (fabric_on())
		give(uarea, ROLE_FABRIC, CAP_FABRIC, all, 0, FABRIC_SERVICE_NONE, 0);
	give_module(uarea, ROLE_BOOT_ARCHIVE,
		    CAP_READ | CAP_EXECUTE | CAP_DERIVE, &boot->module[0]);
	if (boot->module_count > 1)
		give_module(uarea, ROLE_SITE_ARCHIVE, CAP_READ | CAP_DERIVE,
			    &boot->module[1]);
}

void
first_env(const struct boot_info *boot)
{
	struct env *env = &envs[FIRST];
	struct env_spec spec = { .name = "init" };
	struct cpio_entry program;
	struct elf_image image;

	if (!boot->module_count)
		panic("no boot archive: the first module must be boot.cpio");
	if (!cpio_find(direct(boot->module[0].base), boot->module[0].len, "init",
		       &program))
		panic("the boot archive holds no program `init`");
	if (!elf_read(program.data, program.data_len, USER_BASE, USER_END, &image))
		panic("the program `init` is not a fit ELF executable");

	spec.quota = (struct quota){
		.frames = (u32)frames.free,
		.slices = cpu_count * SLICES_PER_CPU,
		.envs = ENVS_MAX - 1,
		.rings = RINGS_MAX + QUEUES_MAX + FABRIC_QUEUES_MAX +
			 ENDPOINTS_MAX,
	};
	spec.uarea_frame = take_frames(1);
	env_make(env, &spec, FIRST);
	env->info->used.frames++;
	env->uarea->magic = UAREA_MAGIC;
	give(env->uarea, ROLE_NONE, CAP_FRAMES, CAP_READ | CAP_WRITE,
	     spec.uarea_frame, 1, 0);
	load_segments(env, &image);
	map_new(env, STACK_TOP - STACK_PAGES * PAGE_SIZE, STACK_PAGES,
		PROT_READ | PROT_WRITE);
	set_arguments(env->uarea, boot->cmdline);
	give_everything(env->uarea, boot);

	u32 slot = give(env->uarea, ROLE_NONE, CAP_SLICES,
			CAP_READ | CAP_WRITE | CAP_DERIVE, 0, 1, 0);

	slice_give(0, FIRST, cap_node(&caps, cap_at(&caps, FIRST, slot)));
	env_run(env, image.entry, STACK_TOP, 0);
}
