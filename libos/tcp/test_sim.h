// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// For the tests of this folder only: two stacks joined by a bad link, in virtual
// time, and the applications on both sides. The link loses, doubles, delays,
// reorders, corrupts and falls silent in one direction, from a seed; it has a
// rate and a bounded queue. Applications send and receive at their own pace,
// half-close, close and abort.
//
// After every step the invariants of both stacks are walked. Every byte that
// arrives must be the one that was sent. sim_run() ends when all streams did,
// which must be within DONE_NS of the end of the faults; sim_end() when neither
// stack holds anything.

#include <setjmp.h>
#include <stdarg.h>

#include "libos/tcp/test_wire.h"

#include <cmocka.h>

#define FLYING_MAX 2048u
#define STREAMS_MAX 64u
#define TEXT_LEN (6u << 20)
#define HEAD_LEN 16u
#define PORT 80
#define START_NS NS_PER_SECOND
#define FAULTS_NS (15 * NS_PER_SECOND)
#define DONE_NS (400 * NS_PER_SECOND)	// after the faults ended
#define QUIET_NS (200 * NS_PER_SECOND)	// then both are empty

struct faults {
	u32 loss, twice, late, broken;		// of 1,000
	u64 delay_ns, jitter_ns;
	u64 rate;				// bytes a second; 0: endless
	u64 queue_ns;				// longer waits are dropped
	u64 silent_from, silent_until;		// nothing gets through
};

// A frame on its way.
struct flying {
	u64 at, order;
	u32 to, len;
	u8 *bytes;
};

// One direction of one connection, at its receiver.
struct flow {
	u64 sent, received;
	bool shut, ended;
};

// A connection as the two applications see it. Side 0 opened it.
struct stream {
	struct tcp_conn *conn[2];
	u32 len[2];			// what each side sends
	struct flow flow[2];		// by sender
	bool closed[2];
	bool aborted;			// one of them gave up; the rest is moot
	u64 pause_until[2];
	u64 finished_at;
};

struct sim {
	struct net *net[2];
	void *memory[2];
	struct prng prng;
	u64 now, order, faults_end;
	struct faults faults[2];	// by sender
	u64 line_free[2];
	struct flying flying[FLYING_MAX];
	u32 flying_count;
	struct stream stream[STREAMS_MAX];
	u32 stream_count;
	bool pauses;			// readers stop now and then
	bool aborts;
	bool patient;
	u8 stripped[4];			// option kinds that no SYN carries; 0: none
};

static u8 *sim_text;

static inline u32
chance(struct sim *sim, u32 of_thousand)
{
	return prng_below(&sim->prng, 1000) < of_thousand;
}

static inline bool
earlier(const struct flying *a, const struct flying *b)
{
	return a->at < b->at || (a->at == b->at && a->order < b->order);
}

static inline void
fly(struct sim *sim, u32 to, u64 at, const u8 *bytes, u32 len)
{
	struct flying f = { at, sim->order++, to, len, malloc(len) };
	u32 i = sim->flying_count++;

	assert_non_null(f.bytes);
	assert_true(sim->flying_count < FLYING_MAX);
	memcpy(f.bytes, bytes, len);
	if (chance(sim, sim->faults[!to].broken))
		f.bytes[prng_below(&sim->prng, len)] ^=
			(u8)(1 << prng_below(&sim->prng, 8));
	for (; i && earlier(&f, &sim->flying[(i - 1) / 2]); i = (i - 1) / 2)
		sim->flying[i] = sim->flying[(i - 1) / 2];
	sim->flying[i] = f;
}

static inline struct flying
land(struct sim *sim)
{
	struct flying first = sim->flying[0];
	struct flying last = sim->flying[--sim->flying_count];
	u32 i = 0, child;

	while ((child = 2 * i + 1) < sim->flying_count) {
		if (child + 1 < sim->flying_count &&
		    earlier(&sim->flying[child + 1], &sim->flying[child]))
			child++;
		if (!earlier(&sim->flying[child], &last))
			break;
		sim->flying[i] = sim->flying[child];
		i = child;
	}
	sim->flying[i] = last;
	return first;
}

