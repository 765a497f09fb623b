// SPDX-License-Identifier: BSD-2-Clause
// What a frame costs that comes to nothing, beside the same frame when it is right: in
// instructions of the receiver's cores, counted one by one (harness/testing/stepped.h).
// Built without sanitizers by test_dropped.py.
//
// Prints "KIND FAULT INSTRUCTIONS" a line. `read` is a READ of 8 bytes, `write` a WRITE of
// as much as a frame of 1500 bytes carries.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/testing/stepped.h"
#include "net/rcap/test_rig.h"

#define ENVIRONMENT 7u
#define SENDER_AT (WIRE_ETHERNET + 4u)
#define FROM_AT (WIRE_ETHERNET + 8u)

enum fault {
	NOTHING,		// it is right
	VERSION,
	SENDER,
	LIFE,
	TAG,
	AGAIN,			// it came before
	FAULTS,
};

static const char *const names[FAULTS] = { "none", "version", "sender", "life", "tag", "again" };
static struct rig rig;
static u8 frame[WIRE_FRAME_MAX];
static u32 frame_len;

// A request of node 1's that has not come to node 0.
static void
capture(u32 place, u8 op, u32 length)
{
	struct rcap_submit s = rig_submit(&rig, 1, place, op, 0, length, 0);

	rig_do(&rig, 1, &s);
	rig.capture = true;
	rig.captured_count = 0;
	rig.cut[0][1] = rig.cut[1][0] = true;
	if (rcap_submit(rig.node[1].rcap, rig.now, &s) == RCAP_NONE)
		exit(2);
	rig_run(&rig, 50 * NS_PER_US);
	rig.capture = false;
	rig.cut[0][1] = rig.cut[1][0] = false;
	for (u32 i = 0; i < rig.captured_count; i++) {
		const struct rig_frame *f = &rig.captured[i];

		if (f->bytes[WIRE_ETHERNET + 1] != WIRE_REQUEST)
			continue;
		memcpy(frame, f->bytes, f->len);
		frame_len = f->len;
		return;
	}
	exit(2);
}

// In the child: the owner takes it, or does not.
static void
input(u32 fault)
{
	struct rcap *owner = rig.node[0].rcap;
	u32 at = fault == VERSION ? WIRE_ETHERNET
		 : fault == SENDER ? SENDER_AT
		 : fault == LIFE   ? FROM_AT
				   : frame_len - 1;
	u64 before = links_counters(rig.node[0].links)->accepted, took;

	if (fault == AGAIN)
		rcap_input(owner, rig.now, frame, frame_len);
	else if (fault != NOTHING)
		frame[at] ^= 1;
	STEPPED_BEGIN();
	rcap_input(owner, rig.now, frame, frame_len);
	STEPPED_END(owner);
	took = links_counters(rig.node[0].links)->accepted - before;
	if (took != (fault == NOTHING || fault == AGAIN))
		_exit(3);
}

static void
count(const char *kind)
{
	for (u32 fault = 0; fault < FAULTS; fault++)
		printf("%s %s %lu\n", kind, names[fault], stepped_run(input, fault).sum);
}

int
main(void)
{
	u32 place;

	setvbuf(stdout, NULL, _IONBF, 0);
	rig_start(&rig, 2, 1, 1500, 64);
	rig.captured_max = 64;
	rig.captured = calloc(rig.captured_max, sizeof(*rig.captured));
	if (!rig.captured)
		return 2;
	rig_connect(&rig);
	place = rig_export(&rig, 0, 1, ENVIRONMENT, TYPE_FRAMES,
			   WIRE_RIGHT_READ | WIRE_RIGHT_WRITE, 8, 8);
	capture(place, OP_READ, 8);
	count("read");
	capture(place, OP_WRITE, WIRE_PART);
	count("write");
	rig_end(&rig);
	return 0;
}
