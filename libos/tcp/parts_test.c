// SPDX-License-Identifier: BSD-2-Clause
// The parts that TCP is made of, each against a naive model: ranges against a
// set of numbers, pieces against a byte array, checksums against RFC 1071 word
// by word, the timer heap against a scan, the history of the flight against an
// array of bytes. SEED=n replays.
//
// links: libos/tcp/address.c libos/tcp/arp.c libos/tcp/check.c
// links: libos/tcp/checksum.c libos/tcp/cut.c libos/tcp/dhcp.c
// links: libos/tcp/ip.c libos/tcp/net.c libos/tcp/tcp_ack.c libos/tcp/tcp_api.c
// links: libos/tcp/tcp_close.c libos/tcp/tcp_input.c libos/tcp/tcp_loss.c
// links: libos/tcp/tcp_open.c libos/tcp/tcp_output.c libos/tcp/tcp_path.c
// links: libos/tcp/tcp_pieces.c libos/tcp/tcp_ranges.c libos/tcp/tcp_receive.c
// links: libos/tcp/tcp_runs.c libos/tcp/tcp_segment.c libos/tcp/tcp_table.c
// links: libos/tcp/tcp_timer.c libos/tcp/timer.c kernel/base/siphash.c
// links: kernel/base/string.c harness/testing/host_assert.c

#include <setjmp.h>
#include <stdarg.h>

#include "libos/tcp/test_wire.h"

#include <cmocka.h>

#define SPAN 200u
#define ROUNDS 3000
#define FLIGHT 20000u

static struct prng prng;
static u8 text[65536];

static u32
below(u32 bound)
{
	return (u32)prng_below(&prng, bound);
}

static void
test_checksums(void **state)
{
	static u8 bytes[3000];

	(void)state;
	for (u32 i = 0; i < sizeof(bytes); i++)
		bytes[i] = (u8)prng_u64(&prng);
	for (int round = 0; round < ROUNDS; round++) {
		u32 at = below(64), len = below(2000), cut = below(len + 1);
		u32 sum = 0;
		u64 parts;

		for (u32 i = 0; i < len; i += 2)
			sum += (u32)bytes[at + i] << 8 |
			       (i + 1 < len ? bytes[at + i + 1] : 0);
		while (sum >> 16)
			sum = (sum & 0xffff) + (sum >> 16);
		assert_int_equal(checksum_finish(checksum_add(0, bytes + at, len)),
				 (u16)~sum);
		parts = checksum_add(0, bytes + at, cut);
		parts = cut & 1 ? checksum_add_odd(parts, bytes + at + cut, len - cut)
				: checksum_add(parts, bytes + at + cut, len - cut);
		assert_int_equal(checksum_finish(parts), (u16)~sum);
	}
	// RFC 1071, section 3.
	assert_int_equal(checksum_finish(checksum_add(0,
		"\x00\x01\xf2\x03\xf4\xf5\xf6\xf7", 8)), (u16)~0xddf2);
}

static void
compare_ranges(const bool *model, const struct seq_range *r, u32 count, u32 base)
{
	u32 i = 0;

	for (u32 at = 0; at < SPAN;) {
		u32 end = at;

		while (end < SPAN && model[end])
			end++;
		if (end == at) {
			at++;
			continue;
		}
		assert_true(i < count);
		assert_int_equal(r[i].start - base, at);
		assert_int_equal(r[i].end - base, end);
		i++;
		at = end;
	}
	assert_int_equal(i, count);
}

static void
test_ranges(void **state)
{
	(void)state;
	for (int round = 0; round < 300; round++) {
		struct seq_range r[6];
		bool model[SPAN] = { false }, before[SPAN];
		u32 base = 0xffffff80 + below(100), count = 0;

		for (int step = 0; step < 40; step++) {
			u32 start = below(SPAN - 1);
			u32 end = start + 1 + below(SPAN - start - 1);

			memcpy(before, model, sizeof(before));
			for (u32 i = start; i < end; i++)
				model[i] = true;
			if (!ranges_add(r, &count, 6, (struct seq_range){
					base + start, base + end })) {
				assert_int_equal(count, 6);
				memcpy(model, before, sizeof(before));
			}
			compare_ranges(model, r, count, base);
			if (below(4))
				continue;
			end = below(SPAN);
			ranges_drop_below(r, &count, base + end);
			memset(model, 0, end);
			compare_ranges(model, r, count, base);
		}
	}
}

