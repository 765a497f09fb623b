// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// A log in memory that a program shares with its parent (ROLE_LOG): what it prints
// goes there as well as to the console, and stays when the program has ended. The
// writer counts bytes, the reader takes the newest; nobody waits for the other. There
// the program also says when it is ready.
//
// The parent trusts nothing in it: any count and any bytes are a log.

#include "kernel/abi/layout.h"

#define LOG_PAGES 2u
#define LOG_BYTES (LOG_PAGES * 4096u - 64u)

struct log {
	u64 written;		// bytes, ever; the next goes to bytes[written % LOG_BYTES]
	u32 ready;		// the program said so: program_ready()
	u8 reserved[52];
	char bytes[LOG_BYTES];
};

STATIC_ASSERT(sizeof(struct log) == LOG_PAGES * 4096);

// The program, whose log this is, does from now on what it is for: its parent may send
// it work. Without a log nothing happens.
void
program_ready(void);

// Appends.
void
log_write(struct log *log, const char *text, u32 len);

// Copies the newest bytes, up to `size`, oldest first. Returns how many.
u32
log_read(const volatile struct log *log, char *text, u32 size);
