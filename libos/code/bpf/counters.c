// SPDX-License-Identifier: BSD-2-Clause
// Counters by name, for peers: a message is a name and what to add, the answer is the
// sum so far. Stands on a fabric endpoint (PROGRAM_INVOKE), so nobody of the owner has
// to run for it, and a name's counter is made by who asks for it first: more than a
// FETCH_ADD on a known place can do.
//
// Returns 1 and the sum, or 0 when there is no room near the name's place.

#include "libos/code/bpf/bpf.h"

#define SLOTS 256u		// of 16 bytes in the region
#define PROBES 8u

struct asked {
	u64 name;		// not 0
	u64 add;
};

struct slot {
	u64 name;		// 0: free
	u64 sum;
};

STATIC_ASSERT(SLOTS * sizeof(struct slot) == INVOKE_REGION_SIZE);

u64
add(struct invoke_context *c)
{
	const struct asked *asked = (const struct asked *)c->message;
	struct slot *slots = (struct slot *)c->region;
	u64 name = asked->name;

	if (c->length != sizeof(*asked) || !name)
		return 0;
	for (u32 i = 0; i < PROBES; i++) {
		struct slot *slot = &slots[(name + i) % SLOTS];

		if (slot->name && slot->name != name)
			continue;
		slot->name = name;
		slot->sum += asked->add;
		c->result = slot->sum;
		return 1;
	}
	return 0;
}
