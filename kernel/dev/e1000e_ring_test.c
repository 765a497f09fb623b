// SPDX-License-Identifier: BSD-2-Clause
// The e1000e's rings against three devices: a correct one that reads descriptors as the
// 82574 datasheet (section 7) says and answers in order, with frames of all lengths and
// errors; a lying one that answers descriptors that it was not given, or with impossible
// lengths; and one that scribbles over all shared memory between any two steps. The
// invariants are walked after every step. SEED=n replays a run.
//
// links: kernel/dev/e1000e_ring.c harness/testing/host_assert.c

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/testing/seed.h"
#include "kernel/base/prng.h"
#include "kernel/dev/e1000e_ring.h"

#define STEPS 100000
#define BUFFERS 16u
#define BUFFER_LEN 2048u
#define BASE 0x123450000ull
#define LEN_MIN 14u
#define LEN_MAX 1514u

static struct prng prng;

struct expected {
	u32 buffer;
	u32 len;
	bool delivered;		// else it comes back by itself
};

struct receive_rig {
	struct e1000e_receive r;
	struct e1000e_descriptor *ring;
	bool held[BUFFERS];		// by the caller
	u32 tail;
	u32 head;
	bool inside;
	struct expected expected[BUFFERS + 1];
	u32 expected_count;
	u32 delivered;
	u32 dropped;
};

static void
receive_start(struct receive_rig *rig)
{
	memset(rig, 0, sizeof(*rig));
	rig->ring = calloc(E1000E_RECEIVE_SIZE, sizeof(*rig->ring));
	e1000e_receive_init(&rig->r, rig->ring, BASE, BUFFERS, BUFFER_LEN);
	for (u32 i = 0; i < BUFFERS; i++)
		e1000e_receive_give(&rig->r, i);
	rig->tail = e1000e_receive_show(&rig->r);
}

// Answers one descriptor as the device does.
static void
device_receive(struct receive_rig *rig)
{
	u64 errors = prng_below(&prng, 8) ? 0 : 1ull << prng_below(&prng, 8);
	u64 last = prng_below(&prng, 8) != 0;
	u64 len = prng_below(&prng, BUFFER_LEN + 1);
	struct e1000e_descriptor *d = &rig->ring[rig->head];

	if (rig->head == rig->tail)
		return;
	assert_int_equal((d->physical - BASE) % BUFFER_LEN, 0);
	assert_int_equal(d->rest, 0);
	rig->expected[rig->expected_count++] = (struct expected){
		.buffer = (u32)((d->physical - BASE) / BUFFER_LEN),
		.len = (u32)len,
		.delivered = last && !rig->inside && !(errors & 0x97) &&
			     len >= LEN_MIN && len <= LEN_MAX,
	};
	d->rest = len | 0xabcdull << 16 | 1ull << 32 | last << 33 | errors << 40;
	rig->inside = !last;
	rig->head = (rig->head + 1) % E1000E_RECEIVE_SIZE;
}

static void
driver_receive(struct receive_rig *rig)
{
	struct e1000e_received got;
	struct expected *e = rig->expected;
	u32 dropped = 0;

	while (dropped < rig->expected_count && !e[dropped].delivered)
		dropped++;
	if (e1000e_receive_take(&rig->r, LEN_MIN, LEN_MAX, &got)) {
		assert_true(dropped < rig->expected_count);
		assert_int_equal(got.buffer, e[dropped].buffer);
		assert_int_equal(got.len, e[dropped].len);
		assert_false(rig->held[got.buffer]);
		rig->held[got.buffer] = true;
		rig->delivered++;
		rig->dropped += dropped++;
	} else {
		assert_int_equal(dropped, rig->expected_count);
	}
	rig->expected_count -= dropped;
	memmove(e, e + dropped, rig->expected_count * sizeof(*e));
}

static void
driver_give(struct receive_rig *rig)
{
	u32 buffer = (u32)prng_below(&prng, BUFFERS);

	if (rig->held[buffer])
		e1000e_receive_give(&rig->r, buffer);
	rig->held[buffer] = false;
}

