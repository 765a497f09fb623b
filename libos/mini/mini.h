// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The other libOS: small, and different from the standard one on purpose. They share
// the kernel's interface (kernel/abi) and kernel/base, and nothing else.
//
//			standard (libos/crt ...)	this
//   memory		a window: frame f at a place	one run of frames, mapped in the
//			made of its number		order in which it is needed
//   threads		cooperative			preemptive, by timer upcalls
//   a thread yields	by a function			by a breakpoint: an upcall too
//   network		IP and TCP, rings by libos/io	ARP, IPv4 and UDP by hand, on its
//							own ring and its own address
//
// Bounds: THREADS_MAX threads; memory is MEMORY_FRAMES frames, taken once.

#include "kernel/abi/errors.h"
#include "kernel/abi/layout.h"
#include "kernel/abi/ring.h"
#include "kernel/abi/syscalls.h"
#include "kernel/abi/tables.h"
#include "kernel/abi/uarea.h"

#define THREADS_MAX 3u
#define MEMORY_VA 0x0000300000000000ull
#define MEMORY_FRAMES (RING_FRAMES + 8u)

// As mini_upcall_entry pushes them, below what the kernel pushed.
struct registers {
	u64 r15, r14, r13, r12, r11, r10, r9, r8;
	u64 rbp, rdi, rsi, rdx, rcx, rbx, rax;
	struct upcall_frame frame;
};

struct counters {
	u64 echoed;		// datagrams
	u64 preempted;		// threads
	u64 worked;		// turns of the worker
};
extern struct counters counters;

static inline i64
call(u64 number, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f)
{
	register u64 r10 __asm__("r10") = d;
	register u64 r8 __asm__("r8") = e;
	register u64 r9 __asm__("r9") = f;
	i64 result;

	__asm__ volatile("syscall" : "=a"(result)
			 : "0"(number), "D"(a), "S"(b), "d"(c), "r"(r10),
			   "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}

// Ends the environment when a step fails that it cannot do without.
i64
must(i64 result);

// Nanoseconds since boot.
u64
now(void);

// The slot granted for a role.
u32
granted(enum startup_role role);

// ---- memory.c: takes the run, and hands out pages of it, in order ----

struct memory {
	u32 slot;
	u64 frame;		// the first
};
extern struct memory memory;

void
memory_take(void);

// `count` pages, mapped readable and writable; *frame is the first one's number.
void *
memory_pages(u32 count, u64 *frame);

// ---- threads.c ----

void
thread_start(void (*body)(void));

// Runs the threads; does not return.
noreturn_ void
threads_run(void);

// Gives the processor up until `deadline`, or until the word is not `expected` any
// more. NULL: only the time counts.
void
thread_wait(const u32 *word, u32 expected, u64 deadline);

// ---- echo.c: a thread ----

void
echo(void);
