// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The system calls, one typed wrapper each (kernel/abi/syscalls.def is their
// list, kernel/abi/syscalls.h their structures). Nothing is added: a wrapper is
// the SYSCALL instruction with its arguments in place.
//
// Every result is i64: what the call returns, or -code of kernel/abi/errors.def
// (error_text() has the sentences). An error means that nothing has changed,
// E_AGAIN excepted. A `slot` names a capability in the caller's list; a slot
// for an environment says in whose list or address space the call works, and
// CAP_SLOT_SELF is the caller itself.

#include "kernel/abi/errors.h"
#include "kernel/abi/fabric.h"
#include "kernel/abi/program.h"
#include "kernel/abi/queue.h"
#include "kernel/abi/ring.h"
#include "kernel/abi/syscalls.h"
#include "kernel/abi/trace.h"
#include "kernel/abi/transfer.h"
#include "kernel/abi/volume.h"

// Any call with any arguments: the wrappers, and programs that test refusals.
static inline i64
syscall_raw(u64 number, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f)
{
	register u64 r10 __asm__("r10") = d;
	register u64 r8 __asm__("r8") = e;
	register u64 r9 __asm__("r9") = f;
	i64 result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "0"(number), "D"(a), "S"(b), "d"(c), "r"(r10),
			   "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}

// The same for calls that lose every register (kernel/abi/transfer.h), and so for any.
static inline i64
syscall_lossy(u64 number, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f)
{
	register u64 r10 __asm__("r10") = d;
	register u64 r8 __asm__("r8") = e;
	register u64 r9 __asm__("r9") = f;

	__asm__ volatile("push %%rbp; syscall; pop %%rbp"
			 : "+a"(number), "+D"(a), "+S"(b), "+d"(c), "+r"(r10),
			   "+r"(r8), "+r"(r9)
			 :
			 : "rbx", "rcx", "r11", "r12", "r13", "r14", "r15",
			   "memory");
	return (i64)number;
}

static inline i64
syscall_3(u64 number, u64 a, u64 b, u64 c)
{
	i64 result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "0"(number), "D"(a), "S"(b), "d"(c)
			 : "rcx", "r11", "memory");
	return result;
}

// Does nothing. Returns 0.
static inline i64
sys_null(void)
{
	return syscall_3(SYS_null, 0, 0, 0);
}

// Makes an environment out of the caller's quota. Returns the slot of the
// capability that keeps it alive.
must_check static inline i64
sys_env_create(const struct env_spec *spec)
{
	return syscall_3(SYS_env_create, (u64)spec, 0, 0);
}

// Makes a new environment runnable at `rip`, with `arg` in rdi.
must_check static inline i64
sys_env_start(u32 env, u64 rip, u64 rsp, u64 arg)
{
	return syscall_raw(SYS_env_start, env, rip, rsp, arg, 0, 0);
}

// Ends the caller.
noreturn_ static inline void
sys_env_exit(u32 status)
{
	for (;;)
		syscall_3(SYS_env_exit, status, 0, 0);
}

// Derives [base, base + count) of a capability, with `rights` of its own, into
// the list of `env`. Returns the slot there.
must_check static inline i64
sys_cap_derive(u32 cap, u32 env, u32 rights, u64 base, u64 count)
{
	return syscall_raw(SYS_cap_derive, cap, env, rights, base, count, 0);
}

// Removes everything derived from a capability. -E_AGAIN: call again.
must_check static inline i64
sys_cap_revoke(u32 cap)
{
	return syscall_3(SYS_cap_revoke, cap, 0, 0);
}

// Removes a capability and everything derived from it. -E_AGAIN: call again.
must_check static inline i64
sys_cap_drop(u32 cap)
{
	return syscall_3(SYS_cap_drop, cap, 0, 0);
}

// Tells what slot `index` of the list of `env` holds.
must_check static inline i64
sys_cap_inspect(u32 env, u32 index, struct cap_info *info)
{
	return syscall_3(SYS_cap_inspect, env, index, (u64)info);
}

// Allocates `count` consecutive frames, from `base` or anywhere (FRAME_ANY).
// Returns the slot of a capability with every right.
must_check static inline i64
sys_frame_alloc(u64 base, u32 count)
{
	return syscall_3(SYS_frame_alloc, base, count, 0);
}

