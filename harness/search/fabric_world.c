// SPDX-License-Identifier: BSD-2-Clause
// What can happen next in the fabric's world, and its canonical bytes.
//
// While more than BAG_FULL frames are on the way, one of them comes or is lost before
// anything else happens. Losses, copies, crashes and steps of time each have a budget
// that is part of the state.

#include <stdio.h>
#include <string.h>

#include "harness/search/fabric.h"
#include "kernel/base/assert.h"
#include "net/wire/planted.h"

#define SETTLE_STEPS 4000u
#define QUIET_NS (6 * NS_PER_SECOND)

enum happening {
	DELIVER, COPY, LOSE, SUBMIT, CANCEL, FORGE, WITHDRAW, CLEAN, CRASH, BOOT, TICK,
	LAPSE,
};

extern u8 fabric_links_room[NODES][LINKS_ROOM], fabric_rcap_room[NODES][RCAP_ROOM];
extern u64 fabric_links_size, fabric_rcap_size;

void
fabric_begin(void);

u32 net_planted;

static void
add(enum happening what, u32 which)
{
	choice_add(what, which, 0);
}

// Of frames that are alike only the first is named.
static bool
is_first(u32 place)
{
	for (u32 i = 0; i < place; i++) {
		if (fabric.bag[i].hash == fabric.bag[place].hash)
			return false;
	}
	return true;
}

static void
list_frames(void)
{
	for (u32 i = 0; i < fabric.bag_count; i++) {
		if (!is_first(i))
			continue;
		add(DELIVER, i);
		if (fabric.left.copies)
			add(COPY, i);
		if (fabric.left.losses)
			add(LOSE, i);
	}
}

static void
list_nodes(void)
{
	for (u32 i = 0; i < NODES; i++) {
		if (!fabric.up[i])
			add(BOOT, i);
		else if (fabric.left.crashes)
			add(CRASH, i);
		if (fabric.up[i] && i != OWNER && fabric.holds[i] &&
		    fabric_next(i) < OPS)
			add(SUBMIT, i);
	}
	if (fabric.up[OWNER] && fabric.boot[OWNER] == 1 && !fabric.withdrawn)
		add(WITHDRAW, 2);
	if (fabric.up[OWNER] && fabric.boot[OWNER] == 1 && fabric.withdrawn &&
	    !fabric.cleaned[2])
		add(CLEAN, 2);
}

static void
list_mischief(void)
{
	for (u32 i = 0; fabric.left.cancels && i < OPS; i++) {
		if (fabric.fate[i].state == OP_OPEN && !fabric.fate[i].orphaned_at)
			add(CANCEL, i);
	}
	for (u32 i = 0; fabric.left.forgeries && i < FORGERIES; i++) {
		if (fabric.up[2] && fabric.boot[2] == 1)
			add(FORGE, i);
	}
}

static void
list(void)
{
	list_frames();
	if (fabric.bag_count > BAG_FULL)
		return;
	list_nodes();
	list_mischief();
	if (fabric.left.ticks)
		add(TICK, 0);
	if (fabric.left.lapses)
		add(LAPSE, 0);
}

static void
happen(const struct choice *choice)
{
	switch ((enum happening)choice->what) {
	case COPY:
		fabric.left.copies--;
		fabric_deliver(choice->which, true);
		break;
	case DELIVER:
		fabric_deliver(choice->which, false);
		break;
	case LOSE:
		fabric.left.losses--;
		fabric_lose(choice->which);
		break;
	case SUBMIT:
		fabric_submit(choice->which);
		break;
	case CANCEL:
		fabric.left.cancels--;
		fabric_cancel(choice->which);
		break;
	case FORGE:
		fabric.left.forgeries--;
		fabric_forge((enum forgery)choice->which);
		break;
	case WITHDRAW:
		fabric_withdraw();
		break;
	case CLEAN:
		fabric_clean(choice->which);
		fabric_settle(OWNER);
		break;
	case CRASH:
		fabric.left.crashes--;
		fabric_crash(choice->which);
		break;
	case BOOT:
		fabric_boot(choice->which);
		break;
	case TICK:
		fabric.left.ticks--;
		fabric_time(fabric_deadline());
		break;
	case LAPSE:
		fabric.left.lapses--;
		fabric_time(fabric.now + LINK_LAPSE_NS + NS_PER_MS);
		break;
	}
}

// ---- in words

static void
tell_frame(const struct bag_frame *frame, char *text, u32 room)
{
	static const char *const kinds[] = {
		[WIRE_BEACON] = "BEACON", [WIRE_HELLO] = "HELLO", [WIRE_IDLE] = "IDLE",
		[WIRE_REQUEST] = "REQUEST", [WIRE_RESPONSE] = "RESPONSE" };
	struct wire_frame f;
	u32 number = 0;

	ASSERT(wire_parse(&f, frame->bytes, frame->len) == WIRE_FINE);
	if (f.header.kind == WIRE_REQUEST)
		number = f.request.number;
	if (f.header.kind == WIRE_RESPONSE)
		number = f.response.number;
	snprintf(text, room, "%s %u from n%u to n%u",
		 kinds[f.header.kind], number, frame->from, frame->to);
}