static void
test_receive(void **state)
{
	static struct receive_rig rig;

	(void)state;
	receive_start(&rig);
	for (int i = 0; i < STEPS; i++) {
		switch (prng_below(&prng, 4)) {
		case 0:
			device_receive(&rig);
			break;
		case 1:
			driver_receive(&rig);
			break;
		case 2:
			driver_give(&rig);
			break;
		default:
			rig.tail = e1000e_receive_show(&rig.r);
		}
		e1000e_receive_check(&rig.r);
		assert_true(e1000e_receive_waiting(&rig.r) == (rig.expected_count > 0));
	}
	assert_false(rig.r.broken);
	assert_true(rig.delivered > STEPS / 100 && rig.dropped > STEPS / 1000);
	free(rig.ring);
}

// A buffer that is given and not shown is not the device's, whatever it answers.
static void
test_receive_unshown(void **state)
{
	static struct receive_rig rig;
	struct e1000e_received got;

	(void)state;
	receive_start(&rig);
	rig.ring[0].rest = 60 | 3ull << 32;
	assert_true(e1000e_receive_take(&rig.r, LEN_MIN, LEN_MAX, &got));
	e1000e_receive_give(&rig.r, got.buffer);
	assert_int_equal(e1000e_receive_unshown(&rig.r), 1);
	for (u32 i = 1; i <= BUFFERS; i++)
		rig.ring[i].rest = 60 | 3ull << 32;
	for (u32 i = 1; i < BUFFERS; i++)
		assert_true(e1000e_receive_take(&rig.r, LEN_MIN, LEN_MAX, &got));
	assert_false(e1000e_receive_waiting(&rig.r));
	assert_false(e1000e_receive_take(&rig.r, LEN_MIN, LEN_MAX, &got));
	assert_int_equal(e1000e_receive_show(&rig.r), BUFFERS + 1);
	assert_true(e1000e_receive_take(&rig.r, LEN_MIN, LEN_MAX, &got));
	assert_false(rig.r.broken);
	free(rig.ring);
}

static void
test_receive_lie(void **state)
{
	static struct receive_rig rig;
	struct e1000e_received got;

	(void)state;
	receive_start(&rig);
	rig.ring[0].rest = (BUFFER_LEN + 1) | 3ull << 32;
	assert_true(e1000e_receive_waiting(&rig.r));
	assert_false(e1000e_receive_take(&rig.r, LEN_MIN, LEN_MAX, &got));
	assert_true(rig.r.broken);
	rig.ring[0].rest = 60 | 3ull << 32;
	assert_false(e1000e_receive_waiting(&rig.r));
	assert_false(e1000e_receive_take(&rig.r, LEN_MIN, LEN_MAX, &got));
	free(rig.ring);
}

struct sent {
	struct e1000e_piece piece[E1000E_PIECES_MAX];
	u32 count;
	u32 start;
	u32 at;
	u32 cookie;
};

struct send_rig {
	struct e1000e_send s;
	struct e1000e_descriptor *ring;
	struct sent sent[E1000E_ROOM];	// frames, by their number
	u32 added;
	u32 done;		// by the device
	u32 taken;
	u32 tail;
	u32 head;
	u32 context_start;
	u32 context_at;
	u32 contexts;
};

static void
send_start(struct send_rig *rig)
{
	memset(rig, 0, sizeof(*rig));
	rig->ring = calloc(E1000E_SEND_SIZE, sizeof(*rig->ring));
	e1000e_send_init(&rig->s, rig->ring);
}

static void
driver_add(struct send_rig *rig)
{
	struct sent *f = &rig->sent[rig->added % E1000E_ROOM];
	u32 count = 1 + (u32)prng_below(&prng, E1000E_PIECES_MAX);

	if (rig->s.room < count)
		return;
	assert_int_equal(e1000e_send_slot(&rig->s), rig->added % E1000E_ROOM);
	*f = (struct sent){ .count = count, .cookie = (u32)prng_u64(&prng) };
	for (u32 i = 0; i < count; i++)
		f->piece[i] = (struct e1000e_piece){
			prng_u64(&prng), 1 + (u32)prng_below(&prng, 9000),
		};
	if (prng_below(&prng, 2)) {
		f->start = 14 + 20 * (u32)prng_below(&prng, 3);
		f->at = f->start + (prng_below(&prng, 2) ? 16 : 6);
	}
	e1000e_send_add(&rig->s, f->piece, f->count, f->start, f->at, f->cookie);
	rig->added++;
}

