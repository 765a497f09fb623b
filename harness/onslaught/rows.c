// SPDX-License-Identifier: BSD-2-Clause
// The rows: what is tried. Each counts every frame that it sends, and finds the victim's
// own counters to have counted as many; main.c judges what they have left behind. The
// table at the end is the list of docs/attacks-wire.md.

#include <string.h>

#include "harness/onslaught/onslaught.h"

#define BATCH 200u		// frames between which time passes
#define MEMBERS 1000u		// of a round: forged DROPs leave the intruder ever less

static u64
executed(const struct onslaught *o)
{
	const struct rcap_counters *c = rcap_counters(o->rig.node[VICTIM].rcap);
	u64 sum = 0;

	for (u32 op = 0; op < OP_COUNT; op++)
		sum += c->executed[op];
	return sum;
}

// A stranger: altered captures and noise, all without a tag that is right. Each is
// counted by a reason, none has an effect.
static void
run_untagged(struct onslaught *o, struct tally *tally, u64 frames)
{
	static u8 frame[WIRE_FRAME_MAX + 128];
	u64 counted = tally->counted, ran = executed(o);

	for (u64 i = 0; i < frames; i++) {
		u32 len = prng_below(&o->prng, 4) ? forge_altered(o, frame)
						  : forge_noise(o, frame);

		onslaught_deliver(o, tally, frame, len);
		if (tally->counted != ++counted)
			onslaught_failed(o, "a frame without a tag was not dropped");
		if (i % 4096 == 0)
			onslaught_settle(o);
	}
	if (executed(o) != ran)
		onslaught_failed(o, "something ran that nobody asked for");
}

// A member: whatever its kernel can seal.
static void
run_tagged(struct onslaught *o, struct tally *tally, u64 frames)
{
	static u8 frame[WIRE_FRAME_MAX + 128];

	for (u64 i = 0; i < MIN(frames, MEMBERS); i++) {
		u32 len = forge_sealed(o, frame);

		if (len)
			onslaught_deliver(o, tally, frame, len);
		if (len && i % BATCH)
			continue;
		onslaught_settle(o);
		if (!links_session(o->rig.node[INTRUDER].links,
				   rig_peer(&o->rig, INTRUDER, VICTIM)) ||
		    !links_session(o->rig.node[VICTIM].links,
				   rig_peer(&o->rig, VICTIM, INTRUDER)))
			break;		// a new round has a session again
	}
}

// A member names capabilities that it was not given.
static void
run_guess(struct onslaught *o, struct tally *tally, u64 frames)
{
	static u8 frame[WIRE_FRAME_MAX];
	u64 refused = tally->refused, ran = executed(o);

	for (u64 i = 0; i < frames; i++) {
		u32 len = forge_guess(o, frame);

		if (!len)
			onslaught_failed(o, "guesses ended the session");
		onslaught_deliver(o, tally, frame, len);
		if (tally->refused != ++refused)
			onslaught_failed(o, "a guess was not refused");
		if (i % BATCH == BATCH - 1)
			onslaught_settle(o);
	}
	if (executed(o) != ran)
		onslaught_failed(o, "a guess ran");
}

// Everything that was captured, once more. What belongs to a session is dropped, each.
static u64
send_captures(struct onslaught *o, struct tally *tally, u64 frames)
{
	u64 ran = executed(o), sent = 0;

	for (u32 i = 0; i < o->corpus && sent < frames; i++) {
		const struct rig_frame *frame = &o->rig.captured[i];
		bool greets = frame->bytes[WIRE_ETHERNET + 1] <= WIRE_HELLO;
		u64 counted = tally->counted;

		onslaught_deliver(o, tally, frame->bytes, frame->len);
		if (!greets && tally->counted != counted + 1)
			onslaught_failed(o, "a captured frame was taken again");
		if (++sent % BATCH == 0)
			onslaught_settle(o);
	}
	if (executed(o) != ran)
		onslaught_failed(o, "a captured frame ran again");
	return sent;
}

// Until the victim has a session with the intruder, and the first frame in it is to come.
static void
await_session(struct onslaught *o)
{
	const struct links *links = o->rig.node[VICTIM].links;
	u16 peer = rig_peer(&o->rig, VICTIM, INTRUDER);

	for (u32 i = 0; i < 1000000 && !links_session(links, peer); i++)
		rig_run(&o->rig, 5 * NS_PER_US);
}

