// SPDX-License-Identifier: BSD-2-Clause
// Connections while instances come and go: a model of a cluster in which each member
// has a table of its own, the holder spreads by its own, and an instance that does
// not know a connection asks balance_redirect(). Counted exactly: who lost its
// connection, and why. SEED=n replays a run.
//
// links: cluster/balance/maglev.c cluster/balance/steer.c cluster/balance/table.c
// links: kernel/base/siphash.c kernel/base/string.c harness/testing/host_assert.c

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "cluster/balance/test_world.h"

#define MEMBERS 8u
#define FLOWS 4000u
#define HOPS_MAX 64u

struct flow {
	struct balance_flow flow;
	u32 at;			// number of the instance that has it
};

struct world {
	u64 seed;
	struct prng prng;
	u32 running, draining;	// bits by number
	struct balance_table *table[MEMBERS];	// of each; one in front spreads
	struct flow flow[FLOWS];
	u32 flows;
};

// What became of the connections at a change.
struct outcome {
	u32 direct, redirected, twice, lost, dead;
};

static struct world world;

static void
view_of(const struct world *w, u32 self, struct view *view)
{
	world_view(view, MEMBERS, self, w->seed);
	for (u32 i = 0; i < MEMBERS; i++) {
		if (w->draining >> i & 1)
			view->instance[i].state = VIEW_DRAINING;
	}
	for (u32 i = 0; i < MEMBERS; i++) {
		if (!((w->running | w->draining) >> i & 1))
			world_remove(view, i);
	}
}

// Everybody who lives gets the new view; who is new begins with an empty table.
static void
tell(struct world *w)
{
	struct view view;

	for (u32 i = 0; i < MEMBERS; i++) {
		view_of(w, i, &view);
		if (!((w->running | w->draining) >> i & 1)) {
			free(w->table[i]);
			w->table[i] = NULL;
			continue;
		}
		if (!w->table[i])
			w->table[i] = calloc(1, sizeof(*w->table[i]));
		assert_non_null(w->table[i]);
		balance_table_update(w->table[i], &view, 0, 100 + i);
	}
}

static const struct balance_table *
holder(const struct world *w)
{
	for (u32 i = 0; i < MEMBERS; i++) {
		if (w->table[i])
			return w->table[i];
	}
	abort();
}

static void
start(u32 running)
{
	u64 seed = world_seed();

	memset(&world, 0, sizeof(world));
	world.seed = seed;
	prng_seed(&world.prng, seed);
	world.running = running;
	tell(&world);
}

static void
end(void)
{
	world.running = world.draining = 0;
	for (u32 i = 0; i < MEMBERS; i++)
		free(world.table[i]);
}

static void
open_flows(struct world *w, u32 count)
{
	const struct balance_table *table = holder(w);

	for (u32 i = 0; i < count; i++) {
		struct flow *flow = &w->flow[w->flows++];
		u32 slot;

		ASSERT(w->flows <= FLOWS);
		flow->flow = world_flow(&w->prng);
		slot = balance_slot(table->key, &flow->flow);
		flow->at = table->place[table->primary[slot]].number;
		assert_true(w->running >> flow->at & 1);
	}
}

// Sends a segment of the flow to whom the holder thinks. Returns over how many hops
// it arrived, or HOPS_MAX: refused.
static u32
deliver(const struct world *w, const struct flow *flow)
{
	const struct balance_table *table = holder(w);
	u32 slot = balance_slot(table->key, &flow->flow);
	const struct balance_place *to = &table->place[table->primary[slot]];
	u8 frame[WORLD_FRAME];

	world_segment(&flow->flow, frame);
	memcpy(frame + 6, world_virtual_mac, 6);
	for (u32 hops = 0; hops < HOPS_MAX; hops++) {
		u8 own[6];

		if (to->number == flow->at)
			return hops;
		memcpy(own, to->mac, 6);
		to = balance_redirect(w->table[to->number], own,
				      world_virtual_mac, frame, sizeof(frame));
		if (!to || !balance_pass_on(frame, to->mac, own))
			return HOPS_MAX;
	}
	abort();
}

// One segment of each connection. Those that are lost end.
static struct outcome
run(struct world *w, const char *what)
{
	struct outcome o = { 0 };
	u32 kept = 0;

	for (u32 i = 0; i < w->flows; i++) {
		u32 hops;

		if (!((w->running | w->draining) >> w->flow[i].at & 1)) {
			o.dead++;
			continue;
		}
		hops = deliver(w, &w->flow[i]);
		o.direct += hops == 0;
		o.redirected += hops == 1;
		o.twice += hops == 2;
		o.lost += hops > 2;
		if (hops <= 2)
			w->flow[kept++] = w->flow[i];
	}
	w->flows = kept;
	printf("%-28s %4u direct, %4u redirected, %3u twice, %u lost, "
	       "%u died with their instance\n", what, o.direct, o.redirected,
	       o.twice, o.lost, o.dead);
	return o;
}

