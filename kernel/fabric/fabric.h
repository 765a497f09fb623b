// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The fabric between nodes as the rest of the kernel sees it: the host of
// net/link and net/rcap. What it is for a program stands in kernel/abi/fabric.h,
// what it says on the wire in docs/protocol. The calls fabric_bind, fabric_kick,
// fabric_wait and endpoint_open are declared by sys/call.h.
//
// Lists FABRIC_LIST_FIRST.. of the capability tree hold what was granted to other
// nodes: a remote holder is a node of the one tree, and goes like any other.
//
// Everything here runs under the kernel lock. Without a cluster's name on the
// command line nothing of it does anything.

#include "kernel/abi/layout.h"
#include "kernel/cap/cap.h"

#define FABRIC_LIST_FIRST ENVS_MAX
#define FABRIC_LISTS 4u

// Of the interface's receive buffers, so many are the fabric's: requests that were
// granted, answers that were asked for, and a reserve for what needs no credit.
// What is left is for packet rings.
#define FABRIC_REQUEST_BUFFERS 64u
#define FABRIC_ANSWER_BUFFERS 104u	// 33 pages in three frames, and some small ones
#define FABRIC_RESERVE_BUFFERS 16u
#define FABRIC_BUFFERS (FABRIC_REQUEST_BUFFERS + FABRIC_ANSWER_BUFFERS + \
			FABRIC_RESERVE_BUFFERS)

// Reads the words `cluster=NAME` and `key=HEX` and blanks them: they are the key.
// Starts the fabric when there is a name, an interface and entropy, and says why
// not otherwise. Once, at boot, when sys_info is complete.
void
fabric_init(char *cmdline, bool small);

// True when it runs.
bool
fabric_on(void);

// A frame with the fabric's EtherType, of a batch that ends with fabric_input_end();
// fabric_work() follows when fabric_deadline() says so.
void
fabric_input(const u8 *frame, u32 len);

// Tells the interface of the batch's answers, and environments of what has ended.
void
fabric_input_end(void);

// True while frames for it are likely to come: then the interface interrupts,
// whoever is awake.
bool
fabric_expects(u64 now);

// A processor has nothing to do. Until when it is to look for frames before it halts,
// since the last ones came soon after it had nothing to do; 0: it is to halt.
u64
fabric_look_until(void);

// What time and frames have brought: answers, completions, clean-up, all bounded.
void
fabric_work(u64 now);

// When fabric_work() is wanted without a frame; NEVER without a fabric.
u64
fabric_deadline(void);

// The interface may be done with frames that it should give back now: before, they
// wait until they are many.
bool
fabric_short(void);

// The interface is done with a frame that fabric_work() sent.
void
fabric_sent(u32 cookie);

// The disk is done with an operation of a peer's.
void
fabric_block_done(u32 ticket, bool ok);

// Pins that pending operations hold. Asserts that none is lost.
u64
fabric_pins(void);

// Removal (sys/removal.c): a capability of the extra lists; one that queues or
// endpoints stand on, which is gone (`from` is 0) or ends at the frame `from` now;
// the root of one.
void
fabric_export_gone(const struct cap *removed, u32 node);
void
fabric_export_shortened(const struct cap *part, u32 node);	// what of it went
void
fabric_withdrawn(void);		// something was, and will be removed later
void
fabric_cap_gone(u32 node, u64 from);
void
fabric_queue_destroy(u32 index);

// The capability of a copy whose lease is over, which is to go now; CAP_NIL: there is
// none. revoke_work() is asked for when there is one.
u32
fabric_lapsed(void);
void
endpoint_destroy(u32 index);
void
remote_gone(u64 base);
void
remote_shortened(const struct cap *was, u64 count);
u64
remote_base(u64 base);		// as kernel/abi/revoke.h has it
