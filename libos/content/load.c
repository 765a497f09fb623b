// SPDX-License-Identifier: BSD-2-Clause
// Blocks on their way: which copy is read, and what becomes of what comes.
//
// A content block and its header are read at the same time; whichever comes first
// waits for the other. A load ends when its block is checked, or no copy is left.
//
// Invariants:
//  L1  A load that is in use has a block in state LOADING; a content block's load
//      has its header pinned.
//  L2  open[] counts the loads that are READING, by where.
//  L3  A copy that was tried is not read again by that load, so each ends.

#include "kernel/base/assert.h"
#include "kernel/base/string.h"
#include "libos/content/state.h"

// Loads that read-ahead leaves to those who wait.
#define LOADS_KEPT 16u

static struct content_load *
load_begin(struct content *content, const struct content_object *object,
	   u64 index, u32 block, u32 header)
{
	struct content_load *load = content->load;

	ASSERT(content->loads < CONTENT_LOADS);
	while (load->stage != CONTENT_IDLE)
		load++;
	*load = (struct content_load){
		.object = *object,
		.index = index,
		.block = block,
		.header = header,
		.stage = CONTENT_WANTS,
	};
	content->loads++;
	return load;
}

static void
note_news(struct content *content, u32 block)
{
	u32 at = (content->news_first + content->news_count) % CONTENT_NEWS;

	content->news[at] = block;
	if (content->news_count < CONTENT_NEWS)
		content->news_count++;
	else
		content->news_first = (content->news_first + 1) % CONTENT_NEWS;
}

static void
load_end(struct content *content, struct content_load *load, bool here)
{
	u32 header = load->header;

	load->stage = CONTENT_IDLE;
	content->loads--;
	content->counters.failed += !here;
	content_settle(content, load->block, here);
	if (header != CONTENT_NONE)
		content_unpin(content, header);
}

// The header's block for a content block, pinned; it is loaded if it is not here.
static u32
header_begin(struct content *content, const struct content_object *object,
	     u64 index)
{
	u64 name = HEADER_BIT | index / OBJECT_SUMS;
	u32 block = content_find(content, object->id, name);

	if (block == CONTENT_NONE) {
		block = content_take(content, object->id, name);
		if (block == CONTENT_NONE)
			return block;
		load_begin(content, object, name, block, CONTENT_NONE);
	}
	content_pin(content, block);
	content->block[block].referenced = true;
	return block;
}

bool
content_load(struct content *content, const struct content_object *object,
	     u64 index, bool ahead)
{
	u32 room = CONTENT_LOADS - (ahead ? LOADS_KEPT : 0);
	u32 header, block;

	if (content->loads + 2 > room)
		return false;
	header = header_begin(content, object, index);
	if (header == CONTENT_NONE)
		return false;
	block = content_take(content, object->id, index);
	if (block == CONTENT_NONE) {
		// No event: who tries again because of it would do so for ever.
		content_release(content, header);
		return false;
	}
	load_begin(content, object, index, block, header);
	return true;
}

static u8
node_state(const struct content *content, const struct content_load *load,
	   u32 copy)
{
	u16 node = load->object.node[copy];

	if (node == CONTENT_NOBODY || load->tried & 1u << copy)
		return CONTENT_ABSENT;
	ASSERT(node < CONTENT_NODES_MAX);
	return content->node[node];
}

// Chooses the copy to read: this node's, or one by turns. False: none can be read
// now; *hope says that one may be soon.
static bool
choose_copy(const struct content *content, struct content_load *load, bool *hope)
{
	u32 turn = (content->salt ^ load->object.id[0] ^ (u32)load->index) & 1;
	bool found = false;

	*hope = false;
	for (u32 i = 0; i < CONTENT_COPIES; i++) {
		u32 copy = (turn + i) % CONTENT_COPIES;
		u8 state = node_state(content, load, copy);

		*hope |= state == CONTENT_OPENING;
		if (state == CONTENT_LOCAL ||
		    (state == CONTENT_REMOTE && !found)) {
			load->copy = (u8)copy;
			found = true;
		}
		if (state == CONTENT_LOCAL)
			break;
	}
	return found;
}

static u64
block_on_disk(const struct content_load *load)
{
	struct object o = {
		.length = load->object.length,
		.first = load->object.first[load->copy],
	};

	return load->header == CONTENT_NONE ?
	       object_header_at(&o, load->index & ~HEADER_BIT) :
	       object_content_at(&o, load->index);
}

static bool
reads_locally(const struct content *content, const struct content_load *load)
{
	return content->node[load->object.node[load->copy]] == CONTENT_LOCAL;
}

// Somebody's memory is worth one try. Not for headers: those of two copies differ.
static bool
may_ask_peer(const struct content_load *load)
{
	return load->header != CONTENT_NONE && !load->asked_peer;
}

