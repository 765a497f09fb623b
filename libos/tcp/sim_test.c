// SPDX-License-Identifier: BSD-2-Clause
// TCP against itself over bad links (test_sim.h): random ones, and those of the
// downloads of a website.
//
// SEED=n replays one seed; without it the first SEEDS=300 run. SIM_REPORT=1
// prints how fast the downloads went.
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

#include "libos/tcp/test_sim.h"

static void
random_faults(struct sim *sim, u32 side)
{
	static const u32 rates[] = { 0, 0, 10, 50, 200 };
	static const u64 delays[] = { 50 * NS_PER_US, NS_PER_MS, 30 * NS_PER_MS };
	struct faults *f = &sim->faults[side];
	struct prng *p = &sim->prng;

	f->loss = rates[prng_below(p, ARRAY_SIZE(rates))];
	f->twice = rates[prng_below(p, ARRAY_SIZE(rates))];
	f->late = rates[prng_below(p, ARRAY_SIZE(rates))];
	f->broken = rates[prng_below(p, ARRAY_SIZE(rates))] / 4;
	f->delay_ns = delays[prng_below(p, ARRAY_SIZE(delays))];
	f->jitter_ns = prng_below(p, 4 * f->delay_ns) + 1;
	f->rate = prng_below(p, 2) ? 0 : 1000000 + prng_below(p, 100000000);
	f->queue_ns = f->rate ? 20 * NS_PER_MS : NS_PER_SECOND;
	if (!prng_below(p, 4)) {
		f->silent_from = START_NS + prng_below(p, 2 * NS_PER_SECOND);
		f->silent_until = f->silent_from + prng_below(p, 8 * NS_PER_SECOND);
	}
}

static void
random_config(struct sim *sim, struct net_config *config)
{
	static const u16 mtus[] = { 576, 1006, 1500, 1500 };
	static const u32 sizes[] = { 2048, 8192, 32768, 262144 };
	static const u32 cuts[] = { 0, 3000, 20000, NET_CUT_MAX };

	config->mtu = mtus[prng_below(&sim->prng, ARRAY_SIZE(mtus))];
	config->receive_size = sizes[prng_below(&sim->prng, ARRAY_SIZE(sizes))];
	config->checksum_offload = prng_below(&sim->prng, 2);
	if (config->checksum_offload) {
		config->cut_max = cuts[prng_below(&sim->prng, ARRAY_SIZE(cuts))];
		config->cut_min = prng_below(&sim->prng, 2) ? 512 : 0;
	}
	config->conn_max = 16;
}

static void
run_random(struct sim *sim, u64 seed)
{
	struct net_config config[2] = { wire_config(1), wire_config(2) };
	u32 count;

	prng_seed(&sim->prng, seed ^ 0x5eed);
	for (u32 side = 0; side < 2; side++)
		random_config(sim, &config[side]);
	sim_start(sim, seed, config);
	for (u32 side = 0; side < 2; side++)
		random_faults(sim, side);
	sim->pauses = prng_below(&sim->prng, 2);
	// Now and then the peer does not scale windows, SACK, or tell the time.
	for (u32 i = 0; i < ARRAY_SIZE(sim->stripped); i++) {
		static const u8 kinds[] = { 0, 0, 0, 0, 3, 4, 4, 8 };

		sim->stripped[i] = kinds[prng_below(&sim->prng, 8)];
	}
	sim->patient = true;
	sim->aborts = !prng_below(&sim->prng, 4);
	count = 1 + (u32)prng_below(&sim->prng, 6);
	for (u32 i = 0; i < count; i++)
		sim_open(sim, (u32)prng_below(&sim->prng, 60000),
			 (u32)prng_below(&sim->prng, 60000));
	sim_run(sim);
	sim_end(sim);
}

static void
test_random_links(void **state)
{
	static struct sim sim;
	const char *one = getenv("SEED"), *many = getenv("SEEDS");
	u64 first = one ? strtoull(one, NULL, 0) : 1;
	u64 last = one ? first : many ? strtoull(many, NULL, 0) : 300;

	(void)state;
	for (u64 seed = first; seed <= last; seed++) {
		// Kept where a debugger and the sanitizer's report show it.
		fprintf(stderr, "\rSEED=%llu ", (unsigned long long)seed);
		run_random(&sim, seed);
	}
	fprintf(stderr, "\n");
}

// As many connections as there are places, and far more than there are.
static void
run_many(u32 places, u32 streams, u32 loss)
{
	static struct sim sim;
	struct net_config config[2] = { wire_config(1), wire_config(2) };

	config[0].conn_max = STREAMS_MAX;
	config[1].conn_max = (u16)places;
	sim_start(&sim, places + streams, config);
	sim.patient = true;
	for (u32 side = 0; side < 2; side++)
		sim.faults[side].loss = sim.faults[side].twice = loss;
	for (u32 i = 0; i < streams; i++)
		sim_open(&sim, (u32)prng_below(&sim.prng, 4000),
			 (u32)prng_below(&sim.prng, 20000));
	sim_run(&sim);
	for (u32 i = 0; i < streams; i++)
		assert_false(sim.stream[i].aborted);
	assert_true(net_counters(sim.net[1])->accepted >= streams);
	sim_end(&sim);
}

