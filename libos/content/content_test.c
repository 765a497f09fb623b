// SPDX-License-Identifier: BSD-2-Clause
// The block cache against two made-up disks: reads that end in any order, rot,
// nodes that go and come, and a cache far smaller than what is asked for.
//
// links: libos/content/content.c libos/content/load.c libos/store/object.c
// links: kernel/base/siphash.c kernel/base/string.c harness/testing/host_assert.c

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/testing/seed.h"
#include "kernel/base/prng.h"
#include "libos/content/content.h"

#define OBJECTS 12u
#define DISK_BLOCKS 4096u
#define WAITERS 24u
#define PINS 3u
#define LOCAL 0u
#define OTHER 1u

static u8 *disk[2];
static struct content_object objects[OBJECTS];
static struct content content;
static void *memory;
static u8 *bytes;

struct waiter {
	struct content_wait wait;	// first
	u32 object;
	u64 index;
	bool asks;
	u32 pin[PINS];
	u32 pins;
};

static struct waiter waiters[WAITERS];

// Bytes of an object, wherever they lie.
static u8
byte_at(u32 object, u64 at)
{
	return (u8)(object * 37 + at * 11 + at / 4096 * 3);
}

static void
write_object(u32 number, u32 node)
{
	const struct content_object *o = &objects[number];
	struct object object = { .length = o->length, .first = o->first[node] };
	u64 blocks = object_content_blocks(o->length);
	struct object_header *header;

	memcpy(object.id, o->id, STORE_ID);
	for (u64 i = 0; i < blocks; i++) {
		u8 *at = disk[node] + object_content_at(&object, i) * STORE_BLOCK;

		memset(at, 0, STORE_BLOCK);
		for (u64 k = 0; k < MIN(o->length - i * STORE_BLOCK, STORE_BLOCK); k++)
			at[k] = byte_at(number, i * STORE_BLOCK + k);
	}
	for (u64 n = 0; n < object_header_blocks(o->length); n++) {
		header = (void *)(disk[node] +
				  object_header_at(&object, n) * STORE_BLOCK);
		object_header_begin(header, &object, n);
		for (u64 i = n * OBJECT_SUMS; i < MIN(blocks, (n + 1) * OBJECT_SUMS); i++)
			object_header_add(header, i, object_sum(
				&object, i, disk[node] +
				object_content_at(&object, i) * STORE_BLOCK));
		object_header_end(header);
	}
}

static void
fresh(u32 blocks)
{
	u64 at[2] = { STORE_FIRST_BLOCK, STORE_FIRST_BLOCK + 100 };

	free(memory);
	free(bytes);
	memory = calloc(1, content_memory_needed(blocks));
	bytes = aligned_alloc(STORE_BLOCK, (size_t)blocks * STORE_BLOCK);
	assert_true(memory && bytes);
	content_init(&content, memory, bytes, blocks, 0);
	memset(waiters, 0, sizeof(waiters));
	for (u32 i = 0; i < OBJECTS; i++) {
		struct content_object *o = &objects[i];

		*o = (struct content_object){
			// The last one needs two header blocks.
			.length = i == OBJECTS - 1 ? 510 * STORE_BLOCK - 7 :
				  1 + i * i * 1777,
			.first = { at[0], at[1] },
			.node = { LOCAL, OTHER },
		};
		memset(o->id, (int)i + 1, STORE_ID);
		for (u32 n = 0; n < 2; n++) {
			write_object(i, n);
			at[n] += object_blocks(o->length);
			assert_true(at[n] < DISK_BLOCKS);
		}
	}
	content_set_node(&content, LOCAL, CONTENT_LOCAL);
	content_set_node(&content, OTHER, CONTENT_REMOTE);
}

static int
set_up(void **state)
{
	(void)state;
	for (u32 n = 0; n < 2; n++) {
		disk[n] = calloc(DISK_BLOCKS, STORE_BLOCK);
		assert_non_null(disk[n]);
	}
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	free(disk[0]);
	free(disk[1]);
	free(memory);
	free(bytes);
	return 0;
}

static void
check_block(u32 object, u64 index, u32 block)
{
	const u8 *at = content_bytes(&content, block);
	u64 len = MIN(objects[object].length - index * STORE_BLOCK, STORE_BLOCK);

	for (u64 k = 0; k < len; k++)
		assert_int_equal(at[k], byte_at(object, index * STORE_BLOCK + k));
}

