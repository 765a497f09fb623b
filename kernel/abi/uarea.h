// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The uarea: one frame that an environment shares with the kernel. It holds
// what the kernel must find when an upcall comes, and what the parent hands to
// a new program. The kernel trusts nothing in it: each use checks.
//
// An upcall stops the environment where it is and enters it at upcall_entry.
// The kernel pushes a struct upcall_frame on the upcall stack: below rsp when
// rsp already lies in that stack, bounds included (a nested upcall; no other
// stack may begin at its bottom), else at its top, aligned to its own size. All other
// registers are as they were. The handler saves what it uses, and resumes with
// `add $24, %rsp; iretq`, without entering the kernel (Engler et al., SOSP '95,
// section 3.2). Code that may be interrupted by an upcall while it runs on the
// upcall stack has no red zone there. An environment without a handler, or whose stack cannot take
// the frame, is destroyed and its entry in the table says so.

#include "kernel/abi/revoke.h"

enum upcall_cause {
	UPCALL_FAULT,		// an exception; vector and error say which
	UPCALL_TIMER,		// the deadline of timer_set passed
	UPCALL_SLICE_START,	// a slice of its own begins
	UPCALL_SLICE_END,	// the slice that it runs in is over: to yield, now
	UPCALL_REVOKE,		// a request or a record is new: kernel/abi/revoke.h
	UPCALL_COMPLETION,	// a word that watch() named has changed
	UPCALL_CAUSES
};

struct upcall_frame {
	u32 cause;		// enum upcall_cause
	u32 vector;		// x86 exception number; of a slice, its processor
	u64 error;		// its error code, or 0; of a slice, its index
	u64 address;		// CR2 for a page fault; of a slice, when it ends, and
				// of one that has ended, when the program is cut off
	// What IRETQ takes:
	u64 rip;
	u64 cs;
	u64 rflags;
	u64 rsp;
	u64 ss;
};

// Start-up: what each granted capability is for. A convention between
// programs; the kernel only writes the first environment's.
enum startup_role {
	ROLE_NONE,
	ROLE_CONSOLE,
	ROLE_MACHINE,
	ROLE_NIC,
	ROLE_RING,
	ROLE_BOOT_ARCHIVE,	// frames; argument: bytes
	ROLE_SITE_ARCHIVE,	// frames; argument: bytes
	ROLE_BLOCKS,
	ROLE_IMAGE,		// frames that hold the program itself
	ROLE_SHARED,		// frames shared with the parent
	ROLE_FABRIC,		// service numbers
	ROLE_VIEW,		// frames with a struct view: cluster/view
	ROLE_LOG,		// frames with a struct log: libos/crt/log.h
	ROLE_VOLUME,		// roots of a volume
	ROLE_PIPE,		// frames with a struct pipe: libos/process/descriptor.h
};

struct startup_cap {
	u16 role;
	u16 slot;
	u32 reserved;
	u64 base;		// first unit of its range
	u64 argument;
};

#define UAREA_MAGIC 0x44454f53u
#define STARTUP_CAPS_MAX 16u
#define STARTUP_ARGS_SIZE 2048u

struct uarea {
	// Written by the environment, read by the kernel at an upcall.
	u64 upcall_entry;	// 0: no handler
	u64 upcall_stack_bottom;
	u64 upcall_stack_top;
	u32 upcall_held;	// not 0: upcalls wait (faults never do)
	// Written by the kernel: bit (1 << cause) of each upcall that waits. The
	// environment that clears upcall_held looks here and clears the bits.
	u32 upcall_pending;
	// Bit (1 << cause) of each that it wants of UPCALL_SLICE_START, UPCALL_SLICE_END
	// and UPCALL_REVOKE. The first two and UPCALL_COMPLETION wait also while it runs
	// on its upcall stack: who leaves that looks at the bits afterwards.
	u32 upcall_wanted;

	// Written by the parent before env_start.
	u32 magic;
	u32 argument_count;
	u32 cap_count;
	struct startup_cap cap[STARTUP_CAPS_MAX];
	char arguments[STARTUP_ARGS_SIZE];	// terminated strings, one after another

	struct revocation revoke;
};

STATIC_ASSERT(sizeof(struct uarea) <= 4096);
STATIC_ASSERT(sizeof(struct upcall_frame) == 24 + 40);