static u32
flows_at(const struct world *w, u32 number)
{
	u32 count = 0;

	for (u32 i = 0; i < w->flows; i++)
		count += w->flow[i].at == number;
	return count;
}

static void
kill(void **state)
{
	(void)state;
	for (u32 gone = 0; gone < 5; gone++) {
		struct outcome o;
		u32 had;

		start(0x1f);
		open_flows(&world, 2000);
		had = flows_at(&world, gone);
		world.running &= ~(1u << gone);
		tell(&world);
		o = run(&world, "one of five dies:");
		assert_int_equal(o.dead, had);
		assert_int_equal(o.lost, 0);
		assert_int_equal(o.twice, 0);
		end();
	}
}

static void
join(void **state)
{
	(void)state;
	for (u32 new = 0; new < 4; new++) {
		struct outcome o;

		start(0x0f & ~(1u << new));
		open_flows(&world, 2000);
		world.running |= 1u << new;
		tell(&world);
		o = run(&world, "a fourth comes:");
		assert_int_equal(o.dead + o.lost + o.twice, 0);
		assert_true(o.redirected > 300);	// a quarter of 2000
		end();
	}
}

static void
drain(void **state)
{
	struct outcome o;

	(void)state;
	start(0x07);
	open_flows(&world, 2000);
	world.running &= ~2u;
	world.draining |= 2;
	tell(&world);
	o = run(&world, "one of three drains:");
	assert_int_equal(o.dead + o.lost, 0);
	open_flows(&world, 500);
	// Who comes meanwhile has not seen it take connections.
	world.running |= 8;
	tell(&world);
	o = run(&world, "and another one comes:");
	assert_int_equal(o.dead + o.lost, 0);
	assert_true(flows_at(&world, 1) > 500 && o.twice > 0);
	end();
}

// All pairs of changes among eight, one right after the other, with connections that
// were opened before, in between and after.
static void
two_changes(void **state)
{
	struct outcome sum = { 0 };

	(void)state;
	for (u32 a = 0; a < MEMBERS; a++) {
		for (u32 b = 0; b < MEMBERS; b++) {
			struct outcome o;
			u32 had;

			start(0x3c);		// 2 to 5 of 0 to 7
			open_flows(&world, 1000);
			world.running ^= 1u << a;
			tell(&world);
			open_flows(&world, 1000);
			world.running ^= 1u << b;
			tell(&world);
			open_flows(&world, 1000);
			had = 0;
			for (u32 i = 0; i < MEMBERS; i++) {
				if (!(world.running >> i & 1))
					had += flows_at(&world, i);
			}
			// An instance that is back is a new one.
			if (a == b && world.running >> a & 1) {
				end();
				continue;
			}
			o = run(&world, "two changes:");
			assert_int_equal(o.dead, had);
			assert_int_equal(o.lost, 0);
			sum.direct += o.direct;
			sum.redirected += o.redirected;
			sum.twice += o.twice;
			end();
		}
	}
	printf("all pairs: %u direct, %u redirected, %u twice, 0 lost\n",
	       sum.direct, sum.redirected, sum.twice);
	assert_true(sum.twice > 0);
}

// With more changes than are remembered some are lost: how many, exactly.
static void
four_joins(void **state)
{
	struct outcome o;
	u32 moved_thrice = 0;

	(void)state;
	start(0x03);
	open_flows(&world, 4000);
	for (u32 new = 2; new < 6; new++) {
		world.running |= 1u << new;
		tell(&world);
	}
	for (u32 i = 0; i < world.flows; i++)
		moved_thrice += deliver(&world, &world.flow[i]) == HOPS_MAX;
	o = run(&world, "four come, one by one:");
	assert_int_equal(o.lost, moved_thrice);
	assert_true(o.lost > 0 && o.lost < 4000 / 4);
	end();
}

// Views that disagree wildly may lose connections, but no segment travels for ever.
static void
tables_that_disagree(void **state)
{
	u32 longest = 0, refused = 0;

	(void)state;
	start(0xff);
	open_flows(&world, 1000);
	for (u32 round = 0; round < 50; round++) {
		for (u32 i = 0; i < MEMBERS; i++) {
			struct view view;
			u32 all = world.running;

			world.running = (u32)prng_u64(&world.prng) & 0xff;
			if (!world.running)
				world.running = 1;
			view_of(&world, i, &view);
			world.running = all;
			balance_table_update(world.table[i], &view, 0, 100 + i);
		}
		for (u32 i = 0; i < world.flows; i++) {
			u32 hops = deliver(&world, &world.flow[i]);

			refused += hops == HOPS_MAX;
			if (hops != HOPS_MAX)
				longest = MAX(longest, hops);
		}
	}
	printf("disagreeing: at most %u hops, %u of 50000 refused\n", longest,
	       refused);
	assert_true(longest < HOPS_MAX);
	end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kill),
		cmocka_unit_test(join),
		cmocka_unit_test(drain),
		cmocka_unit_test(two_changes),
		cmocka_unit_test(four_joins),
		cmocka_unit_test(tables_that_disagree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