static void
run_read(const struct content_read *read)
{
	assert_true(read->block < DISK_BLOCKS);
	assert_int_equal(read->is_local, read->node == LOCAL);
	memcpy(read->at, disk[read->node] + read->block * STORE_BLOCK, STORE_BLOCK);
	content_read_done(&content, read->tag, true);
	content_check(&content);
}

// Reads everything that is to be read, at once.
static u32
run_reads(void)
{
	struct content_read read;
	u32 count = 0;

	while (content_next_read(&content, &read)) {
		run_read(&read);
		count++;
	}
	content_check(&content);
	return count;
}

// Gets a block, reading what that takes. Returns how it ended.
static enum content_result
fetch(u32 object, u64 index, u32 *block)
{
	struct content_wait wait = { 0 };
	enum content_result result;

	while ((result = content_get(&content, &objects[object], index, &wait,
				     block)) == CONTENT_LATER) {
		run_reads();
		assert_ptr_equal(content_ready(&content), &wait);
	}
	return result;
}

static void
every_block_of_every_object(void **state)
{
	u32 block;

	(void)state;
	fresh(CONTENT_BLOCKS_MIN);
	for (u32 o = 0; o < OBJECTS; o++) {
		u64 blocks = object_content_blocks(objects[o].length);

		for (u64 i = 0; i < blocks; i++) {
			assert_int_equal(fetch(o, i, &block), CONTENT_HERE);
			check_block(o, i, block);
			content_unpin(&content, block);
		}
	}
	assert_int_equal(content.counters.bad_sums, 0);
	assert_int_equal(content.counters.remote_reads, 0);
	assert_true(content.counters.evicted > 500);
	// Read ahead: most blocks were there when they were asked for.
	assert_true(content.counters.misses * 4 < content.counters.hits);
}

static void
one_read_serves_all_who_wait(void **state)
{
	struct content_wait wait[3] = { 0 };
	u32 block[3];

	(void)state;
	fresh(64);
	for (u32 i = 0; i < 3; i++)
		assert_int_equal(content_get(&content, &objects[0], 0, &wait[i],
					     &block[i]), CONTENT_LATER);
	assert_int_equal(run_reads(), 2);	// header and block
	for (u32 i = 0; i < 3; i++) {
		assert_ptr_equal(content_ready(&content), &wait[i]);
		assert_int_equal(content_get(&content, &objects[0], 0, &wait[i],
					     &block[i]), CONTENT_HERE);
		assert_int_equal(block[i], block[0]);
	}
	assert_null(content_ready(&content));
	assert_int_equal(content_news(&content), block[0]);
	assert_int_equal(content_news(&content), CONTENT_NONE);
}

// Spoils what copy `node` has: `what` 0 a block, 1 the header, 2 all of it.
static void
spoil(u32 object, u32 node, u32 what)
{
	const struct content_object *o = &objects[object];
	u64 header = o->first[node];
	u64 block = header + object_header_blocks(o->length);

	if (what == 2)
		memset(disk[node] + header * STORE_BLOCK, 0,
		       object_blocks(o->length) * STORE_BLOCK);
	else
		disk[node][(what ? header : block) * STORE_BLOCK + 99] ^= 0x10;
}

static void
the_other_copy_makes_up(void **state)
{
	u32 block;

	(void)state;
	for (u32 node = 0; node < 2; node++) {
		for (u32 what = 0; what < 3; what++) {
			fresh(64);
			content_set_node(&content, !node, CONTENT_ABSENT);
			content_set_node(&content, node, node ? CONTENT_REMOTE :
						   CONTENT_LOCAL);
			spoil(5, node, what);
			assert_int_equal(fetch(5, 0, &block), CONTENT_FAILED);
			assert_true(content.counters.failed > 0);
			content_set_node(&content, !node, node ? CONTENT_LOCAL :
						   CONTENT_REMOTE);
			assert_int_equal(fetch(5, 0, &block), CONTENT_HERE);
			check_block(5, 0, block);
			assert_true(content.counters.bad_sums > 0);
		}
	}
}

static void
both_copies_bad_fail_once(void **state)
{
	struct content_wait wait = { 0 };
	u32 block;

	(void)state;
	fresh(64);
	spoil(5, 0, 0);
	spoil(5, 1, 0);
	assert_int_equal(content_get(&content, &objects[5], 0, &wait, &block),
			 CONTENT_LATER);
	run_reads();
	assert_ptr_equal(content_ready(&content), &wait);
	assert_int_equal(content_get(&content, &objects[5], 0, &wait, &block),
			 CONTENT_FAILED);
	write_object(5, 1);
	assert_int_equal(fetch(5, 0, &block), CONTENT_HERE);
	check_block(5, 0, block);
}