// Takes options out of a SYN, as if the peer did not know them.
static inline void
strip(const struct sim *sim, u8 *frame, u32 len)
{
	u8 *ip = frame + ETHERNET_LEN, *h = ip + IPV4_LEN, *end;
	u32 tcp_len = len - ETHERNET_LEN - IPV4_LEN;
	u64 sum;

	if (be16_load(frame + 12) != ETHERTYPE_IPV4 || ip[9] != IPPROTO_TCP ||
	    !(h[13] & FLAG_SYN))
		return;
	end = h + (h[12] >> 4) * 4;
	for (u8 *at = h + TCP_LEN; at < end; at += *at == 1 ? 1 : at[1]) {
		for (u32 i = 0; i < ARRAY_SIZE(sim->stripped); i++) {
			if (*at > 1 && *at == sim->stripped[i])
				memset(at, 1, at[1]);
		}
	}
	be16_store(h + 16, 0);
	sum = checksum_pseudo(be32_load(ip + 12), be32_load(ip + 16),
			      IPPROTO_TCP, tcp_len);
	be16_store(h + 16, checksum_finish(checksum_add(sum, h, tcp_len)));
}

static inline void
put_on_link(struct sim *sim, u32 from, u8 *bytes, u32 len)
{
	const struct faults *f = &sim->faults[from];
	u64 leaves = MAX(sim->line_free[from], sim->now);
	u32 copies = 1 + chance(sim, f->twice);

	strip(sim, bytes, len);
	if (leaves - sim->now > f->queue_ns)
		return;
	sim->line_free[from] = leaves + (f->rate ? len * NS_PER_SECOND / f->rate : 0);
	if (sim->now >= f->silent_from && sim->now < f->silent_until)
		return;
	if (chance(sim, f->loss))
		return;
	for (u32 i = 0; i < copies; i++) {
		u64 at = sim->line_free[from] + f->delay_ns;

		if (f->jitter_ns && chance(sim, f->late))
			at += prng_below(&sim->prng, f->jitter_ns);
		fly(sim, !from, at, bytes, len);
	}
}

static inline const u8 *
text_of(const struct sim *sim, const struct stream *s, u32 side)
{
	u32 number = (u32)(s - sim->stream);

	return sim_text + (number * 2 + side) * 4099u % 65536;
}

// Queues more of what this side sends: copied or lent, as much as it takes.
static inline void
run_sender(struct sim *sim, struct stream *s, u32 side)
{
	struct net *net = sim->net[side];
	struct flow *flow = &s->flow[side];
	const u8 *from = text_of(sim, s, side);

	while (flow->sent < s->len[side]) {
		u32 left = s->len[side] - (u32)flow->sent;
		u32 part = 1 + (u32)prng_below(&sim->prng, MIN(left, 20000u));
		u32 took;

		if (flow->sent < HEAD_LEN || prng_below(&sim->prng, 2)) {
			took = tcp_send_copy(net, s->conn[side], from + flow->sent,
					     MIN(part, 1500u));
			part = took;
		} else {
			took = tcp_send_lent(net, s->conn[side],
					     from + flow->sent, part) ? part : 0;
		}
		flow->sent += took;
		if (!took)
			return;
	}
	if (!flow->shut) {
		tcp_shutdown(net, s->conn[side]);
		flow->shut = true;
	}
}

