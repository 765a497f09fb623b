// SPDX-License-Identifier: BSD-2-Clause
// The first environment. It begins in bytes that the kernel carries and does not look
// into: they find the program `init` and load it (libos/loader), as every other program
// is loaded by a libOS. It gets: the quota for everything, a capability for each device
// and module, the command line, and CPU slice 0 of the boot processor.

#include "kernel/main/first_env.h"
#include "kernel/abi/caps.h"
#include "kernel/abi/layout.h"
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/arch/x86_64/memory.h"
#include "kernel/arch/x86_64/paging.h"
#include "kernel/base/assert.h"
#include "kernel/base/string.h"
#include "kernel/fabric/fabric.h"
#include "kernel/main/kprintf.h"
#include "kernel/sys/env_life.h"
#include "kernel/sys/slice.h"
#include "kernel/sys/tables.h"

#define STACK_PAGES 4ull
#define FIRST 0u			// its index

extern const u8 loader_image[], loader_image_end[];	// loader.S

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
	env_take_frames(&envs[FIRST], base, count, FRAME_OWNED);
	memset(frame_memory(base), 0, count * PAGE_SIZE);
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
	u64 len = (u64)(loader_image_end - loader_image);

	if (!boot->module_count)
		panic("no boot archive: the first module must be boot.cpio");
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
	memcpy(map_new(env, LOADER_BASE, ALIGN_UP(len, PAGE_SIZE) / PAGE_SIZE,
		       PROT_READ | PROT_EXECUTE), loader_image, len);
	map_new(env, LOADER_BASE - STACK_PAGES * PAGE_SIZE, STACK_PAGES,
		PROT_READ | PROT_WRITE);
	string_copy(env->uarea->arguments, STARTUP_ARGS_SIZE, boot->cmdline);
	give_everything(env->uarea, boot);

	u32 slot = give(env->uarea, ROLE_NONE, CAP_SLICES,
			CAP_READ | CAP_WRITE | CAP_DERIVE, 0, 1, 0);

	slice_give(0, FIRST, cap_node(&caps, cap_at(&caps, FIRST, slot)));
	env_run(env, LOADER_BASE, LOADER_BASE, 0);
}