// A node that is being opened is waited for; one that is gone is not.
static void
opening_is_waited_for(void **state)
{
	struct content_wait wait = { 0 };
	struct content_read read;
	u32 block;

	(void)state;
	fresh(64);
	content_set_node(&content, LOCAL, CONTENT_ABSENT);
	content_set_node(&content, OTHER, CONTENT_OPENING);
	assert_int_equal(content_get(&content, &objects[3], 0, &wait, &block),
			 CONTENT_LATER);
	assert_false(content_next_read(&content, &read));
	assert_null(content_ready(&content));
	content_set_node(&content, OTHER, CONTENT_REMOTE);
	assert_true(run_reads() > 0);
	assert_ptr_equal(content_ready(&content), &wait);
	assert_int_equal(content_get(&content, &objects[3], 0, &wait, &block),
			 CONTENT_HERE);
	content_set_node(&content, OTHER, CONTENT_ABSENT);
	assert_int_equal(fetch(4, 0, &block), CONTENT_FAILED);
}

// Who starves tries again a few times, and not for ever.
static void
stays_starved(struct content_wait *wait)
{
	u32 block, tries = 0;

	run_reads();
	while (content_ready(&content) == wait) {
		assert_int_equal(content_get(&content, &objects[2], 0, wait, &block),
				 CONTENT_LATER);
		run_reads();
		assert_true(++tries < 4);
	}
	assert_ptr_equal(wait->list, &content.starved);
}

// Everything is pinned: who asks waits, and is served when something is let go,
// but not before the frames that were lent it have left.
static void
without_memory_requests_wait(void **state)
{
	u32 pins[CONTENT_BLOCKS_MIN], count = 0, block;
	struct content_wait wait = { 0 };

	(void)state;
	fresh(CONTENT_BLOCKS_MIN);
	// The header takes one block.
	for (u64 i = 0; i < CONTENT_BLOCKS_MIN - 1; i++) {
		assert_int_equal(fetch(OBJECTS - 1, i, &block), CONTENT_HERE);
		pins[count++] = block;
	}
	assert_int_equal(content_get(&content, &objects[2], 0, &wait, &block),
			 CONTENT_LATER);
	stays_starved(&wait);
	content_set_sent(&content, 10, 9);
	content_unpin(&content, pins[--count]);
	content_unpin(&content, pins[--count]);
	stays_starved(&wait);
	content_set_sent(&content, 10, 10);
	assert_ptr_equal(content_ready(&content), &wait);
	assert_int_equal(fetch(2, 0, &block), CONTENT_HERE);
	check_block(2, 0, block);
}

// A block from a peer's memory counts when it is right; else the disk is read.
static void
a_peer_is_believed_when_it_is_right(void **state)
{
	struct content_wait wait = { 0 };
	struct content_read read;
	u32 block;

	(void)state;
	fresh(64);
	content_set_node(&content, LOCAL, CONTENT_ABSENT);
	assert_int_equal(fetch(OBJECTS - 1, 0, &block), CONTENT_HERE);
	for (u32 right = 0; right < 2; right++) {
		u64 index = 100 + right * 100, remote = content.counters.remote_reads;

		assert_int_equal(content_get(&content, &objects[OBJECTS - 1], index,
					     &wait, &block), CONTENT_LATER);
		while (content_next_read(&content, &read)) {
			assert_int_equal(read.id[0], OBJECTS);
			// A header, or after the peer's was wrong.
			if (!read.may_ask_peer) {
				run_read(&read);
				continue;
			}
			memcpy(read.at, disk[OTHER] + read.block * STORE_BLOCK,
			       STORE_BLOCK);
			if (!right)
				read.at[5] ^= 1;
			content_peer_done(&content, read.tag, true);
			content_check(&content);
		}
		assert_ptr_equal(content_ready(&content), &wait);
		assert_int_equal(content_get(&content, &objects[OBJECTS - 1], index,
					     &wait, &block), CONTENT_HERE);
		check_block(OBJECTS - 1, index, block);
		// The header is here already, so nothing else is read.
		assert_true(right ? content.counters.remote_reads == remote :
			    content.counters.remote_reads > remote);
		assert_true((right ? content.counters.peer_reads :
			     content.counters.peer_misses) > 0);
	}
	assert_int_equal(content.counters.bad_sums, 0);
}

static void
ask(struct waiter *w)
{
	u32 block;

	switch (content_get(&content, &objects[w->object], w->index, &w->wait,
			    &block)) {
	case CONTENT_HERE:
		check_block(w->object, w->index, block);
		w->pin[w->pins++] = block;
		w->asks = false;
		break;
	case CONTENT_FAILED:
		w->asks = false;
		break;
	case CONTENT_LATER:
		break;
	}
}