static struct net *
net_with(u32 conn_max)
{
	struct net_config config = wire_config(2);

	config.conn_max = conn_max;
	return wire_net(&config, NS_PER_SECOND);
}

static struct tcp_conn *
new_conn(struct net *net, u16 port)
{
	struct tcp_conn *conn = conn_new(net, &(struct tuple){
		1, port, 80, 0x0a000002
	});

	assert_non_null(conn);
	conn_open(net, conn, 0xfffff000, 7, &(struct peer_options){ .mss = 1460 });
	conn->data_end = conn->snd_una;
	return conn;
}

// Reads [seq, seq + len) back out of the pieces, as segments would.
static void
compare_pieces(const struct tcp_conn *conn, const u8 *model, u32 seq, u32 len)
{
	while (len) {
		u8 header[NET_HEADER_MAX], flat[NET_HEADER_MAX];
		struct net_packet packet = { .header = header, .header_len = 54 };
		u32 part = pieces_gather(conn, &packet, seq, MIN(len, 1400u));
		u32 at = packet.header_len - 54;

		memcpy(flat, header + 54, at);
		for (u32 i = 0; i < packet.span_count; i++) {
			memcpy(flat + at, packet.span[i].at, packet.span[i].len);
			at += packet.span[i].len;
		}
		assert_int_equal(at, part);
		assert_memory_equal(flat, model, part);
		model += part;
		seq += part;
		len -= part;
	}
}

static void
test_pieces(void **state)
{
	static u8 model[1 << 20];

	(void)state;
	for (int round = 0; round < 60; round++) {
		struct net *net = net_with(1);
		struct tcp_conn *conn = new_conn(net, 1);
		u32 una = 0, end = 0;

		while (end < 200000) {
			u32 len = 1 + below(below(2) ? 20 : 6000), took = 0;
			u32 from = below(sizeof(text) - 8000);

			if (below(2))
				took = pieces_add_copy(conn, text + from, len);
			else if (pieces_add_lent(conn, text + from, len))
				took = len;
			memcpy(model + end, text + from, took);
			end += took;
			assert_int_equal(conn->data_end - conn->snd_una, end - una);
			if (end > una) {
				u32 at = una + below(end - una);

				compare_pieces(conn, model + at,
					       conn->snd_una + at - una,
					       MIN(end - at, 3000u));
				len = below(end - una + 1);
				pieces_release(conn, len);
				conn->snd_una += len;
				conn->snd_nxt = conn->snd_una;
				una += len;
			}
			net_check(net);
		}
		free(net);
	}
}

static void
test_timer_heap(void **state)
{
	struct net *net = net_with(64);
	struct tcp_conn *conn[64];

	(void)state;
	for (u32 i = 0; i < 64; i++)
		conn[i] = new_conn(net, (u16)i);
	for (int round = 0; round < ROUNDS; round++) {
		struct tcp_conn *c = conn[below(64)], *due;
		u64 first = NEVER_NS;

		c->ack_at = below(3) ? net->now_ns + 1 + below(1000000) : NEVER_NS;
		timer_update(net, c);
		net_check(net);
		if (below(3))
			continue;
		for (u32 i = 0; i < 64; i++)
			first = MIN(first, conn[i]->ack_at);
		net->now_ns += below(200000);
		while ((due = timer_due(net))) {
			assert_int_equal(due->ack_at <= net->now_ns, true);
			due->ack_at = NEVER_NS;
			timer_update(net, due);
			net_check(net);
		}
		for (u32 i = 0; i < 64; i++)
			assert_true(conn[i]->ack_at > net->now_ns);
		assert_true(first > net->now_ns || first == NEVER_NS ||
			    net_next_deadline(net) > first);
	}
	free(net);
}

struct fate {
	bool sacked, lost;
};

// The history may know less than the model (it is bounded), never more: what it
// calls sacked was, and what it calls lost was, or was sacked unnoted.
static void
compare_runs(const struct tcp_conn *conn, const struct fate *model, u32 base,
	     bool was_full)
{
	for (u32 i = 0; i < conn->run_count; i++) {
		u8 flags = conn->run[i].flags;

		for (u32 seq = run_start(conn, i); seq != conn->run[i].end; seq++) {
			const struct fate *f = &model[seq - base];

			if (flags & RUN_SACKED)
				assert_true(f->sacked);
			if (flags & RUN_LOST)
				assert_true(f->lost || f->sacked);
			if (!flags && !was_full)
				assert_false(f->lost && !f->sacked);
		}
	}
}

