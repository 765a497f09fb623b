// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The floor that the network path is measured against: the kernel's own driver
// with nothing above it. One node, started with `floor=echo`, answers; frames
// come from a generator on the wire or from a node with `floor=ping`
// (harness/floor/ping.h).
//
// Behind the Ethernet header of every such frame lies a struct echo_ask. What
// it asks for:
//
//	ECHO_BACK	the frame itself, addresses swapped
//	ECHO_ASK	`answers` frames of `answer_len` bytes; 0 answers: nothing,
//			for all but the last frame of a request that has several

#include "kernel/base/types.h"

#define ECHO_ETHERTYPE 0x88b6u
#define ECHO_FRAME_MIN 60u	// bytes, Ethernet header included
#define ECHO_ANSWERS_MAX 4u

enum echo_kind {
	ECHO_BACK = 0,
	ECHO_ASK = 1,
	ECHO_ANSWER = 2,	// what an ECHO_ASK brings
};

struct echo_ask {
	u16 kind;		// enum echo_kind
	u16 answers;		// at most ECHO_ANSWERS_MAX
	u16 answer_len;		// ECHO_FRAME_MIN to MTU + 14
	u16 number;		// stands in every answer
};

// Memory for the frames that are made here; after nic_init(). Boot only.
void
echo_init(void);

// Serves for ever, as fast as the driver can, halting between interrupts, and
// drops everything else: no environments exist and the caller does not hold the
// kernel lock.
noreturn_ void
echo_loop(void);

// Queues a frame of `len` bytes that carries `ask`; nic_push() sends it. There
// must be ECHO_FRAME_DESCRIPTORS free.
#define ECHO_FRAME_DESCRIPTORS 2u
void
echo_send(const u8 *target, const struct echo_ask *ask, u32 len);

// The ask of a frame of the floor's EtherType; false: it is none.
struct nic_received;
must_check bool
echo_read(const struct nic_received *received, struct echo_ask *ask);

// Takes completions of sent frames.
void
echo_reclaim(void);

// The interrupt handler for nic_init() in that mode: the loop looks by itself.
void
echo_interrupt(void);