static void
start_read(struct content *content, u32 tag, struct content_read *read)
{
	struct content_load *load = &content->load[tag];
	bool local = reads_locally(content, load);

	load->stage = CONTENT_READING;
	load->is_local = local;
	content->open[local]++;
	*read = (struct content_read){
		.tag = tag,
		.node = load->object.node[load->copy],
		.is_local = local,
		.block = block_on_disk(load),
		.at = content_bytes(content, load->block),
		.may_ask_peer = !local && may_ask_peer(load),
		.id = load->object.id,
		.index = load->index,
	};
}

static struct object
copy_object(const struct content_load *load)
{
	struct object o = {
		.length = load->object.length,
		.first = load->object.first[load->copy],
	};

	memcpy(o.id, load->object.id, STORE_ID);
	return o;
}

static bool
is_right(const struct content *content, const struct content_load *load)
{
	const void *bytes = content_bytes(content, load->block);
	struct object o;

	if (load->header != CONTENT_NONE)
		return object_block_check((const void *)content_bytes(content,
								      load->header),
					  load->index, bytes) == OBJECT_FINE;
	o = copy_object(load);
	return object_header_check(bytes, &o, load->index & ~HEADER_BIT) ==
	       OBJECT_FINE;
}

// The copy that was read is no good: the other one's turn, if there is one.
static void
try_other(struct content *content, struct content_load *load)
{
	u32 other = CONTENT_COPIES - 1 - load->copy;

	load->tried |= (u8)(1u << load->copy);
	load->stage = CONTENT_WANTS;
	if (load->object.node[other] != CONTENT_NOBODY &&
	    !(load->tried & 1u << other))
		content->counters.failovers++;
}

// A block is here and so is its header, or it is one.
static void
judge(struct content *content, struct content_load *load)
{
	if (is_right(content, load)) {
		if (load->from_peer)
			content->counters.peer_reads++;
		else if (load->header != CONTENT_NONE)
			note_news(content, load->block);
		load_end(content, load, true);
	} else if (load->from_peer) {
		content->counters.peer_misses++;
		load->from_peer = false;
		load->stage = CONTENT_WANTS;
	} else {
		content->counters.bad_sums++;
		try_other(content, load);
	}
}

// A header is here, or cannot be had: what waited for it goes on.
static void
header_settled(struct content *content, u32 header, bool here)
{
	for (u32 i = 0; i < CONTENT_LOADS; i++) {
		struct content_load *load = &content->load[i];

		if (load->stage == CONTENT_IDLE || load->header != header)
			continue;
		if (here && load->stage == CONTENT_ARRIVED)
			judge(content, load);
		else if (!here && load->stage != CONTENT_READING)
			load_end(content, load, false);
	}
}

static void
fail(struct content *content, struct content_load *load)
{
	u32 block = load->block;
	bool is_header = load->header == CONTENT_NONE;

	load_end(content, load, false);
	if (is_header)
		header_settled(content, block, false);
}

bool
content_next_read(struct content *content, struct content_read *read)
{
	if (!content->loads)
		return false;
	for (u32 i = 0; i < CONTENT_LOADS; i++) {
		u32 tag = (content->load_scan + i) % CONTENT_LOADS;
		struct content_load *load = &content->load[tag];
		bool hope;

		if (load->stage != CONTENT_WANTS)
			continue;
		if (!choose_copy(content, load, &hope)) {
			if (!hope)
				fail(content, load);
			continue;
		}
		if (content->open[reads_locally(content, load)] == CONTENT_OPEN_MAX)
			continue;
		content->load_scan = tag + 1;
		start_read(content, tag, read);
		return true;
	}
	return false;
}

// A content block is here: it is judged when its header is.
static void
arrive(struct content *content, struct content_load *load)
{
	switch (content->block[load->header].state) {
	case CONTENT_LOADING:
		load->stage = CONTENT_ARRIVED;
		break;
	case CONTENT_READY:
		judge(content, load);
		break;
	default:
		fail(content, load);
		break;
	}
}

void
content_read_done(struct content *content, u32 tag, bool good)
{
	struct content_load *load = &content->load[tag];
	bool local = load->is_local;
	u32 block = load->block;

	ASSERT(tag < CONTENT_LOADS && load->stage == CONTENT_READING);
	ASSERT(content->open[local] > 0);
	content->open[local]--;
	if (!good) {
		try_other(content, load);
		return;
	}
	*(local ? &content->counters.local_reads :
		  &content->counters.remote_reads) += 1;
	if (load->header != CONTENT_NONE) {
		arrive(content, load);
		return;
	}
	judge(content, load);
	if (content->block[block].state == CONTENT_READY)
		header_settled(content, block, true);
}

void
content_peer_done(struct content *content, u32 tag, bool good)
{
	struct content_load *load = &content->load[tag];

	ASSERT(tag < CONTENT_LOADS && load->stage == CONTENT_READING);
	ASSERT(!load->is_local && may_ask_peer(load));
	content->open[0]--;
	load->asked_peer = true;
	load->from_peer = good;
	if (good) {
		arrive(content, load);
	} else {
		content->counters.peer_misses++;
		load->stage = CONTENT_WANTS;
	}
}

void
content_set_node(struct content *content, u16 node, enum content_node state)
{
	ASSERT(node < CONTENT_NODES_MAX);
	content->node[node] = (u8)state;
}
