// SPDX-License-Identifier: BSD-2-Clause
// A message handler: a counter behind the interface. Frames of its type carry a
// number to add and are answered with the sum, to whoever sent them, without the
// owner of the ring running. Others go into the ring.
//
//	0 target, 6 source, 12 type, 14 operation, 16 number (big-endian words)

#include "libos/code/bpf/bpf.h"

#define TYPE_HIGH 0x88u			// 0x88b6: for local experiments
#define TYPE_LOW 0xb6u
#define OPERATION 14u
#define NUMBER 16u
#define FRAME_LEN 60u
#define ADD 1u
#define SUM 2u

struct counter {
	u32 sum;
	u32 answered;
	u32 unsent;		// answers that there was no room for
};

inline_ u32
swapped(u32 x)
{
	return __builtin_bswap32(x);
}

u32
count(const struct handler_context *c)
{
	u8 *frame = c->message;
	struct counter *counter = (struct counter *)c->region;

	if (c->length < FRAME_LEN || frame[12] != TYPE_HIGH ||
	    frame[13] != TYPE_LOW || frame[OPERATION] != ADD)
		return HANDLER_PASS;
	counter->sum += swapped(*(u32 *)(frame + NUMBER));
	for (u32 i = 0; i < 6; i++) {
		u8 target = frame[i];

		frame[i] = frame[i + 6];
		frame[i + 6] = target;
	}
	frame[OPERATION] = SUM;
	*(u32 *)(frame + NUMBER) = swapped(counter->sum);
	if (send(frame, FRAME_LEN))
		counter->answered++;
	else
		counter->unsent++;
	return HANDLER_CONSUME;
}

// Sends back what came as it came, under the sender's address, which is forged: the
// answer of the kernel goes into the region.
u32
parrot(const struct handler_context *c)
{
	struct counter *counter = (struct counter *)c->region;

	if (send(c->message, FRAME_LEN))
		counter->answered++;
	else
		counter->unsent++;
	return HANDLER_CONSUME;
}
