// SPDX-License-Identifier: BSD-2-Clause
// The virtqueue core against three devices: a correct one that reads chains as
// the specification says and answers in random order, a lying one that gives
// back wrong ids, lengths and counts, and one that scribbles over all shared
// memory between any two steps. Under ASan a stray access stops the test; the
// invariants are walked after every step. SEED=n replays a run.
//
// links: kernel/dev/virtqueue.c harness/testing/host_assert.c

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/testing/seed.h"
#include "kernel/base/prng.h"
#include "kernel/dev/virtqueue.h"

#define STEPS 40000
#define OPEN_MAX VIRTQUEUE_SIZE_MAX

static struct prng prng;

// The driver's own record of what it opened, to judge what comes back.
struct record {
	bool open;
	u32 readable;
	u32 writable;
	u32 writable_len;
	u64 physical[VIRTQUEUE_PIECES_MAX];
	u32 len[VIRTQUEUE_PIECES_MAX];
};

struct rig {
	struct virtqueue q;
	void *memory;
	struct record record[1024];
	u32 next_cookie;
	u32 open;
	// The device.
	u16 seen;
	u16 used;
	u32 held[OPEN_MAX];		// heads taken from the driver's ring
	u32 held_count;
};

static void
rig_start_with(struct rig *r, u32 size, bool events)
{
	memset(r, 0, sizeof(*r));
	r->memory = aligned_alloc(4096, virtqueue_memory_len(size));
	memset(r->memory, 0, virtqueue_memory_len(size));
	virtqueue_init(&r->q, r->memory, size, events);
}

static void
rig_start(struct rig *r, u32 size)
{
	rig_start_with(r, size, prng_below(&prng, 2));
}

static void
rig_end(struct rig *r)
{
	free(r->memory);
}

static void
driver_add(struct rig *r)
{
	struct virtqueue_piece pieces[VIRTQUEUE_PIECES_MAX];
	u32 count = 1 + (u32)prng_below(&prng, VIRTQUEUE_PIECES_MAX);
	u32 cookie = r->next_cookie % ARRAY_SIZE(r->record);
	struct record *record = &r->record[cookie];

	if (virtqueue_room(&r->q) < count || record->open)
		return;
	*record = (struct record){ .open = true };
	record->readable = (u32)prng_below(&prng, count + 1);
	record->writable = count - record->readable;
	for (u32 i = 0; i < count; i++) {
		pieces[i].physical = prng_u64(&prng);
		pieces[i].len = 1 + (u32)prng_below(&prng, 2048);
		record->physical[i] = pieces[i].physical;
		record->len[i] = pieces[i].len;
		if (i >= record->readable)
			record->writable_len += pieces[i].len;
	}
	virtqueue_add(&r->q, pieces, record->readable, record->writable, cookie);
	r->next_cookie++;
	r->open++;
}

static void
driver_take(struct rig *r)
{
	struct virtqueue_done done;

	if (!virtqueue_take(&r->q, &done))
		return;
	assert_true(done.cookie < ARRAY_SIZE(r->record));

	struct record *record = &r->record[done.cookie];

	assert_true(record->open);
	assert_true(done.len <= record->writable_len);
	record->open = false;
	r->open--;
}

// Reads a chain as section 2.7.5 describes it and compares it with the record.
static void
device_check_chain(struct rig *r, u32 head)
{
	u64 cookie = r->q.chain[head].cookie;
	const struct record *record = &r->record[cookie];
	u32 at = head;

	for (u32 i = 0; i < record->readable + record->writable; i++) {
		volatile struct virtqueue_descriptor *d = &r->q.descriptors[at];
		bool last = i + 1 == record->readable + record->writable;

		assert_int_equal(d->physical, record->physical[i]);
		assert_int_equal(d->len, record->len[i]);
		assert_int_equal(d->flags, (last ? 0 : 1) |
					   (i >= record->readable ? 2 : 0));
		at = d->next;
	}
}

static void
device_use(struct rig *r, u32 id, u32 len)
{
	r->q.device->entry[r->used % r->q.size].id = id;
	r->q.device->entry[r->used % r->q.size].len = len;
	r->q.device->index = ++r->used;
}

