// SPDX-License-Identifier: BSD-2-Clause
// Fuzzes everything behind the tag: a peer that holds all keys and says what the
// input says. Node 0 is under test; node 1 speaks to it, honestly or with any
// header, body and payload under a valid tag. After each step every invariant of
// both nodes is walked; at the end, nothing of node 0 may have changed outside of
// what node 1 was given and what node 0 asked for itself.
//
// links: net/rcap/test_rig.c net/rcap/rcap.c net/rcap/submit.c net/rcap/send.c
// links: net/rcap/together.c
// links: net/rcap/answer.c net/rcap/owner.c net/rcap/memory.c net/rcap/block.c net/rcap/asked_rig.c
// links: net/rcap/message.c net/rcap/export.c net/rcap/check.c net/rcap/serve.c
// links: net/rcap/ticket.c net/rcap/recall.c net/rcap/lease.c
// links: net/wire/wire.c
// links: net/link/table.c net/link/handshake.c net/link/session.c net/link/ask.c
// links: net/link/grant.c net/link/seal.c net/link/input.c net/link/time.c
// links: net/link/pace.c net/link/rekey.c net/link/hide.c net/link/check.c net/sodium/crypto.c
// links: net/sodium/libsodium.o
// links: kernel/base/siphash.c harness/testing/host_assert.c

#include <stdlib.h>
#include <string.h>

#include "kernel/base/assert.h"
#include "kernel/base/siphash.h"
#include "net/link/state.h"
#include "net/rcap/test_rig.h"

#define ENV 7u
#define GIVEN_FROM (8u * 4096)	// what node 1 holds of node 0's memory
#define GIVEN_TO (12u * 4096)
#define LOCAL_TO (2u * 4096)	// where node 0's own operations and messages land
#define STEPS_MAX 200u

// A rig that is set up already, and what its memory held then: an input costs a
// copy of that, not a boot.
static struct snapshot {
	struct rig rig, saved;
	u8 *memory[2][5];
	u32 mine, blocks, endpoint;	// places of node 1
	u32 theirs;			// place of node 0
} snapshots[4];

static struct snapshot *now;

#define rig (now->rig)

struct input {
	const u8 *at;
	size_t left;
};

static void
take(struct input *input, void *to, size_t len)
{
	size_t n = MIN(len, input->left);

	memset(to, 0, len);
	if (n)
		memcpy(to, input->at, n);
	input->at += n;
	input->left -= n;
}

static u8
take8(struct input *input)
{
	u8 byte;

	take(input, &byte, 1);
	return byte;
}

static void
set_up(u8 how)
{
	rig_start(&rig, 2, 7, how & 1 ? 9000 : 1500, how & 2 ? 12 : 64);
	rig_connect(&rig);
	now->mine = rig_export(&rig, 0, 1, ENV, TYPE_FRAMES, WIRE_RIGHTS, 8, 4);
	now->blocks = rig_export(&rig, 0, 1, ENV, TYPE_BLOCKS, 3, 4, 3);
	ASSERT(rcap_endpoint_open(rig.node[0].rcap, 0, 3));
	ASSERT(rcap_post(rig.node[0].rcap, 0, 4096, 1024, 5, 6));
	now->endpoint = rig_export(&rig, 0, 1, ENV, TYPE_ENDPOINT,
				   WIRE_RIGHT_WRITE, 0, 1);
	now->theirs = rig_export(&rig, 1, 0, ENV, TYPE_FRAMES, 3, 8, 4);
	for (u32 i = 0; i < RIG_PAGES * 4096; i++)
		rig.node[0].memory[i] = (u8)(i * 31 >> 3);
}

// Copies everything that a node is made of, out of the rig or back into it.
static void
copy_all(bool back)
{
	for (u32 i = 0; i < 2; i++) {
		struct rig_node *n = &rig.node[i];
		void *piece[5] = { n->links_memory, n->rcap_memory, n->memory,
				   n->staging, n->disk };
		u64 size[5] = { n->links_size, n->rcap_size, RIG_PAGES * 4096,
				6 * 4096, RIG_BLOCKS * 4096 };

		for (u32 p = 0; p < 5; p++) {
			if (!now->memory[i][p])
				now->memory[i][p] = malloc(size[p]);
			if (back)
				memcpy(piece[p], now->memory[i][p], size[p]);
			else
				memcpy(now->memory[i][p], piece[p], size[p]);
		}
	}
}

static void
begin(u8 how)
{
	now = &snapshots[how % 4];
	if (rig.nodes) {
		rig = now->saved;
		copy_all(true);
		return;
	}
	set_up(how);
	now->saved = rig;
	copy_all(false);
}

static void
check_memory(void)
{
	const u8 *memory = rig.node[0].memory;

	for (u32 i = LOCAL_TO; i < RIG_PAGES * 4096; i++) {
		if (i < GIVEN_FROM || i >= GIVEN_TO)
			ASSERT(memory[i] == (u8)(i * 31 >> 3));
	}
	for (u32 i = 0; i < RIG_BLOCKS * 4096; i++)
		ASSERT((i >> 12 >= 4 && i >> 12 < 7) || !rig.node[0].disk[i]);
}

// Xors the input's bytes into header and body, then makes the tag right again.
static u32
twist(struct input *input, const u8 *key, u8 *frame, u32 len)
{
	u32 tagged = len - WIRE_ETHERNET - WIRE_TAG;

	for (u32 n = take8(input) % 4; n; n--) {
		u8 at = take8(input);

		if (at < tagged)
			frame[WIRE_ETHERNET + at] ^= take8(input);
	}
	le64_store(frame + WIRE_ETHERNET + tagged,
		   siphash64(key, frame + WIRE_ETHERNET, tagged));
	return len;
}

