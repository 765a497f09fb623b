// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The parts of `procs`, the test of processes from the inside: main.c runs them,
// each file has the tests of one matter. Each test calls check() for what must hold.

#include "libos/crt/clock.h"
#include "libos/crt/errors.h"
#include "libos/crt/syscall.h"
#include "libos/process/process.h"

// Remembers that something did not hold and says what; returns `holds`.
bool
check(bool holds, const char *what);

// Ends the program when a call that sets a test up fails.
void
must(i64 result, const char *what);

// Forks, and does body(argument) in the child, which exits with its result. The child
// has a quota for `generations` below it, one child each.
u32
begin(u32 (*body)(u64 argument), u64 argument, u32 generations);

// Waits for a child; it must end by itself. Returns its status.
u32
status_of(u32 id);

#define STATUS_GOOD 42u		// of children that found what they looked for
#define PATIENCE_NS (60 * NS_PER_SECOND)

void
test_copy(void);
void
test_nested(void);
void
test_many(void);
void
test_greedy(void);
void
test_bomb(void);
void
test_steady(void);
void
test_kill(void);
void
test_stack(void);
void
test_buffers(void);
void
test_private(void);
void
test_strangers(void);
void
test_pipe(void);
void
test_reader_dies(void);
void
test_writer_dies(void);
void
test_two_writers(void);
void
test_alone(void);
void
test_nonsense(void);
void
test_exec(void);
void
test_exec_refused(void);