static void
device_step(struct rig *r)
{
	while (r->seen != r->q.driver->index && r->held_count < OPEN_MAX) {
		u32 head = r->q.driver->entry[r->seen++ % r->q.size];

		device_check_chain(r, head);
		r->held[r->held_count++] = head;
	}
	if (!r->held_count)
		return;

	u32 pick = (u32)prng_below(&prng, r->held_count);
	u32 head = r->held[pick];
	u32 room = r->record[r->q.chain[head].cookie].writable_len;

	r->held[pick] = r->held[--r->held_count];
	device_use(r, head, (u32)prng_below(&prng, room + 1));
}

static void
step(struct rig *r, void (*device)(struct rig *))
{
	bool ignored;

	switch (prng_below(&prng, 6)) {
	case 0:
	case 1:
		driver_add(r);
		break;
	case 2:
		ignored = virtqueue_publish(&r->q);
		(void)ignored;
		break;
	case 3:
		driver_take(r);
		break;
	case 4:
		device(r);
		break;
	default:
		virtqueue_quiet(&r->q);
		ignored = virtqueue_listen(&r->q);
		(void)ignored;
	}
	virtqueue_check(&r->q);
	assert_int_equal(r->open, virtqueue_open(&r->q));
}

static void
abandon_all(struct rig *r)
{
	u64 cookie;

	while (virtqueue_abandon(&r->q, &cookie)) {
		assert_true(r->record[cookie].open);
		r->record[cookie].open = false;
		r->open--;
		virtqueue_check(&r->q);
	}
	assert_int_equal(r->open, 0);
	assert_int_equal(virtqueue_room(&r->q), r->q.size);
}

static void
test_correct_device(void **state)
{
	static struct rig r;

	(void)state;
	for (u32 size = 8; size <= VIRTQUEUE_SIZE_MAX; size *= 2) {
		rig_start(&r, size);
		for (int i = 0; i < STEPS; i++)
			step(&r, device_step);
		assert_false(r.q.broken);
		assert_true(r.next_cookie > STEPS / 64);
		abandon_all(&r);
		rig_end(&r);
	}
}

static void
device_lie(struct rig *r)
{
	u32 id = (u32)prng_below(&prng, r->q.size);
	u32 len = (u32)prng_below(&prng, 4096);

	switch (prng_below(&prng, 8)) {
	case 0:
		id = (u32)prng_u64(&prng);
		break;
	case 1:
		len = (u32)prng_u64(&prng);
		break;
	case 2:
		r->used = (u16)(r->used + prng_below(&prng, 65536));
		break;
	default:
		break;
	}
	device_use(r, id, len);
}

static void
device_scribble(struct rig *r)
{
	u32 len = virtqueue_memory_len(r->q.size);
	u8 *memory = r->memory;

	for (u32 i = 0; i < len; i++)
		memory[i] = (u8)prng_u64(&prng);
}

static void
hostile(void (*device)(struct rig *), int rounds, int steps)
{
	static struct rig r;

	for (int round = 0; round < rounds; round++) {
		rig_start(&r, 8u << prng_below(&prng, 6));
		for (int i = 0; i < steps; i++)
			step(&r, device);
		abandon_all(&r);
		rig_end(&r);
	}
}

static void
test_lying_device(void **state)
{
	(void)state;
	hostile(device_lie, 2000, 60);
}

static void
test_scribbling_device(void **state)
{
	(void)state;
	hostile(device_scribble, 200, 60);
}