static inline void
run_receiver(struct sim *sim, struct stream *s, u32 side)
{
	struct flow *flow = &s->flow[!side];
	const u8 *bytes;
	bool ended;
	u32 len = tcp_received(s->conn[side], &bytes, &ended);

	assert_true(flow->received + len <= s->len[!side]);
	assert_memory_equal(bytes, text_of(sim, s, !side) + flow->received, len);
	if (ended)
		assert_int_equal(flow->received + len, s->len[!side]);
	if (sim->now < s->pause_until[side])
		return;
	// A slow reader leaves some, and comes back later.
	if (sim->pauses && len && chance(sim, 200)) {
		s->pause_until[side] = sim->now + 1 +
			prng_below(&sim->prng, NS_PER_SECOND / 2);
		len = (u32)prng_below(&sim->prng, len + 1);
	}
	tcp_consume(sim->net[side], s->conn[side], len);
	flow->received += len;
	flow->ended = ended && flow->received == s->len[!side];
}

static inline void
gone(struct stream *s, u32 side)
{
	s->conn[side] = NULL;
	s->closed[side] = true;
	s->aborted = true;
}

static inline void
run_side(struct sim *sim, struct stream *s, u32 side)
{
	if (!s->conn[side])
		return;
	run_sender(sim, s, side);
	run_receiver(sim, s, side);
	if (sim->aborts && chance(sim, 2)) {
		tcp_abort(sim->net[side], s->conn[side]);
		gone(s, side);
		return;
	}
	// Who heard the end and said all lets go. The stack does the rest, but
	// not for ever: patient ones wait until all is acknowledged.
	if (s->flow[side].shut && s->flow[!side].ended &&
	    !(sim->patient && tcp_unacked(s->conn[side]))) {
		tcp_close(sim->net[side], sim->now, s->conn[side]);
		s->conn[side] = NULL;
		s->closed[side] = true;
		if (s->closed[!side])
			s->finished_at = sim->now;
	}
}

// Which stream a connection belongs to: its first bytes say so.
static inline struct stream *
recognise(struct sim *sim, struct tcp_conn *conn)
{
	const u8 *bytes;
	bool ended;
	u32 len = tcp_received(conn, &bytes, &ended);

	if (len < HEAD_LEN)
		return NULL;
	for (u32 i = 0; i < sim->stream_count; i++) {
		struct stream *s = &sim->stream[i];

		if (!memcmp(bytes, text_of(sim, s, 0), HEAD_LEN)) {
			assert_null(s->conn[1]);
			s->conn[1] = conn;
			tcp_set_user(conn, s);
			return s;
		}
	}
	fail_msg("bytes of no stream");
	return NULL;
}

static inline void
run_applications(struct sim *sim, u32 side)
{
	struct tcp_conn *conn;
	u32 events;

	while ((conn = tcp_next(sim->net[side], &events))) {
		struct stream *s = tcp_user(conn);

		if (events & TCP_GONE) {
			if (s)
				gone(s, side);
			continue;
		}
		if (!s)
			s = recognise(sim, conn);
		if (s)
			run_side(sim, s, side);
	}
	if (!sim->pauses)
		return;
	for (u32 i = 0; i < sim->stream_count; i++) {
		struct stream *s = &sim->stream[i];

		if (s->pause_until[side] && s->pause_until[side] <= sim->now) {
			s->pause_until[side] = 0;
			run_side(sim, s, side);
		}
	}
}

static inline u64
next_event(const struct sim *sim)
{
	u64 at = MIN(net_next_deadline(sim->net[0]),
		     net_next_deadline(sim->net[1]));

	if (sim->flying_count)
		at = MIN(at, sim->flying[0].at);
	if (sim->aborts)
		at = MIN(at, sim->faults_end);
	for (u32 i = 0; sim->pauses && i < sim->stream_count; i++) {
		for (u32 side = 0; side < 2; side++) {
			u64 until = sim->stream[i].pause_until[side];

			if (until)
				at = MIN(at, until);
		}
	}
	return at;
}