// The captures come again: in their session; as the next one of the same lives begins, and
// when it has begun; to the victim in another life, before it has a session, and after.
static void
run_replay(struct onslaught *o, struct tally *tally, u64 frames)
{
	struct rig_node *victim = &o->rig.node[VICTIM];
	u64 sent = send_captures(o, tally, frames);

	for (u32 i = 0; i < NODES; i++)
		o->rig.cut[VICTIM][i] = o->rig.cut[i][VICTIM] = true;
	rig_run(&o->rig, 3 * NS_PER_SECOND);
	memset(o->rig.cut, 0, sizeof(o->rig.cut));
	await_session(o);
	sent += send_captures(o, tally, frames - sent);
	rig_connect(&o->rig);
	sent += send_captures(o, tally, frames - sent);
	rig_crash(&o->rig, VICTIM);
	rig_boot(&o->rig, VICTIM);
	memcpy(o->shadow + HONEST_AT * 4096, &o->added, 8);
	memcpy(victim->memory, o->shadow, sizeof(o->shadow));
	sent += send_captures(o, tally, frames - sent);
	rig_run(&o->rig, 3 * NS_PER_SECOND);
	rig_connect(&o->rig);
	send_captures(o, tally, frames - sent);
	o->honest_session = 0;		// it has another one now, and no capability
}

// What the intruder held is revoked, and used as before.
static void
run_stale(struct onslaught *o, struct tally *tally, u64 frames)
{
	const struct rig_node *n = &o->rig.node[INTRUDER];
	u32 slot = n->place[o->frames_place].remote.slot, tree = 0;
	static u8 frame[WIRE_FRAME_MAX], lent[LENT * 4096];
	u8 *memory = o->rig.node[VICTIM].memory + LENT_AT * 4096;
	u64 refused = tally->refused;

	while (o->rig.node[VICTIM].tree[tree].entry != slot ||
	       !o->rig.node[VICTIM].tree[tree].used)
		tree++;
	rig_revoke(&o->rig, VICTIM, tree);
	memcpy(lent, memory, sizeof(lent));
	for (u64 i = 0; i < frames; i++) {
		u32 len = forge_use(o, frame);

		if (!len)
			onslaught_failed(o, "uses ended the session");
		onslaught_deliver(o, tally, frame, len);
		if (tally->refused != ++refused)
			onslaught_failed(o, "a revoked capability was not refused");
		if (i % BATCH == BATCH - 1)
			onslaught_settle(o);
	}
	if (memcmp(lent, memory, sizeof(lent)))
		onslaught_failed(o, "a revoked capability has changed memory");
}

// What the victim itself has said, sent back to it, and to its honest peer from
// somebody else's address.
static void
run_reflect(struct onslaught *o, struct tally *tally, u64 frames)
{
	static u8 frame[WIRE_FRAME_MAX];
	u64 counted = tally->counted;

	for (u64 i = 0, sent = 0; i < 8ull * o->corpus && sent < frames; i++) {
		const struct rig_frame *from =
			&o->rig.captured[prng_below(&o->prng, o->rig.captured_count)];

		if (from->bytes[11] != VICTIM + 1)
			continue;
		memcpy(frame, from->bytes, from->len);
		memcpy(frame, from->bytes + 6, 6);	// the addresses change places
		memcpy(frame + 6, from->bytes, 6);
		onslaught_deliver(o, tally, frame, from->len);
		sent++;
		if (tally->counted != ++counted)
			onslaught_failed(o, "the victim heard itself");
		if (sent % BATCH == 0)
			onslaught_settle(o);
	}
}

const struct row rows[] = {
	{ "untagged", "altered captures and noise, by who has no key", run_untagged, 480 },
	{ "tagged", "whatever a member's kernel can seal", run_tagged, 480 },
	{ "replay", "captures again, and across a reboot", run_replay, 20 },
	{ "stale", "a capability that was revoked", run_stale, 10 },
	{ "reflect", "a node's own frames sent back to it", run_reflect, 10 },
	{ "guess", "capabilities that a member was not given", run_guess, 0 },
};
const u32 row_count = ARRAY_SIZE(rows);
