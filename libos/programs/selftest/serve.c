// SPDX-License-Identifier: BSD-2-Clause
// The server of the tests of control transfer: a handler that does what the message
// orders, good and bad, and a program that counts what it hears meanwhile.

#include "libos/crt/clock.h"
#include "libos/crt/start.h"
#include "libos/message/entry.h"
#include "libos/programs/selftest/transfer.h"

#define SERVE_STACK 8192u

static volatile struct shared *shared;
static u32 told;			// the program waits for it

u64 serve_seen[REGISTERS];
u8 serve_stack[SERVE_STACK] aligned_(16);
void
serve_entry(void);

// Keeps the registers as they came in, then goes on as any entry.
__asm__(
	".pushsection .text.serve_entry, \"ax\", @progbits\n"
	"serve_entry:\n\t"
	"mov %rax, serve_seen(%rip)\n\t"
	"mov %rbx, serve_seen+8(%rip)\n\t"
	"mov %rcx, serve_seen+16(%rip)\n\t"
	"mov %rdx, serve_seen+24(%rip)\n\t"
	"mov %rsi, serve_seen+32(%rip)\n\t"
	"mov %rdi, serve_seen+40(%rip)\n\t"
	"mov %rbp, serve_seen+48(%rip)\n\t"
	"mov %r8, serve_seen+56(%rip)\n\t"
	"mov %r9, serve_seen+64(%rip)\n\t"
	"mov %r10, serve_seen+72(%rip)\n\t"
	"mov %r11, serve_seen+80(%rip)\n\t"
	"mov %r12, serve_seen+88(%rip)\n\t"
	"mov %r13, serve_seen+96(%rip)\n\t"
	"mov %r14, serve_seen+104(%rip)\n\t"
	"mov %r15, serve_seen+112(%rip)\n\t"
	"jmp entry_begin\n\t"
	".popsection");

// What no register may hold at an entry: anything but the message, badge, caller,
// and what SYSRET leaves (rip, flags).
static u64
stray_registers(void)
{
	u64 stray = 0;

	for (u32 i = 0; i < REGISTERS; i++) {
		if (i != RCX && i != RDX && i != RSI && i != RDI &&
		    (i < R8 || i > R11))
			stray |= serve_seen[i];
	}
	if (serve_seen[RCX] != 0 && serve_seen[RCX] != (u64)serve_entry)
		stray |= 1;
	return stray | (serve_seen[R11] & ~0x202ull);
}

static void
burn(u64 ns)
{
	for (u64 until = now_ns() + ns; now_ns() < until;)
		;
}

static void
pass_on(struct transfer *m)
{
	struct transfer further = { { m->word[2], m->word[3] } };
	i64 result = sys_entry_call((u32)m->word[1], NEVER, &further, CALL_FAST);

	m->word[0] = (u64)result;
	m->word[1] = further.word[0];
	shared->value = (u64)result;		// the caller may be gone
	announce(&shared->records, shared->records + 1);
}

// Each calls the next, if it has one: how deep that went, and why no deeper.
static void
go_down(struct transfer *m)
{
	struct transfer further = { { ORDER_DOWN, m->word[1] + 1, m->word[2] } };
	u32 next = shared->slot[0];
	i64 result = 0;

	if (next)
		result = sys_entry_call(next, NEVER, &further, (u32)m->word[2]);
	m->word[0] = (u64)result;
	if (next && !result)
		*m = further;
}

static void
use_float(struct transfer *m)
{
	u64 was, mine = FLOAT_MARK;

	__asm__ volatile("movq %%xmm5, %0\n\t"
			 "movq %1, %%xmm5" : "=&r"(was) : "r"(mine));
	m->word[0] = was;
}

static void
tell_itself(void)
{
	told++;
	sys_wake(&told);
}

static void
obey(u64 badge, u32 caller, struct transfer *m)
{
	switch ((enum transfer_order)m->word[0]) {
	case ORDER_ECHO:
		for (u32 i = 0; i < ARRAY_SIZE(m->word); i++)
			m->word[i]++;
		break;
	case ORDER_WHO:
		m->word[0] = badge;
		m->word[1] = caller;
		break;
	case ORDER_EXIT:
		sys_env_exit(0);
	case ORDER_FAULT:
		uarea()->upcall_entry = 0;
		__asm__ volatile("ud2");
		break;
	case ORDER_BUSY:
		burn(m->word[1]);
		break;
	case ORDER_HANG:
		shared->state = 2;
		while (shared->order == 0)
			;
		break;
	case ORDER_SLEEP:
		m->word[0] = (u64)sys_wait(NULL, 0, now_ns());
		break;
	case ORDER_CALL:
		pass_on(m);
		break;
	case ORDER_DOWN:
		go_down(m);
		break;
	case ORDER_FLOAT:
		use_float(m);
		break;
	case ORDER_STORE:
		tell_itself();
		m->word[0] = shared->count;	// nothing yet: the program sleeps
		break;
	case ORDER_SEEN:
		m->word[0] = stray_registers();
		break;
	}
}

void
transfer_serve(volatile struct shared *page)
{
	u32 heard = 0;

	shared = page;
	entry_current = obey;
	announce(&shared->state, 1);
	for (;;) {
		struct wait_word word = { .va = (u64)&told, .expected = heard };
		i64 result = sys_entry_wait(&word, 1, NEVER, (u64)serve_entry,
					    (u64)serve_stack + SERVE_STACK);

		must(result, "entry_wait");
		heard = told;
		announce(&shared->count, heard);
	}
}
