// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// What a program is given when it starts: its uarea, its arguments, and its
// capabilities by role (kernel/abi/uarea.h). start.S and start.c run before
// main() and end the environment with what main() returns.

#include "kernel/abi/layout.h"
#include "kernel/abi/uarea.h"

#define ARGUMENTS_MAX 64u

// Every program defines it. argv[0] is the program's name, argv[argc] NULL;
// the strings lie in the uarea and may be changed.
int
main(int argc, char **argv);

static inline struct uarea *
uarea(void)
{
	return (struct uarea *)UAREA_BASE;
}

// The environment's name in the kernel's table.
const char *
program_name(void);

// This environment's index in the exported env table.
u32
self_index(void);

// Finds out the above anew: in a copy of the program they are others.
void
start_find_self(void);

// The nth (from 0) capability granted for a role, or NULL. The entry lies in
// the uarea.
const struct startup_cap *
startup_find(enum startup_role role, u32 nth);

// The slot granted for a role, or SLOT_NONE.
u32
startup_slot(enum startup_role role);