static u64
device_next(struct send_rig *rig, u64 *physical)
{
	struct e1000e_descriptor *d = &rig->ring[rig->head];

	assert_int_not_equal(rig->head, rig->tail);
	rig->head = (rig->head + 1) % E1000E_SEND_SIZE;
	*physical = d->physical;
	return d->rest;
}

// A context descriptor: remembers where checksums go.
static void
device_context(struct send_rig *rig, u64 places, u64 rest)
{
	rig->context_start = places >> 32 & 0xff;
	rig->context_at = places >> 40 & 0xff;
	assert_int_equal(places & ~(0xffffull << 32), 0);
	assert_true((rest >> 29 & 1) && !(rest >> 20 & 0xf));
	assert_int_equal(rest >> 24 & 1, rig->context_at - rig->context_start == 16);
	rig->contexts++;
}

// Reads one frame and compares it with what was to be sent.
static void
device_send(struct send_rig *rig)
{
	struct sent *f = &rig->sent[rig->done % E1000E_ROOM];
	u64 physical, rest;

	if (rig->head == rig->tail)
		return;
	rest = device_next(rig, &physical);
	if (!(rest >> 20 & 0xf)) {
		device_context(rig, physical, rest);
		rest = device_next(rig, &physical);
	}
	for (u32 i = 0; i < f->count; i++) {
		bool last = i + 1 == f->count;

		assert_int_equal(physical, f->piece[i].physical);
		assert_int_equal(rest & 0xfffff, f->piece[i].len);
		assert_int_equal(rest >> 20 & 0xf, 1);
		assert_int_equal(rest >> 24 & 0xff, 0x22 | (last ? 0x09 : 0));
		assert_int_equal(rest >> 41 & 1, f->start != 0);
		if (!last)
			rest = device_next(rig, &physical);
	}
	if (f->start) {
		assert_int_equal(rig->context_start, f->start);
		assert_int_equal(rig->context_at, f->at);
	}
	rig->ring[(rig->head + E1000E_SEND_SIZE - 1) % E1000E_SEND_SIZE].rest |=
		1ull << 32;
	rig->done++;
}

static void
driver_take(struct send_rig *rig)
{
	u32 cookie;
	bool took = e1000e_send_take(&rig->s, &cookie);

	assert_true(took == (rig->taken != rig->done));
	if (took)
		assert_int_equal(cookie, rig->sent[rig->taken++ % E1000E_ROOM].cookie);
}

static void
abandon_all(struct send_rig *rig)
{
	u32 cookie;

	while (e1000e_send_abandon(&rig->s, &cookie)) {
		assert_int_equal(cookie, rig->sent[rig->taken++ % E1000E_ROOM].cookie);
		e1000e_send_check(&rig->s);
	}
	assert_int_equal(rig->taken, rig->added);
	assert_int_equal(rig->s.room, E1000E_ROOM);
	free(rig->ring);
}

static void
test_send(void **state)
{
	static struct send_rig rig;
	u32 fullest = 0;

	(void)state;
	send_start(&rig);
	for (int i = 0; i < STEPS; i++) {
		// Times of more sending than completing fill the ring.
		bool busy = i / 2000 % 2;

		switch (prng_below(&prng, 5)) {
		case 0:
		case 1:
			driver_add(&rig);
			break;
		case 2:
			if (e1000e_send_show(&rig.s, &rig.tail))
				assert_int_equal(rig.tail, rig.s.added % E1000E_SEND_SIZE);
			break;
		case 3:
			if (!busy || !prng_below(&prng, 4))
				device_send(&rig);
			break;
		default:
			driver_take(&rig);
		}
		e1000e_send_check(&rig.s);
		fullest = MAX(fullest, e1000e_send_open(&rig.s));
	}
	assert_false(rig.s.broken);
	assert_true(rig.done > STEPS / 20 && rig.contexts > STEPS / 200);
	assert_true(fullest > E1000E_ROOM / 4);
	abandon_all(&rig);
}

