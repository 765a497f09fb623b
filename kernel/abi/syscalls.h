// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// System calls: their numbers (made from syscalls.def) and the structures that
// they take. The instruction is SYSCALL: number in rax, arguments in rdi, rsi,
// rdx, r10, r8, r9; the result comes back in rax, an error as -code (errors.h);
// rcx and r11 are lost, every other register is kept.
//
// Each call checks everything before it changes anything: a call that returns
// an error has had no effect (E_AGAIN excepted, and it says so).

#include "kernel/abi/caps.h"

enum syscall_number {
#define X(number, name, arguments, sentence) SYS_##name = number,
#include "kernel/abi/syscalls.def"
#undef X
	SYS_COUNT
};

#define SLOT_NONE 0xffffffffu
#define FRAME_ANY (~0ull)
#define SLICE_ANY 0xffffffffu
#define NEVER (~0ull)		// a deadline that does not come

// What an environment may hold at most, itself and its children together. A
// child's quota is taken out of its parent's while the child lives. Page
// tables count as frames, and there are no more of them than PAGE_TABLES_MAX says.
enum quota_kind {
	QUOTA_FRAMES,
	QUOTA_SLICES,
	QUOTA_RINGS,		// packet rings, block and fabric queues, endpoints
	QUOTA_ENVS,
	QUOTA_KINDS
};

struct quota {
	union {
		struct {
			u32 frames, slices, rings, envs;
		};
		u32 of[QUOTA_KINDS];
	};
};

// Page tables of an environment with a quota of so many frames: what lies dense takes
// one for each 128, and a share for what lies scattered. All of them are what a
// revocation may have to look through.
#define PAGE_TABLES_MAX(frames) (64u + (frames) / 128u)

#define ENV_NAME_SIZE 16

// How long an environment that asked for UPCALL_SLICE_END may run on after the end
// of its slice. Longer, and it is cut off: the kernel saves its state. What it used
// it owes (env_info.owed_ns), and its next slice is that much shorter.
#define SLICE_OVERRUN_NS 100000ull

// env_create: `uarea_frame`, covered with READ and WRITE by `uarea_slot`,
// becomes the new environment's uarea (kernel/abi/uarea.h). The environment
// lives as long as the capability that this call returns.
struct env_spec {
	u32 uarea_slot;
	u32 reserved;
	u64 uarea_frame;
	struct quota quota;
	char name[ENV_NAME_SIZE];	// terminated; for people
};

// Protection of a mapping. WRITE and EXECUTE together are refused.
#define PROT_READ 0x1u
#define PROT_WRITE 0x2u
#define PROT_EXECUTE 0x4u

// An environment maps only what its own list covers: `slot` in page_map and in
// map_op names a capability in the list of the target environment. A parent
// that fills a child's address space first derives the frames into its list.

#define MAP_PAGES_MAX 4096u	// pages that one call maps or unmaps
#define ALLOC_FRAMES_MAX 4096u	// frames that one frame_alloc gives
#define BATCH_OPS_MAX 64u	// operations in one page_batch

// One range of page_batch. With prot 0 the range is unmapped and slot and
// frame are ignored. All operations of a batch together stay within
// MAP_PAGES_MAX pages; either all are done or none.
struct map_op {
	u64 va;			// page aligned
	u64 frame;
	u32 slot;
	u32 count;		// pages
	u32 prot;
	u32 reserved;
};

// page_bits: a byte for each page, the PROT_* of its mapping (0: none) and whether the
// processor has used it since these were last cleared. A new mapping is unused. What the
// kernel or a device reads or writes in the environment's name sets neither.
#define PAGE_ACCESSED 0x08u
#define PAGE_DIRTY 0x10u

#define WAIT_WORDS_MAX 8u

// The sleeper goes on when *va differs from `expected`. `va` is 4-aligned and
// readable: a word of its own memory, of a ring, or of the exported tables.
// Words that the kernel writes need no wake (of the tables, those that tables.h
// names); a store by another environment needs wake(). A timer upcall that comes
// first ends the wait with E_AGAIN.
struct wait_word {
	u64 va;
	u32 expected;
	u32 reserved;
};

enum machine_stop_how {
	MACHINE_POWER_OFF,
	MACHINE_REBOOT,
};
