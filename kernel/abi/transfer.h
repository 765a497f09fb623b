// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Protected control transfer: a call into another environment and the reply,
// within the caller's slice (Engler et al., SOSP '95, section 5.2).
//
// Who offers an entry sleeps in entry_wait(), as in wait(), with its door open. A
// call takes the processor to its entry in its address space; the slice, and what
// is charged for it, stay with the caller. The entry runs to entry_reply(), which
// gives the processor back and leaves the door open. One call at a time: while it
// lasts, and while the environment itself runs, the door is closed (E_BUSY).
//
// The message is four registers each way: rdx, r10, r8, r9. Beside them the entry
// finds
//
//	rdi	the badge: the first number of the capability's range, less the
//		entry's own; who derives a capability chooses it
//	rsi	the id of the environment that calls
//	rsp	what entry_wait() said; rip likewise
//
// and the caller rax (0 or an error) and the message. All other general registers
// and the flags are lost on both sides: they come as zero. FPU state, and the bases
// of fs and gs, are each environment's own, and kept. Segment selectors are not
// switched.
//
// With CALL_FAST in rax beside the number, entry_call and entry_reply try the short
// path (kernel/arch/x86_64/transfer.S) and, where that does not serve, do the same
// the long way.

#include "kernel/base/types.h"

#define CALL_FAST 0x80000000u

// Calls that may be open in one chain.
#define TRANSFER_DEPTH_MAX 8u

// The range of a CAP_ENTRY: badges, behind the id of the environment.
#define ENTRY_BADGE_BITS 32
#define ENTRY_BADGES (1ull << ENTRY_BADGE_BITS)
#define ENTRY_BADGE(base) ((base) & (ENTRY_BADGES - 1))