static void
tell(const struct choice *c, char *text, u32 room)
{
	static const char *const words[] = {
		[DELIVER] = "comes:", [COPY] = "comes, and will again:",
		[LOSE] = "is lost:", [SUBMIT] = "submits its next operation: n",
		[CANCEL] = "cancels operation ",
		[FORGE] = "n2 forges an operation, of kind ",
		[WITHDRAW] = "the owner revokes the capability of n",
		[CLEAN] = "the owner removes the entry of n", [CRASH] = "crashes: n",
		[BOOT] = "boots: n", [TICK] = "time goes to the next deadline",
		[LAPSE] = "time goes beyond every lease",
	};
	char frame[80] = "";

	if (c->what <= LOSE)
		tell_frame(&fabric.bag[c->which], frame, sizeof(frame));
	if (c->what <= LOSE)
		snprintf(text, room, "%s %s", words[c->what], frame);
	else if (c->what < TICK)
		snprintf(text, room, "%s%u", words[c->what], c->which);
	else
		snprintf(text, room, "%s", words[c->what]);
}

// ---- bytes

#define WORDS_KEPT (OPS * 8)	// of each page

static u64
hash(void)
{
	struct fabric head = fabric;
	u64 sum = 0, all[2 * NODES + 2];

	for (u32 i = 0; i < fabric.bag_count; i++)
		sum += search_hash(11, &fabric.bag[i].hash, 8);
	for (u32 i = 0; i < NODES; i++) {
		all[2 * i] = fabric.up[i] ? links_hash(fabric_links[i]) : 0;
		all[2 * i + 1] = fabric.up[i] ? search_hash(i, fabric_rcap_room[i],
							    fabric_rcap_size) : 0;
		sum = search_hash(sum, fabric_memory[i][0], WORDS_KEPT * 8);
		sum = search_hash(sum, fabric_memory[i][1], 64);
		sum = search_hash(sum, fabric_memory[i][LOCAL], WORDS_KEPT * 8);
	}
	head.lost = 0;
	all[2 * NODES] = sum;
	all[2 * NODES + 1] = search_hash(0, &head, offsetof(struct fabric, bag));
	return search_hash(1, all, sizeof(all));
}

static u8 *
put(u8 *to, const void *from, u64 len)
{
	memcpy(to, from, len);
	return to + len;
}

static void
save(void *to)
{
	u8 *at = put(to, &fabric, sizeof(fabric));

	for (u32 i = 0; i < NODES; i++) {
		at = put(at, fabric_links_room[i], fabric_links_size);
		at = put(at, fabric_rcap_room[i], fabric_rcap_size);
		for (u32 page = 0; page <= PAGES; page++)
			at = put(at, fabric_memory[i][page], WORDS_KEPT * 8);
	}
}

static const u8 *
get(void *to, const u8 *from, u64 len)
{
	memcpy(to, from, len);
	return from + len;
}

static void
load(const void *from)
{
	const u8 *at = get(&fabric, from, sizeof(fabric));

	for (u32 i = 0; i < NODES; i++) {
		at = get(fabric_links_room[i], at, fabric_links_size);
		at = get(fabric_rcap_room[i], at, fabric_rcap_size);
		for (u32 page = 0; page <= PAGES; page++)
			at = get(fabric_memory[i][page], at, WORDS_KEPT * 8);
	}
}

static void
begin(void)
{
	fabric_begin();
	fabric.left = (struct budget){ .losses = 1, .copies = 1, .crashes = 1,
				       .ticks = 2, .lapses = 1, .cancels = 1,
				       .forgeries = 1 };
	judge();
}

// ---- the end

static bool
all_ended(void)
{
	for (u32 i = 0; i < OPS; i++) {
		if (fabric.fate[i].state == OP_OPEN && !fabric.fate[i].orphaned_at)
			return false;
	}
	return fabric_connected();
}

static const char *
settle(void)
{
	u64 until = fabric.now + QUIET_NS;

	for (u32 i = 0; i < NODES; i++) {
		if (!fabric.up[i])
			fabric_boot(i);
	}
	for (u32 steps = 0; steps < SETTLE_STEPS && !all_ended(); steps++) {
		if (fabric.bag_count)
			fabric_deliver(0, false);
		else if (fabric.now > until)
			break;
		else
			fabric_time(fabric_deadline());
		judge();
	}
	return all_ended() ? NULL : "nothing goes wrong any more, and something never ends";
}

// ---- bugs

static const char *const names[] = {
#define X(name, sentence) #name,
#include "net/wire/bugs.def"
#undef X
	NULL
};

const struct world world_fabric = {
	.name = "fabric",
	.text = "net/link and net/rcap: 3 nodes, 2 pages, 1 crash",
	.bugs = names, .planted = &net_planted,
	.size = sizeof(struct fabric) +
		NODES * (LINKS_ROOM + RCAP_ROOM + (PAGES + 1) * WORDS_KEPT * 8),
	.begin = begin, .list = list, .happen = happen, .tell = tell, .check = judge,
	.hash = hash, .save = save, .load = load, .settle = settle,
};