static void
say_request(struct input *input, struct link_peer *peer, u8 *frame)
{
	u32 places[] = { now->mine, now->mine, now->blocks, now->endpoint };
	const struct rig_place *place =
		&rig.node[1].place[places[take8(input) % 4]];
	struct wire_request body = {
		.number = peer->done + take8(input) % 70 - 3u,
		.op = (u8)(1 + take8(input) % (OP_COUNT - 1)),
		.flags = take8(input) & WIRE_FLAGS,
		.environment = ENV,
		.slot = place->remote.slot,
		.generation = place->remote.generation,
	};
	const struct wire_op_info *info = &wire_op_info[body.op];
	u8 payload[WIRE_DATA_MAX];
	u32 len;

	take(input, &body.offset, 2);
	body.length = info->shortest + (u32)(take8(input) * 16 %
					     (wire_op_longest[body.op] - info->shortest + 1));
	len = body.op == OP_MCAS
		      ? (1 + take8(input) % 3u) * WIRE_LENGTH(clause)
		      : wire_request_data(&body);
	body.part = (u8)(take8(input) % wire_parts(len, false));
	if (body.op != OP_MCAS)
		len = wire_part_len(len, body.flags & WIRE_FLAG_WHOLE, body.part);
	if (body.flags & WIRE_FLAG_CANCEL)
		len = 0;
	take(input, payload, MIN(len, 64u));
	len = links_request(rig.node[1].links, rig.now, 0, frame, &body, payload,
			    MIN(len, WIRE_DATA_MAX));
	if (len)
		rig_deliver(&rig, 0, frame, twist(input, peer->tx_key, frame, len));
}

static void
say_response(struct input *input, struct link_peer *peer, u8 *frame)
{
	const struct link_peer *other = &rig.node[0].links->peer[0];
	struct wire_response body = {
		.number = other->done + take8(input) % 8u,
		.execution = take8(input) % 4u,
		.status = take8(input) % STATUS_COUNT,
		.code = take8(input) % CODE_COUNT,
		.parts = 1,
		.clause = take8(input),
		.held = take8(input),
		.length = (u16)(take8(input) * 17u % 4097),
	};
	u8 payload[WIRE_DATA_MAX];
	u32 len = body.length;

	if (take8(input) & 1 && len > WIRE_PART) {
		body.parts = (u8)wire_parts(len, false);
		body.part = take8(input) % body.parts;
		len = wire_part_len(len, false, body.part);
	}
	take(input, payload, 16);
	len = links_response(rig.node[1].links, rig.now, 0, frame, &body, payload,
			     len);
	if (len)
		rig_deliver(&rig, 0, frame, twist(input, peer->tx_key, frame, len));
}

// A BEACON or HELLO, or an IDLE, of node 1's own, twisted.
static void
say_own(struct input *input, struct link_peer *peer, u8 *frame, u8 say)
{
	struct links *links = rig.node[1].links;
	u32 len;

	if (say == 0) {
		len = say_beacon(links, rig.now, frame);
		twist(input, links->cluster_tag_key, frame, len);
	} else {
		if (peer->state != LINK_STATE_UP)
			return;
		len = say_idle(links, rig.now, peer, frame);
		twist(input, peer->tx_key, frame, len);
	}
	rig_deliver(&rig, 0, frame, len);
}

static void
ask(struct input *input, u32 node)
{
	struct rcap_submit s = rig_submit(&rig, node, node ? now->mine : now->theirs,
					  (u8)(1 + take8(input) % OP_FETCH_ADD),
					  take8(input) * 8u, 8, node * 64);

	if (s.op <= OP_WRITE)
		s.length = 1 + take8(input) * 16u;
	s.addend = 1;
	s.pieces = 1;
	s.fenced = take8(input) & 1;
	u32 id = rcap_submit(rig.node[node].rcap, rig.now, &s);

	if (id != RCAP_NONE && take8(input) % 8 == 0)
		rcap_cancel(rig.node[node].rcap, rig.now, id);
}

static void
step(struct input *input)
{
	struct link_peer *peer = &rig.node[1].links->peer[0];
	static u8 frame[WIRE_FRAME_MAX];
	u8 raw[200];

	switch (take8(input) % 10) {
	case 0:
		take(input, raw, sizeof(raw));
		rig_deliver(&rig, 0, raw, sizeof(raw));
		break;
	case 1:
	case 2:
	case 3:
		say_request(input, peer, frame);
		break;
	case 4:
		say_response(input, peer, frame);
		break;
	case 5:
		say_own(input, peer, frame, take8(input) % 2);
		break;
	case 6:
		ask(input, 0);
		break;
	case 7:
		ask(input, 1);
		break;
	case 8:
		rig.loss = take8(input) % 4 * 250u;
		rig_run(&rig, take8(input) * NS_PER_MS / 4);
		break;
	default:
		if (take8(input) % 16 == 0)
			rig_run(&rig, take8(input) * 10 * NS_PER_MS);
		else
			rig_revoke(&rig, 0, take8(input) % 8);
		break;
	}
}

int
LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int
LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct input input = { data, size };

	if (size < 2 || size > 4096)
		return 0;
	begin(take8(&input));
	for (u32 i = 0; i < STEPS_MAX && input.left; i++)
		step(&input);
	rig.loss = 0;
	rig_run(&rig, NS_PER_SECOND / 10);
	check_memory();
	return 0;
}