// Maps `count` frames from `frame` at `va` of `env`; `cap` is a slot in the
// list of `env`.
must_check static inline i64
sys_page_map(u32 env, u64 va, u32 cap, u64 frame, u32 count, u32 prot)
{
	return syscall_raw(SYS_page_map, env, va, cap, frame, count, prot);
}

// Removes the mappings of `count` pages from `va`.
must_check static inline i64
sys_page_unmap(u32 env, u64 va, u32 count)
{
	return syscall_3(SYS_page_unmap, env, va, count);
}

// Maps and unmaps up to BATCH_OPS_MAX ranges, all or none.
must_check static inline i64
sys_page_batch(u32 env, const struct map_op *ops, u32 n)
{
	return syscall_3(SYS_page_batch, env, (u64)ops, n);
}

// Tells of `count` pages, a byte each, how they are mapped (PROT_*) and whether they were
// used (PAGE_ACCESSED, PAGE_DIRTY), and clears what `clear` has of these two.
must_check static inline i64
sys_page_bits(u32 env, u64 va, u32 count, u8 *bits, u32 clear)
{
	return syscall_raw(SYS_page_bits, env, va, count, (u64)bits, clear, 0);
}

// Allocates a CPU slice of processor `cpu`, at `index` or any (SLICE_ANY).
// Returns its slot.
must_check static inline i64
sys_slice_alloc(u32 cpu, u32 index)
{
	return syscall_3(SYS_slice_alloc, cpu, index, 0);
}

// Says that `env` runs in the slices of a capability.
must_check static inline i64
sys_slice_bind(u32 cap, u32 env)
{
	return syscall_3(SYS_slice_bind, cap, env, 0);
}

// Gives the rest of the slice to `env`, or to anyone (SLOT_NONE).
static inline i64
sys_yield(u32 env)
{
	return syscall_3(SYS_yield, env, 0, 0);
}

// Sleeps until a word differs from what was expected (returns its index), the
// deadline passes (-E_TIMEOUT) or an upcall has come (-E_AGAIN).
must_check static inline i64
sys_wait(const struct wait_word *words, u32 n, u64 deadline_ns)
{
	return syscall_3(SYS_wait, (u64)words, n, deadline_ns);
}

// Makes the environments that wait on this word look at it.
static inline i64
sys_wake(const u32 *word)
{
	return syscall_3(SYS_wake, (u64)word, 0, 0);
}

// Asks for a timer upcall at a time since boot; NEVER cancels.
static inline i64
sys_timer_set(u64 deadline_ns)
{
	return syscall_3(SYS_timer_set, deadline_ns, 0, 0);
}

// Binds a packet ring in the caller's frames. Returns its slot.
must_check static inline i64
sys_ring_bind(const struct ring_spec *spec)
{
	return syscall_3(SYS_ring_bind, (u64)spec, 0, 0);
}

// Sends what the ring holds and takes what has arrived.
static inline i64
sys_ring_kick(u32 ring)
{
	return syscall_3(SYS_ring_kick, ring, 0, 0);
}

// Adds conditions that every frame sent must meet, for good.
must_check static inline i64
sys_ring_narrow(u32 ring, const struct ring_atom *atoms, u32 n)
{
	return syscall_3(SYS_ring_narrow, ring, (u64)atoms, n);
}

// Lets a ring receive more frames. Returns the filter's number.
must_check static inline i64
sys_ring_filter(u32 ring, const struct ring_filter *filter)
{
	return syscall_3(SYS_ring_filter, ring, (u64)filter, 0);
}

// Ends one of a ring's filters.
must_check static inline i64
sys_ring_unfilter(u32 ring, u32 filter)
{
	return syscall_3(SYS_ring_unfilter, ring, filter, 0);
}

// Binds a block queue in the caller's frames. Returns its slot.
must_check static inline i64
sys_queue_bind(const struct queue_spec *spec)
{
	return syscall_3(SYS_queue_bind, (u64)spec, 0, 0);
}

// Starts the operations that the queue holds.
static inline i64
sys_queue_kick(u32 queue)
{
	return syscall_3(SYS_queue_kick, queue, 0, 0);
}