// One step of somebody: asks for something, lets something go, or gives up.
static void
act(struct waiter *w, struct prng *random)
{
	if (w->wait.list) {
		if (prng_below(random, 20) == 0) {
			content_forget(&content, &w->wait);
			w->asks = false;
		}
	} else if (w->pins == PINS || (w->pins && prng_below(random, 2))) {
		content_unpin(&content, w->pin[--w->pins]);
	} else {
		w->object = (u32)prng_below(random, OBJECTS);
		w->index = prng_below(random, object_content_blocks(
					      objects[w->object].length));
		w->asks = true;
		ask(w);
	}
}

struct chaos {
	struct content_read read[CONTENT_LOADS];
	u32 reads;
	u64 given, passed;
	bool quiet;		// no more failures
};

static void
end_one_read(struct chaos *c, struct prng *random)
{
	u32 i = (u32)prng_below(random, c->reads);
	struct content_read read = c->read[i];
	bool good = c->quiet || prng_below(random, 10);

	c->read[i] = c->read[--c->reads];
	if (read.may_ask_peer && prng_below(random, 2)) {
		if (good)
			memcpy(read.at, disk[read.node] + read.block * STORE_BLOCK,
			       STORE_BLOCK);
		content_peer_done(&content, read.tag, good);
		return;
	}
	if (good)
		memcpy(read.at, disk[read.node] + read.block * STORE_BLOCK,
		       STORE_BLOCK);
	if (!c->quiet && prng_below(random, 10) == 0)
		read.at[prng_below(random, STORE_BLOCK)] ^= 1;
	content_read_done(&content, read.tag, good);
}

static void
chaos_step(struct chaos *c, struct prng *random)
{
	struct content_wait *wait;

	act(&waiters[prng_below(random, WAITERS)], random);
	c->given += prng_below(random, 3);
	c->passed += prng_below(random, c->given - c->passed + 1);
	content_set_sent(&content, c->given, c->passed);
	while (c->reads < CONTENT_LOADS &&
	       content_next_read(&content, &c->read[c->reads]))
		c->reads++;
	if (c->reads && prng_below(random, 3))
		end_one_read(c, random);
	if (prng_below(random, 100) == 0)
		content_set_node(&content, OTHER, c->quiet ? CONTENT_REMOTE :
				 (enum content_node)prng_below(random, 4) == CONTENT_LOCAL ?
				 CONTENT_ABSENT : CONTENT_REMOTE);
	while ((wait = content_ready(&content)))
		ask((struct waiter *)(void *)wait);
	content_check(&content);
}

static void
everybody_is_served_in_chaos(void **state)
{
	u64 seed = test_seed();
	struct prng random;
	struct chaos c = { 0 };

	(void)state;
	prng_seed(&random, seed);
	fresh(40);
	for (u32 i = 0; i < 20000; i++)
		chaos_step(&c, &random);
	// Then nothing fails any more: nobody waits for ever.
	c.quiet = true;
	for (u32 i = 0; i < 4000; i++) {
		struct content_wait *wait;
		struct waiter *w = &waiters[i % WAITERS];

		if (w->pins)
			content_unpin(&content, w->pin[--w->pins]);
		content_set_node(&content, OTHER, CONTENT_REMOTE);
		content_set_sent(&content, c.given, c.passed = c.given);
		while (c.reads < CONTENT_LOADS &&
		       content_next_read(&content, &c.read[c.reads]))
			c.reads++;
		if (c.reads)
			end_one_read(&c, &random);
		while ((wait = content_ready(&content)))
			ask((struct waiter *)(void *)wait);
	}
	for (u32 i = 0; i < WAITERS; i++)
		assert_false(waiters[i].asks);
	assert_int_equal(content.loads, 0);
	assert_true(content.counters.starved > 100);
	assert_true(content.counters.failovers > 100);
	assert_true(content.counters.remote_reads > 100);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_block_of_every_object),
		cmocka_unit_test(one_read_serves_all_who_wait),
		cmocka_unit_test(the_other_copy_makes_up),
		cmocka_unit_test(both_copies_bad_fail_once),
		cmocka_unit_test(opening_is_waited_for),
		cmocka_unit_test(without_memory_requests_wait),
		cmocka_unit_test(a_peer_is_believed_when_it_is_right),
		cmocka_unit_test(everybody_is_served_in_chaos),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