static void
step_runs(struct tcp_conn *conn, struct fate *model, u32 base, u32 now)
{
	struct delivery d = { .now = now, .highest = conn->snd_una,
			      .highest_before = conn->snd_una };
	u32 una = conn->snd_una - base, nxt = conn->snd_nxt - base;
	u32 start, len, end;

	switch (below(6)) {
	case 0:
	case 1:
		end = nxt + 1 + below(300);
		if (end > FLIGHT)
			return;
		runs_append(conn, base + end, now);
		conn->snd_nxt = base + end;
		return;
	case 2:
		if (nxt - una < 3)
			return;
		start = una + 1 + below(nxt - una - 2);
		end = start + 1 + below(MIN(nxt - start, 200u));
		runs_sacked(conn, (struct seq_range){ base + start, base + end }, &d);
		for (u32 i = start; i < end; i++)
			model[i] = (struct fate){ .sacked = true };
		return;
	case 3:
		if (!runs_lost(conn, &start, &len))
			return;
		len = 1 + below(MIN(len, 100u));
		runs_resend(conn, start, start + len, now);
		for (u32 i = start - base; i < start - base + len; i++)
			model[i].lost = false;
		return;
	case 4:
		if (below(8) || nxt == una)
			return;
		end = una + 1 + below(nxt - una);
		runs_lose(conn, base + end);
		for (u32 i = una; i < end; i++)
			model[i].lost |= !model[i].sacked;
		return;
	default:
		if (below(3) || nxt == una)
			return;
		end = una + 1 + below(nxt - una);
		runs_acked(conn, base + end, &d);
		assert_true(d.bytes <= end - una);
		if (conn->run_count && conn->run[0].flags & RUN_SACKED) {
			runs_forget_sacked(conn);
			for (u32 i = end; i < FLIGHT; i++)
				model[i].sacked = false;
		}
	}
}

static void
test_history(void **state)
{
	static struct fate model[FLIGHT];

	(void)state;
	for (int round = 0; round < 100; round++) {
		struct net *net = net_with(1);
		struct tcp_conn *conn = new_conn(net, 1);
		u32 base = conn->snd_una;
		bool was_full = false;

		memset(model, 0, sizeof(model));
		conn->data_end = base + FLIGHT;
		for (u32 step = 0; step < 600; step++) {
			step_runs(conn, model, base, step / 3);
			was_full |= conn->run_count > RUNS_MAX - 4;
			compare_runs(conn, model, base, was_full);
			assert_true(conn->run_count <= RUNS_MAX);
			assert_int_equal(run_start(conn, conn->run_count),
					 conn->snd_nxt);
			assert_int_equal(runs_bytes(conn, 0, 0),
					 conn->snd_nxt - conn->snd_una);
		}
		free(net);
	}
}

static void
test_options_of_any_shape(void **state)
{
	struct net *net = net_with(1);
	u8 h[60] = { 0 };
	struct segment s;

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct ip_packet ip = { .source = 1, .target = 2, .payload = h };
		u32 len = 20 + below(11) * 4;
		u64 sum;

		for (u32 i = 20; i < len; i++)
			h[i] = (u8)below(below(2) ? 12 : 256);
		h[12] = (u8)(len / 4 << 4);
		be16_store(h + 16, 0);
		sum = checksum_pseudo(1, 2, IPPROTO_TCP, len);
		be16_store(h + 16, checksum_finish(checksum_add(sum, h, len)));
		ip.len = len;
		assert_true(segment_parse(net, &ip, &s));
		assert_true(s.sack_count <= 4 && s.scale <= 14 && s.len == 0);
		h[12] = (u8)((len / 4 + 1) << 4);	// beyond the packet
		if (len < 60)
			assert_false(segment_parse(net, &ip, &s));
	}
	free(net);
}

static int
set_up(void **state)
{
	(void)state;
	prng_seed(&prng, test_seed());
	for (u32 i = 0; i < sizeof(text); i++)
		text[i] = (u8)prng_u64(&prng);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_checksums),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_timer_heap),
		cmocka_unit_test(test_history),
		cmocka_unit_test(test_options_of_any_shape),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