// Writes to the serial console. Returns the bytes taken.
must_check static inline i64
sys_console_write(u32 console, const char *text, u32 len)
{
	return syscall_3(SYS_console_write, console, (u64)text, len);
}

// Takes typed bytes. Returns how many: 0 when none wait.
must_check static inline i64
sys_console_read(u32 console, char *buffer, u32 size)
{
	return syscall_3(SYS_console_read, console, (u64)buffer, size);
}

// Fills at most 256 bytes with random ones.
must_check static inline i64
sys_entropy_read(void *buffer, u32 len)
{
	return syscall_3(SYS_entropy_read, (u64)buffer, len, 0);
}

// Powers the node off or reboots it (enum machine_stop_how).
static inline i64
sys_machine_stop(u32 machine, u32 how)
{
	return syscall_3(SYS_machine_stop, machine, how, 0);
}

// Copies the newest trace events of this processor. Returns how many.
must_check static inline i64
sys_trace_read(u32 machine, struct trace_event *events, u32 max)
{
	return syscall_3(SYS_trace_read, machine, (u64)events, max);
}

// Binds a fabric queue in the caller's frames. Returns its slot.
must_check static inline i64
sys_fabric_bind(const struct fabric_spec *spec)
{
	return syscall_3(SYS_fabric_bind, (u64)spec, 0, 0);
}

// Hands over the operations that the queue holds.
must_check static inline i64
sys_fabric_kick(u32 queue)
{
	return syscall_3(SYS_fabric_kick, queue, 0, 0);
}

// The same, and sleeps as sys_wait() does.
must_check static inline i64
sys_fabric_wait(u32 queue, const struct wait_word *words, u32 count, u64 deadline_ns)
{
	return syscall_raw(SYS_fabric_wait, queue, (u64)words, count, deadline_ns, 0, 0);
}

// The same, and sleeps until an operation has ended whose completion was not taken.
must_check static inline i64
sys_fabric_sleep(u32 queue, u64 deadline_ns)
{
	return syscall_3(SYS_fabric_sleep, queue, deadline_ns, 0);
}

// Makes an endpoint of a queue, under a service's number or
// FABRIC_SERVICE_NONE. Returns its slot.
must_check static inline i64
sys_endpoint_open(u32 fabric, u32 queue, u64 service)
{
	return syscall_3(SYS_endpoint_open, fabric, queue, service);
}

// Has the kernel count everything that it gave out, which takes a while.
static inline i64
sys_machine_audit(u32 machine)
{
	return syscall_3(SYS_machine_audit, machine, 0, 0);
}

// Asks an environment to give up `count` units by a deadline: of its quota, with
// `source` SLOT_NONE, or of what was derived from that capability. Returns how many
// it owes from now on.
must_check static inline i64
sys_revoke_ask(u32 env, u32 source, u32 type, u64 count, u64 deadline_ns)
{
	return syscall_raw(SYS_revoke_ask, env, source, type, count, deadline_ns, 0);
}

// Gives up all of a capability's range but its first `count` units.
must_check static inline i64
sys_cap_trim(u32 cap, u64 count)
{
	return syscall_3(SYS_cap_trim, cap, count, 0);
}

// Gives it up, however many calls it takes.
static inline i64
cap_trim_all(u32 cap, u64 count)
{
	i64 result;

	do
		result = sys_cap_trim(cap, count);
	while (result == -E_AGAIN);
	return result;
}

// Revokes what came from a capability, however many calls it takes.
static inline i64
cap_revoke_all(u32 cap)
{
	i64 result;

	do
		result = sys_cap_revoke(cap);
	while (result == -E_AGAIN);
	return result;
}

// Makes the capability to call `env` (WRITE needed). Returns its slot.
must_check static inline i64
sys_entry_make(u32 env)
{
	return syscall_3(SYS_entry_make, env, 0, 0);
}

// Sleeps as sys_wait() does, while calls come in at `rip` on the stack `rsp`.
must_check static inline i64
sys_entry_wait(const struct wait_word *words, u32 n, u64 deadline_ns, u64 rip,
	       u64 rsp)
{
	return syscall_lossy(SYS_entry_wait, (u64)words, n, deadline_ns, rip, rsp, 0);
}

struct transfer {
	u64 word[4];
};