static void
test_many_connections(void **state)
{
	(void)state;
	run_many(STREAMS_MAX, STREAMS_MAX, 0);
	run_many(STREAMS_MAX, STREAMS_MAX, 50);
	run_many(4, STREAMS_MAX, 0);
	run_many(4, 40, 20);
	run_many(1, 10, 0);
}

struct download {
	const char *name;
	struct faults faults;
	u32 len;
	u64 limit_ns;		// of virtual time, all seeds together, a download
};

static void
report(const struct download *d, u64 ns, u64 bytes, const struct net *server)
{
	const struct net_counters *c = net_counters(server);

	if (getenv("SIM_REPORT"))
		printf("%s: %.1f ms a download, %.1f MB/s, %llu timeouts, "
		       "%llu recoveries, %llu retransmitted of %llu\n", d->name,
		       (double)ns / 1e6, (double)bytes * 1e3 / (double)ns,
		       (unsigned long long)c->timeouts,
		       (unsigned long long)c->fast_recoveries,
		       (unsigned long long)c->retransmitted,
		       (unsigned long long)c->sent);
}

// A client with Linux's usual buffer fetches from a server with ours.
static void
run_download(const struct download *d, u32 count)
{
	static struct sim sim;
	struct net_config config[2] = { wire_config(1), wire_config(2) };
	u64 total = 0;

	config[0].receive_size = 131072 * 4;
	sim_start(&sim, 7, config);
	sim.faults_end = NEVER_NS - DONE_NS;
	sim.faults[0] = sim.faults[1] = d->faults;
	for (u32 i = 0; i < count; i++) {
		u64 began = sim.now;

		sim.stream_count = 0;
		sim_open(&sim, 100, d->len);
		while (!sim.stream[0].flow[1].ended) {
			step(&sim);
			assert_true(sim.now - began < 100 * NS_PER_SECOND);
		}
		total += sim.now - began;
		sim_run(&sim);
	}
	report(d, total / count, d->len, sim.net[1]);
	assert_true(total / count < d->limit_ns);
	sim_end(&sim);
}

static void
test_downloads(void **state)
{
	const u64 lan = 100 * NS_PER_US, line = 125000000;
	const struct download downloads[] = {
		{ "5 MiB, clean", { .delay_ns = lan, .rate = line,
		  .queue_ns = 3 * NS_PER_MS }, 5 << 20, NS_PER_SECOND },
		{ "5 MiB, 5% loss", { .loss = 50, .delay_ns = lan, .rate = line,
		  .queue_ns = 3 * NS_PER_MS }, 5 << 20, 30 * NS_PER_SECOND },
		{ "5 MiB, 5% loss, doubled, late", { .loss = 50, .twice = 50,
		  .late = 50, .jitter_ns = NS_PER_MS, .delay_ns = lan,
		  .rate = line, .queue_ns = 3 * NS_PER_MS }, 5 << 20,
		  30 * NS_PER_SECOND },
		{ "5 MiB, 20 ms", { .delay_ns = 10 * NS_PER_MS, .rate = line,
		  .queue_ns = 3 * NS_PER_MS }, 5 << 20, 3 * NS_PER_SECOND },
		{ "1 MiB, 20 ms, 1% loss", { .loss = 10, .rate = line,
		  .delay_ns = 10 * NS_PER_MS, .queue_ns = 3 * NS_PER_MS },
		  1 << 20, 30 * NS_PER_SECOND },
		{ "1 KiB, 5% loss, doubled, late", { .loss = 50, .twice = 50,
		  .late = 50, .jitter_ns = NS_PER_MS, .delay_ns = lan,
		  .rate = line, .queue_ns = 3 * NS_PER_MS }, 1024, NS_PER_SECOND },
	};

	(void)state;
	for (u32 i = 0; i < ARRAY_SIZE(downloads); i++)
		run_download(&downloads[i], downloads[i].len < 4096 ? 300 : 5);
}

static int
set_up(void **state)
{
	struct prng p;

	(void)state;
	sim_text = malloc(TEXT_LEN);
	if (!sim_text)
		return 1;
	prng_seed(&p, 99);
	for (u32 i = 0; i < TEXT_LEN; i += 8)
		be64_store(sim_text + i, prng_u64(&p));
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	free(sim_text);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_links),
		cmocka_unit_test(test_many_connections),
		cmocka_unit_test(test_downloads),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