static void
test_each_lie_breaks(void **state)
{
	static struct rig r;
	struct virtqueue_piece piece = { 0x1000, 64 };
	struct virtqueue_done done;
	bool notify;
	static const struct {
		u32 id;
		u32 len;
		u16 index;
		bool good;
	} lies[] = {
		{ 0, 64, 1, true },	{ 0, 65, 1, false },
		{ 1, 0, 1, false },	{ 8, 0, 1, false },
		{ 0xffffffff, 0, 1, false }, { 0, 0, 2, false },
		{ 0, 0, 0xffff, false },
	};

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(lies); i++) {
		rig_start_with(&r, 8, i % 2);
		virtqueue_add(&r.q, &piece, 0, 1, 7);
		notify = virtqueue_publish(&r.q);
		assert_true(notify);
		r.q.device->entry[0].id = lies[i].id;
		r.q.device->entry[0].len = lies[i].len;
		r.q.device->index = lies[i].index;
		assert_int_equal(virtqueue_take(&r.q, &done), lies[i].good);
		assert_int_equal(r.q.broken, !lies[i].good);
		if (lies[i].good)
			assert_int_equal(done.len, lies[i].len);
		rig_end(&r);
	}
}

static void
test_suppression(void **state)
{
	static struct rig r;
	struct virtqueue_piece piece = { 0x1000, 64 };
	struct virtqueue_done done;

	(void)state;
	rig_start_with(&r, 8, false);
	assert_false(virtqueue_publish(&r.q));	// nothing new
	virtqueue_add(&r.q, &piece, 1, 0, 1);
	r.q.device->flags = 1;
	assert_false(virtqueue_publish(&r.q));	// it polls
	virtqueue_add(&r.q, &piece, 1, 0, 2);
	r.q.device->flags = 0;
	assert_true(virtqueue_publish(&r.q));
	virtqueue_quiet(&r.q);
	assert_int_equal(r.q.driver->flags, 1);
	assert_false(virtqueue_listen(&r.q));
	assert_int_equal(r.q.driver->flags, 0);
	device_use(&r, 0, 0);
	assert_true(virtqueue_listen(&r.q));
	assert_true(virtqueue_take(&r.q, &done));
	assert_int_equal(done.cookie, 1);
	assert_int_equal(done.head, 0);
	rig_end(&r);
}

// The device's side of section 2.7.7.2: does it interrupt, having gone from the
// used index `old` to where it is now?
static bool
device_interrupts(const struct rig *r, u16 old)
{
	u16 event = r->q.driver->entry[r->q.size];

	return (u16)(r->used - event - 1) < (u16)(r->used - old);
}

// Neither side sleeps through what the other does, also when indices wrap, and
// a quiet driver is left alone. The device goes to sleep by naming the index it
// has seen and looking once more.
static void
test_events(void **state)
{
	static struct rig r;
	struct virtqueue_piece piece = { 0x1000, 64 };
	struct virtqueue_done done;
	u32 rang = 0, silent = 0, interrupts = 0;

	(void)state;
	rig_start_with(&r, 8, true);
	for (int i = 0; i < 100000; i++) {
		u32 count = 1 + (u32)prng_below(&prng, 4);
		bool device_sleeps = prng_below(&prng, 2);
		bool listens = prng_below(&prng, 2);
		u16 old = r.used;

		if (device_sleeps)
			*(volatile u16 *)&r.q.device->entry[8] = r.seen;
		for (u32 j = 0; j < count; j++)
			virtqueue_add(&r.q, &piece, 1, 0, j);

		bool notify = virtqueue_publish(&r.q);

		assert_true(notify || !device_sleeps);
		rang += notify;
		silent += !notify;
		if (listens)
			assert_false(virtqueue_listen(&r.q));
		else
			virtqueue_quiet(&r.q);
		for (u32 j = 0; j < count; j++)
			device_use(&r, r.q.driver->entry[r.seen++ % 8], 0);
		assert_int_equal(device_interrupts(&r, old), listens);
		interrupts += listens;
		assert_true(virtqueue_listen(&r.q));
		while (virtqueue_take(&r.q, &done))
			count--;
		assert_int_equal(count, 0);
		virtqueue_check(&r.q);
	}
	assert_true(rang > 10000 && silent > 10000 && interrupts > 10000);
	rig_end(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_correct_device),
		cmocka_unit_test(test_lying_device),
		cmocka_unit_test(test_scribbling_device),
		cmocka_unit_test(test_each_lie_breaks),
		cmocka_unit_test(test_suppression),
		cmocka_unit_test(test_events),
	};

	prng_seed(&prng, test_seed());
	return cmocka_run_group_tests(tests, NULL, NULL);
}