// Calls an entry: *message goes there, and comes back as the reply when the result
// is 0. `fast` is CALL_FAST, or 0 for the long way.
must_check static inline i64
sys_entry_call(u32 entry, u64 deadline_ns, struct transfer *message, u32 fast)
{
	u64 number = SYS_entry_call | fast;
	u64 slot = entry;
	u64 second = message->word[1], third = message->word[2], last = message->word[3];
	register u64 r10 __asm__("r10") = second;
	register u64 r8 __asm__("r8") = third;
	register u64 r9 __asm__("r9") = last;

	__asm__ volatile("push %%rbp; syscall; pop %%rbp"
			 : "+a"(number), "+D"(slot), "+S"(deadline_ns),
			   "+d"(message->word[0]), "+r"(r10), "+r"(r8), "+r"(r9)
			 :
			 : "rbx", "rcx", "r11", "r12", "r13", "r14", "r15",
			   "memory");
	message->word[1] = r10;
	message->word[2] = r8;
	message->word[3] = r9;
	return (i64)number;
}

// Ends the call that is being served; only an error comes back: nothing is.
static inline i64
sys_entry_reply(const struct transfer *message, u32 fast)
{
	return syscall_lossy(SYS_entry_reply | fast, 0, 0, message->word[0],
			     message->word[1], message->word[2], message->word[3]);
}

// Asks for UPCALL_COMPLETION whenever one of these words changes, in place of those of
// the call before; none: for no more.
static inline i64
sys_watch(const struct wait_word *words, u32 n)
{
	return syscall_3(SYS_watch, (u64)words, n, 0);
}

// Drops a capability however many calls it takes. Returns 0 or an error.
static inline i64
cap_drop_all(u32 cap)
{
	i64 result;

	do
		result = sys_cap_drop(cap);
	while (result == -E_AGAIN);
	return result;
}

// Takes a program for the kernel. Returns its slot.
must_check static inline i64
sys_code_load(const struct program_spec *spec)
{
	return syscall_3(SYS_code_load, (u64)spec, 0, 0);
}

// Verifies a piece of it (-E_AGAIN: call again), then says what came out.
must_check static inline i64
sys_code_verify(u32 program, struct program_verdict *verdict)
{
	return syscall_3(SYS_code_verify, program, (u64)verdict, 0);
}

// Sleeps until the predicate wakes it. Returns what that gave.
must_check static inline i64
sys_wait_for(u32 program, const struct wait_word *words, u32 n, u64 deadline_ns,
	     u64 argument)
{
	return syscall_raw(SYS_wait_for, program, (u64)words, n, deadline_ns,
			   argument, 0);
}

// Has a program handle what a ring receives, with a frame of the caller's as its
// region; with SLOT_NONE for the program nothing does any more.
must_check static inline i64
sys_ring_handle(u32 ring, u32 program, u32 frames, u64 frame)
{
	return syscall_raw(SYS_ring_handle, ring, program, frames, frame, 0, 0);
}

// Opens a volume in an extent of blocks. Returns its slot.
must_check static inline i64
sys_volume_open(const struct volume_spec *spec)
{
	return syscall_3(SYS_volume_open, (u64)spec, 0, 0);
}

// Looks at the block that was read while it is being opened: -E_AGAIN, there are more.
must_check static inline i64
sys_volume_walk(u32 volume)
{
	return syscall_3(SYS_volume_walk, volume, 0, 0);
}

// Registers a type of metadata, or tells the program of one while it is being opened
// (then -E_AGAIN as above, and `block` means nothing).
must_check static inline i64
sys_volume_type(u32 volume, u32 type, u32 shift, u32 program, u32 block)
{
	return syscall_raw(SYS_volume_type, volume, type, shift, program, block, 0);
}

// Gives a root its first block, or with block 0 takes it back.
must_check static inline i64
sys_volume_root(u32 volume, u32 root, u32 type, u32 block, bool temporary)
{
	return syscall_raw(SYS_volume_root, volume, root, type, block, temporary, 0);
}

must_check static inline i64
sys_volume_limit(u32 volume, u32 root, u32 blocks)
{
	return syscall_3(SYS_volume_limit, volume, root, blocks);
}

must_check static inline i64
sys_volume_update(u32 volume, u32 root, const struct volume_update *update)
{
	return syscall_3(SYS_volume_update, volume, root, (u64)update);
}
