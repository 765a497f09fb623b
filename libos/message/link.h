// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Links: a channel each way (channel.h) between two environments, which may run on
// different processors, in frames that both map.
//
// The memory has two halves, one a side: a page that the side writes (struct link_page)
// and behind it the bytes that it sends. A side gets its own half to read and write and
// the other's to read:
//
//	frames		0	1 .. n		n + 1	n + 2 .. 2n + 1
//			page	bytes		page	bytes
//			first side's half	second side's half
//
// Whose frames they are can take them back; who does not trust him runs what touches
// them in attempt() (libos/crt/attempt.h).
//
// While the other side is awake on another processor, who waits looks at its count
// LINK_LOOKS times before it sleeps. So two sides that keep up with one another make no
// system call at all.
//
//	server:	while ((r = link_get(&link, request, size, &len)) == CHANNEL_DONE)
//			...
//		wait_begin(&set);
//		if (link_watch(&link, &set))
//			entry_serve(handler, &set);	// or wait_sleep(&set)
//		link_rise(&link);

#include "kernel/abi/layout.h"
#include "libos/io/wait.h"
#include "libos/message/channel.h"

#define LINK_LOOKS 1000u

struct link_page {
	struct channel_end sends;
	struct channel_end receives;
};

struct link {
	struct channel out;
	struct channel in;
	u32 peer_index;
	u32 peer_id;
	u64 sleeps;		// system calls that were made for it
	u64 wakes;
};

// Frames of a half whose channel has `pages` pages of bytes (a power of two).
#define LINK_HALF(pages) (1u + (pages))

// `mine` and `theirs` are the halves as this environment maps them, zero at first.
// `peer` is the id of the other's environment: sleeps end when it does. Returns false
// when no such environment lives.
must_check bool
link_open(struct link *link, void *mine, const void *theirs, u32 pages, u32 peer);

// Without waiting: channel_put() and channel_get(), and whoever sleeps is woken.
// CHANNEL_ENDED instead of CHANNEL_WAIT when the other has ended without closing.
must_check enum channel_result
link_put(struct link *link, const void *message, u32 len);
must_check enum channel_result
link_get(struct link *link, void *message, u32 size, u32 *len);

// The same, waiting for room or a message. CHANNEL_LATE: the deadline passed.
must_check enum channel_result
link_send(struct link *link, const void *message, u32 len, u64 deadline_ns);
must_check enum channel_result
link_receive(struct link *link, void *message, u32 size, u32 *len, u64 deadline_ns);

// Nothing more is sent.
void
link_close(struct link *link);

// For a program that waits for several things: adds what link_get() waits for to the
// set (three words). False: there is something now, do not sleep. Either way
// link_rise() follows.
must_check bool
link_watch(struct link *link, struct wait_set *set);
void
link_rise(struct link *link);