// The most descriptors that frames can take: one piece each, and never the same place
// for the checksum twice.
static void
test_send_fullest(void **state)
{
	static struct send_rig rig;
	struct e1000e_piece piece = { 0x1000, 60 };
	u32 cookie, tail;

	(void)state;
	send_start(&rig);
	for (u32 i = 0; i < 5 * E1000E_ROOM; i++) {
		if (rig.s.room == 0) {
			assert_true(e1000e_send_show(&rig.s, &tail));
			u32 last = rig.s.frame[rig.s.first % E1000E_ROOM].last;

			rig.ring[last % E1000E_SEND_SIZE].rest |= 1ull << 32;
			assert_true(e1000e_send_take(&rig.s, &cookie));
			assert_int_equal(cookie, i - E1000E_ROOM);
		}
		e1000e_send_add(&rig.s, &piece, 1, 14 + i % 2, 30, i);
		e1000e_send_check(&rig.s);
	}
	assert_int_equal(e1000e_send_open(&rig.s), E1000E_ROOM);
	free(rig.ring);
}

static void
test_send_lie(void **state)
{
	static struct send_rig rig;
	struct e1000e_piece piece = { 0x1000, 60 };
	u32 cookie, tail;

	(void)state;
	send_start(&rig);
	e1000e_send_add(&rig.s, &piece, 1, 0, 0, 1);
	assert_true(e1000e_send_show(&rig.s, &tail));
	e1000e_send_add(&rig.s, &piece, 1, 0, 0, 2);
	rig.ring[0].rest |= 1ull << 32;
	rig.ring[1].rest |= 1ull << 32;		// done before it was shown
	assert_true(e1000e_send_take(&rig.s, &cookie));
	assert_int_equal(cookie, 1);
	assert_false(e1000e_send_take(&rig.s, &cookie));
	assert_true(rig.s.broken);
	assert_false(e1000e_send_show(&rig.s, &tail));
	assert_true(e1000e_send_abandon(&rig.s, &cookie));
	assert_int_equal(cookie, 2);
	assert_false(e1000e_send_abandon(&rig.s, &cookie));
	free(rig.ring);
}

static void
scribble(struct e1000e_descriptor *ring, u32 count)
{
	for (u32 i = 0; i < count; i++) {
		ring[i].physical = prng_u64(&prng);
		ring[i].rest = prng_u64(&prng);
	}
}

static void
test_scribbling_device(void **state)
{
	static struct receive_rig receive;
	static struct send_rig send;
	struct e1000e_received got;
	u32 cookie;

	(void)state;
	for (int round = 0; round < 100; round++) {
		receive_start(&receive);
		send_start(&send);
		for (int i = 0; i < 40; i++) {
			scribble(receive.ring, E1000E_RECEIVE_SIZE);
			scribble(send.ring, E1000E_SEND_SIZE);
			if (e1000e_receive_take(&receive.r, LEN_MIN, LEN_MAX, &got)) {
				assert_true(got.len >= LEN_MIN && got.len <= LEN_MAX);
				assert_true(got.buffer < BUFFERS);
				e1000e_receive_give(&receive.r, got.buffer);
			}
			receive.tail = e1000e_receive_show(&receive.r);
			driver_add(&send);
			if (e1000e_send_take(&send.s, &cookie))
				assert_int_equal(
					cookie, send.sent[send.taken++ % E1000E_ROOM].cookie);
			if (prng_below(&prng, 2) &&
			    e1000e_send_show(&send.s, &send.tail))
				assert_true(send.tail < E1000E_SEND_SIZE);
			e1000e_receive_check(&receive.r);
			e1000e_send_check(&send.s);
		}
		free(receive.ring);
		abandon_all(&send);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_receive),
		cmocka_unit_test(test_receive_unshown),
		cmocka_unit_test(test_receive_lie),
		cmocka_unit_test(test_send),
		cmocka_unit_test(test_send_fullest),
		cmocka_unit_test(test_send_lie),
		cmocka_unit_test(test_scribbling_device),
	};

	prng_seed(&prng, test_seed());
	return cmocka_run_group_tests(tests, NULL, NULL);
}