// The weather clears up; applications stop giving up.
static inline void
heal(struct sim *sim)
{
	for (u32 side = 0; side < 2; side++) {
		struct faults *f = &sim->faults[side];

		f->loss = f->twice = f->late = f->broken = 0;
		f->silent_until = 0;
	}
	// A reset that was lost left the other side waiting for ever.
	for (u32 i = 0; sim->aborts && i < sim->stream_count; i++) {
		struct stream *s = &sim->stream[i];

		for (u32 side = 0; side < 2; side++) {
			if (!s->aborted || !s->conn[side])
				continue;
			tcp_abort(sim->net[side], s->conn[side]);
			gone(s, side);
		}
	}
	sim->aborts = false;
}

// What a host does in one round, once the received frames are in.
static inline void
pump(struct sim *sim, u32 side)
{
	struct net *net = sim->net[side];
	u8 frame[WIRE_FRAME_MAX];
	u32 len;

	net_tick(net, sim->now);
	net_check(net);
	run_applications(sim, side);
	net_check(net);
	while ((len = wire_take(net, sim->now, frame)))
		put_on_link(sim, side, frame, len);
	net_check(net);
}

static inline void
step(struct sim *sim)
{
	u64 at = next_event(sim);

	assert_true(at != NEVER_NS);
	sim->now = MAX(sim->now, at);
	if (sim->now >= sim->faults_end)
		heal(sim);
	while (sim->flying_count && sim->flying[0].at <= sim->now) {
		struct flying f = land(sim);

		wire_give(sim->net[f.to], sim->now, f.bytes, f.len);
		free(f.bytes);
		net_check(sim->net[f.to]);
	}
	pump(sim, 0);
	pump(sim, 1);
}

static inline bool
all_finished(const struct sim *sim)
{
	for (u32 i = 0; i < sim->stream_count; i++) {
		const struct stream *s = &sim->stream[i];

		if (s->aborted ? s->conn[0] || s->conn[1] : !s->finished_at)
			return false;
	}
	return true;
}

static inline void
sim_start(struct sim *sim, u64 seed, const struct net_config *config)
{
	*sim = (struct sim){ .now = START_NS, .faults_end = FAULTS_NS };
	prng_seed(&sim->prng, seed);
	for (u32 side = 0; side < 2; side++) {
		struct net_config c = config[side];

		c.seed = prng_u64(&sim->prng);
		be64_store(c.secret, prng_u64(&sim->prng));
		sim->net[side] = wire_net(&c, sim->now);
		sim->faults[side] = (struct faults){
			.delay_ns = 100 * NS_PER_US,
			.queue_ns = NS_PER_SECOND,
		};
	}
	assert_true(tcp_listen(sim->net[1], PORT));
}

static inline void
sim_open(struct sim *sim, u32 len_there, u32 len_back)
{
	struct stream *s = &sim->stream[sim->stream_count++];

	assert_true(sim->stream_count <= STREAMS_MAX);
	*s = (struct stream){ .len = { HEAD_LEN + len_there, len_back } };
	s->conn[0] = tcp_connect(sim->net[0], sim->now,
				 net_address(sim->net[1]), PORT);
	assert_non_null(s->conn[0]);
	tcp_set_user(s->conn[0], s);
	pump(sim, 0);
}

static inline void
sim_run(struct sim *sim)
{
	while (!all_finished(sim)) {
		step(sim);
		assert_true(sim->now < sim->faults_end + DONE_NS);
	}
}

// Connections whose opener gave up before it said which stream it is.
static inline void
let_strangers_go(struct sim *sim)
{
	struct net *net = sim->net[1];

	for (u32 i = 0; i < net->config.conn_max; i++) {
		struct tcp_conn *conn = &net->conn[i];

		if (conn->owned && !conn->user)
			tcp_abort(net, conn);
	}
}

// Nothing is left: no connection, no frame, no deadline of one.
static inline void
sim_end(struct sim *sim)
{
	u64 until = sim->now + QUIET_NS;

	heal(sim);
	let_strangers_go(sim);
	while (sim->flying_count || sim->net[0]->in_use || sim->net[1]->in_use) {
		step(sim);
		assert_true(sim->now < until);
	}
	for (u32 side = 0; side < 2; side++)
		free(sim->net[side]);
}
