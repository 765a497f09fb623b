// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Starting other programs: an environment is made, its image mapped, its
// capabilities granted, all from here; the kernel knows no loader.
//
// A child costs its parent one capability for its memory, one for itself, and
// one for each slice; all are given back when it is reaped or killed.

#include "libos/mem/archive.h"
#include "kernel/abi/syscalls.h"
#include "kernel/abi/tables.h"
#include "kernel/abi/uarea.h"

#define SPAWN_SLICES_MAX 48u

// One capability for a child: a part of one of the caller's, and what it is
// for. The caller's needs the right DERIVE.
struct spawn_grant {
	enum startup_role role;
	u32 slot;
	u32 rights;
	u64 base;
	u64 count;
	u64 argument;		// passed on as it is
};

struct spawn_spec {
	const char *name;	// of the environment
	const u8 *image;	// the ELF file
	u64 image_len;
	const struct archive *archive;	// where the image lies, or NULL. Its
				// aligned read-only segments are mapped, not
				// copied; the capability needs EXECUTE, DERIVE
	int argc;		// arguments, the name first
	char *const *argv;
	const struct spawn_grant *grants;
	u32 grant_count;
	struct quota quota;	// page tables included
	u32 cpu;
	u32 slices;		// taken on that processor: 1..SPAWN_SLICES_MAX
};

struct child {
	u32 id;			// never reused; 0: no child
	u32 index;		// in the env table
	u32 env;		// slot
	u32 memory;		// slot
	u32 slice_count;
	u16 slices[SPAWN_SLICES_MAX];
};

// How an environment ended, as its table entry tells.
struct child_end {
	enum env_end how;
	u32 status;
	u32 vector;
	u64 rip;
	u64 address;
};

// Describes the whole of one of the caller's start-up capabilities as a grant,
// cut down to `rights` (fewer where it has fewer). Returns 0, -E_ABSENT when
// the caller has none for the role, or the error of a system call.
must_check i64
grant_of_role(enum startup_role role, u32 rights, struct spawn_grant *grant);

// Loads and starts a program. Returns 0 and fills *child; on an error nothing
// is left behind: -E_ARGUMENT for an image that is no fit executable or
// arguments that do not fit, else what the kernel refused.
must_check i64
spawn(const struct spawn_spec *spec, struct child *child);

// Do whole pages of the archive (or NULL) hold exactly this segment, which may only be
// read? Then a loader maps them.
struct elf_segment;
bool
spawn_is_shareable(const struct archive *archive, const struct elf_segment *segment);

// True when it has ended and its resources are back.
bool
child_is_dead(const struct child *child);

// The word to wait on, and its value now: it changes when the child ends.
struct wait_word
child_word(const struct child *child);

// Sleeps until it has ended. Returns 0 or -E_TIMEOUT.
must_check i64
child_wait(const struct child *child, u64 deadline_ns);

// Takes back what it held. A child that still runs is ended (and *end says
// END_DESTROYED). *child becomes no child. `end` may be NULL.
void
child_reap(struct child *child, struct child_end *end);

// A sentence for people: "exited with status 0", "page fault (vector 14) ...".
// Returns its length as fmt_into() does.
size_t
child_end_text(const struct child_end *end, char *buffer, size_t size);
