// SPDX-License-Identifier: BSD-2-Clause
// The flow rig's cases and command line; docs/flow.md says what they are for.
//
// Each line printed is one measurement: a word and NAME=VALUE pairs. What is compared
// within a line was measured in rigs that begin alike; a loop of cases begins a rig anew
// for each.

#include <stdio.h>

#include "harness/flow/delegate.h"
#include "harness/flow/effects.h"
#include "harness/flow/load.h"
#include "harness/program/arguments.h"
#include "kernel/base/assert.h"

#define PAGE 4096u
#define LIMIT (600 * NS_PER_SECOND)

static u64 seed = 1;

static void
begin(u32 nodes, u32 hub, u16 mtu)
{
	flow_begin(&(struct flow_setup){
		.nodes = nodes,
		.hub = hub,
		.mtu = mtu,
		.hub_windows = 64,
		.grant_pool = 64,		// as kernel/fabric has them
		.landing_pool = 104,
		.pages = 64,
		.seed = seed,
	});
	loads_clear();
}

static double
us(u64 ns)
{
	return (double)ns / 1e3;
}

// ---- loss: pages read, many at a time and one at a time

static void
loss_row(u16 mtu, u32 of_million, double *rate0, double *p50_0)
{
	struct load load = { .node = 1, .environment = 7, .op = OP_READ, .bytes = PAGE,
			     .flights = 32, .count = 10000 };
	double rate, p50, p99;
	u64 resends, timeouts;

	begin(2, 2, mtu);
	load.held = flow_grant(0, 1, 7, 0, 16);
	flow.loss = of_million;
	load_add(&load);
	loads_run(LIMIT);
	rate = loads_rate() / (double)MIB;
	loads_clear();
	load.flights = 1;
	load.count = 10000;
	load.noted = true;
	load_add(&load);
	loads_run(LIMIT);
	p50 = us(loads_quantile(0.5));
	p99 = us(loads_quantile(0.99));
	if (!of_million) {
		*rate0 = rate;
		*p50_0 = p50;
	}
	resends = links_counters(flow.node[1].links)->resends;
	timeouts = links_counters(flow.node[1].links)->timeouts;
	printf("loss mtu=%u loss_percent=%.1f goodput_mib=%.1f share=%.3f p50_us=%.0f "
	       "p99_us=%.0f p99_of_p50=%.2f lost=%lu resends=%lu timeouts=%lu\n", mtu,
	       of_million / 1e4, rate, rate / *rate0, p50, p99, p99 / *p50_0, flow.lost,
	       resends, timeouts);
	flow_end();
}

static void
case_loss(void)
{
	static const u32 rates[] = { 0, 1000, 10000, 50000, 100000 };
	double rate0 = 0, p50_0 = 0;

	for (u32 i = 0; i < ARRAY_SIZE(rates); i++)
		loss_row(1500, rates[i], &rate0, &p50_0);
	for (u32 i = 0; i < ARRAY_SIZE(rates); i++)
		loss_row(9000, rates[i], &rate0, &p50_0);
}

// ---- incast: many at one node's port

static double
incast_run(u16 mtu, u32 others, u8 op, u64 *drops, u32 *most)
{
	u32 hub = 0;

	begin(17, 1, mtu);
	for (u32 i = 1; i <= others; i++) {
		u32 asks = op == OP_READ ? hub : i, owns = op == OP_READ ? i : hub;

		load_add(&(struct load){
			.node = asks, .held = flow_grant(owns, asks, 7, 0, 16),
			.environment = 7, .op = op, .bytes = PAGE, .flights = 16,
			.count = 16 * 50,
		});
	}
	for (u32 i = 0; i < 17; i++)
		flow.node[i].queue_most = 0;
	loads_run(LIMIT);
	*drops = *most = 0;
	for (u32 i = 0; i < 17; i++) {
		*drops += flow.node[i].queue_drops + flow.node[i].ring_drops;
		*most = MAX(*most, flow.node[i].queue_most);
	}
	flow_end();
	return loads_rate() / (double)MIB;
}

static void
incast_row(u16 mtu, u8 op)
{
	u64 drops_one, drops;
	u32 most_one, most;
	double one = incast_run(mtu, 1, op, &drops_one, &most_one);
	double all = incast_run(mtu, 16, op, &drops, &most);

	printf("incast mtu=%u op=%s one_mib=%.1f sixteen_mib=%.1f share=%.3f drops=%lu "
	       "queue_most=%u\n", mtu, op == OP_READ ? "read" : "write", one, all,
	       all / one, drops_one + drops, most);
}

static void
case_incast(void)
{
	static const u16 mtus[] = { 1500, 9000 };

	for (u32 i = 0; i < ARRAY_SIZE(mtus); i++) {
		incast_row(mtus[i], OP_READ);
		incast_row(mtus[i], OP_WRITE);
	}
}

// ---- behind: one small operation after the other, while a transfer goes on

static double
behind_run(u16 mtu, u32 environment, bool bulk, u8 window, u64 *p50, u64 *p99)
{
	double rate;

	begin(2, 2, mtu);

	u32 held = flow_grant(0, 1, 7, 0, 16);
	u32 other = flow_grant(0, 1, 8, 0, 16);

	if (bulk)
		load_add(&(struct load){
			.node = 1, .held = held, .environment = 7, .op = OP_READ,
			.bytes = PAGE, .flights = 48, .window = window });
	load_add(&(struct load){
		.node = 1, .held = environment == 7 ? held : other,
		.environment = environment, .op = OP_READ, .bytes = 8, .flights = 1,
		.count = 2000, .noted = true });
	loads_run(LIMIT);
	*p50 = loads_quantile(0.5);
	*p99 = loads_quantile(0.99);
	rate = loads_rate() / (double)MIB;
	flow_end();
	return rate;
}

static void
case_behind(void)
{
	static const u16 mtus[] = { 1500, 9000 };

	for (u32 i = 0; i < ARRAY_SIZE(mtus); i++) {
		u64 alone50, alone99, p50, p99;

		behind_run(mtus[i], 7, false, 0, &alone50, &alone99);
		for (u32 env = 7; env <= 8; env++) {
			double rate = behind_run(mtus[i], env, true, 0, &p50, &p99);

			printf("behind mtu=%u environment=%s alone_us=%.0f p50_us=%.0f "
			       "p99_us=%.0f slower_p50=%.2f slower_p99=%.2f "
			       "goodput_mib=%.1f\n", mtus[i],
			       env == 7 ? "same" : "other", us(alone50), us(p50), us(p99),
			       (double)p50 / (double)alone50,
			       (double)p99 / (double)alone99, rate);
		}
	}
}

// The same, while the transfer's environment has a window of its own.
static void
case_own(void)
{
	static const u16 mtus[] = { 1500, 9000 };
	static const u8 windows[] = { 0, 4, 16, 255 };
	u64 p50, p99;

	for (u32 i = 0; i < ARRAY_SIZE(mtus); i++) {
		for (u32 w = 0; w < ARRAY_SIZE(windows); w++) {
			double rate = behind_run(mtus[i], 8, true, windows[w], &p50,
						 &p99);

			printf("own mtu=%u window=%u p50_us=%.0f p99_us=%.0f "
			       "goodput_mib=%.1f\n", mtus[i], windows[w], us(p50),
			       us(p99), rate);
		}
	}
}

// ---- delegate: a capability goes to a third node

static void
case_delegate(void)
{
	struct delegated found;
	u64 read50, read99;

	behind_run(1500, 7, false, 0, &read50, &read99);
	begin(3, 3, 1500);
	delegate_run(DELEGATE_TIMES_MAX, &found);
	printf("delegate read_us=%.0f told_us=%.0f held_us=%.0f used_us=%.0f held_reads=%.2f "
	       "used_reads=%.2f\n", us(read50), us(found.told_ns), us(found.held_ns),
	       us(found.used_ns), (double)found.held_ns / (double)read50,
	       (double)found.used_ns / (double)read50);
	flow_end();
}

// ---- weights: who is served how much when there is not enough for all

struct weighed {
	u16 granter;
	u8 weight;
};

// One requester for each, who always has more to ask; the first is the measure.
static void
weights_row(u16 mtu, const char *name, const struct weighed *who, u32 count)
{
	struct load *load[8];

	ASSERT(count <= ARRAY_SIZE(load));
	begin(1 + count, 1, mtu);
	for (u32 i = 0; i < count; i++)
		load[i] = load_add(&(struct load){
			.node = 1 + i, .environment = 7, .op = OP_READ, .bytes = PAGE,
			.held = flow_grant_weighed(0, 1 + i, 7, 0, 16, who[i].granter,
						   who[i].weight),
			.flights = 48 / count, .count = i ? 0 : 20000 });
	loads_run(LIMIT);
	printf("weights mtu=%u case=%s weights=", mtu, name);
	for (u32 i = 0; i < count; i++)
		printf("%s%u", i ? ":" : "", who[i].weight);
	printf(" shares=");
	for (u32 i = 0; i < count; i++)
		printf("%s%.3f", i ? ":" : "",
		       (double)load[i]->ended / load[0]->ended);
	printf(" goodput_mib=%.1f\n", loads_rate() / (double)MIB);
	flow_end();
}

static void
case_weights(void)
{
	static const struct weighed equal[] = { { 0, 32 }, { 0, 32 } };
	static const struct weighed three[] = { { 0, 48 }, { 0, 16 } };
	static const struct weighed many[] = { { 0, 64 }, { 0, 32 }, { 0, 16 } };
	// Whatever weights one environment gives, another's have as much.
	static const struct weighed two[] = { { 0, 255 }, { 1, 32 }, { 1, 32 } };
	static const u16 mtus[] = { 1500, 9000 };

	for (u32 i = 0; i < ARRAY_SIZE(mtus); i++) {
		weights_row(mtus[i], "equal", equal, ARRAY_SIZE(equal));
		weights_row(mtus[i], "three_to_one", three, ARRAY_SIZE(three));
		weights_row(mtus[i], "many", many, ARRAY_SIZE(many));
		weights_row(mtus[i], "granters", two, ARRAY_SIZE(two));
	}
}

// ---- crowd, hostile: one peer measured, the others load the same owner, or another node

struct others {
	u16 mtu;
	u32 count;		// of all peers, the one that is measured among them
	u64 own_pause_ns;	// of that one, between two pages
	u32 flights;		// of each other
	u64 pause_ns;
	u8 weight;		// of every capability
};

static void
others_run(const struct others *o, u32 loaded, u64 *p50, u64 *p99)
{
	u32 first = 2;

	begin(o->count + first, first, o->mtu);
	load_add(&(struct load){
		.node = first, .environment = 7, .op = OP_READ, .bytes = PAGE,
		.held = flow_grant_weighed(0, first, 7, 0, 16, 0, o->weight),
		.flights = 1, .count = 3000, .pause_ns = o->own_pause_ns, .noted = true });
	for (u32 i = first + 1; i < o->count + first; i++)
		load_add(&(struct load){
			.node = i, .environment = 7, .op = OP_READ, .bytes = PAGE,
			.held = flow_grant_weighed(loaded, i, 7, 0, 16, 0, o->weight),
			.flights = o->flights, .pause_ns = o->pause_ns });
	loads_run(LIMIT);
	*p50 = loads_quantile(0.5);
	*p99 = loads_quantile(0.99);
	flow_end();
}

static void
case_crowd(u64 number)
{
	struct others crowd = { .mtu = 1500, .count = (u32)number, .own_pause_ns = NS_PER_MS,
				.flights = 1, .pause_ns = 200 * NS_PER_MS };
	u64 here50, here99, there50, there99;

	others_run(&crowd, 0, &here50, &here99);
	others_run(&crowd, 1, &there50, &there99);
	printf("crowd peers=%u p50_us=%.0f p99_us=%.0f control_p50_us=%.0f "
	       "control_p99_us=%.0f ratio=%.3f\n", crowd.count, us(here50), us(here99),
	       us(there50), us(there99), (double)here50 / (double)there50);
}

// Three read as fast as the one that is measured, or with more under way.
static void
hostile_row(u16 mtu, u32 flights, u8 weight)
{
	struct others three = { .mtu = mtu, .count = 4, .flights = flights, .weight = weight };
	u64 here50, here99, there50, there99;

	others_run(&three, 0, &here50, &here99);
	others_run(&three, 1, &there50, &there99);
	printf("hostile mtu=%u each=%u weight=%u p50_us=%.0f p99_us=%.0f control_p99_us=%.0f "
	       "times=%.2f\n", mtu, flights, weight, us(here50), us(here99), us(there99),
	       (double)here99 / (double)there99);
}

static void
case_hostile(void)
{
	static const u16 mtus[] = { 1500, 9000 };

	for (u32 i = 0; i < ARRAY_SIZE(mtus); i++) {
		hostile_row(mtus[i], 1, 16);
		hostile_row(mtus[i], 16, 16);
		hostile_row(mtus[i], 16, 32);
	}
}

// ---- faults: each effect once, whatever happens to frames

static void
faults_row(u16 mtu, u64 operations)
{
	u64 resends = 0, lapses = 0, first;
	struct effects found;

	begin(3, 3, mtu);
	flow.loss = flow.reordering = 100000;
	flow.duplication = 50000;
	flow.corruption = 10000;
	first = flow.now;
	effects_run(operations, operations * NS_PER_MS + LIMIT, &found);
	for (u32 i = 0; i < 3; i++) {
		resends += links_counters(flow.node[i].links)->resends;
		lapses += links_counters(flow.node[i].links)->lapses;
	}
	printf("faults mtu=%u operations=%lu written=%lu read=%lu added=%lu swapped=%lu "
	       "missing=%lu doubled=%lu corrupt=%lu lapses=%lu seconds=%.1f "
	       "frames_lost=%lu duplicated=%lu reordered=%lu corrupted=%lu resends=%lu\n",
	       mtu, found.operations, found.written, found.read, found.added,
	       found.swapped, found.missing, found.doubled, found.corrupt, lapses,
	       (double)(flow.now - first) / 1e9, flow.lost, flow.duplicated,
	       flow.reordered, flow.corrupted, resends);
	flow_end();
}

static void
case_faults(u64 operations)
{
	faults_row(1500, operations / 2);
	faults_row(9000, operations - operations / 2);
}

// ---- the command line

// A case runs as it is, or is told how many, `least` to `most`.
static const struct flow_case {
	const char *name;
	void (*run)(void);
	void (*run_so_many)(u64 number);
	u64 least, most;
} cases[] = {
	{ "loss", case_loss, NULL, 0, 0 },
	{ "incast", case_incast, NULL, 0, 0 },
	{ "behind", case_behind, NULL, 0, 0 },
	{ "own", case_own, NULL, 0, 0 },
	{ "delegate", case_delegate, NULL, 0, 0 },
	{ "weights", case_weights, NULL, 0, 0 },
	{ "hostile", case_hostile, NULL, 0, 0 },
	{ "crowd", NULL, case_crowd, 2, FLOW_NODES - 2 },
	{ "faults", NULL, case_faults, 2, 1000000000 },
};

static const struct argp_option words[] = {
	{ "seed", 's', "N", 0, "of all that is drawn, 1 if not said", 1 },
	{ NULL, 0, NULL, 0, "Cases:", 2 },
	{ "loss", 0, NULL, OPTION_DOC, "pages read, many at a time and one at a time", 2 },
	{ "incast", 0, NULL, OPTION_DOC, "many at one node's port", 2 },
	{ "behind", 0, NULL, OPTION_DOC, "small operations while a transfer goes on", 2 },
	{ "own", 0, NULL, OPTION_DOC, "the same; the transfer has a window of its own", 2 },
	{ "delegate", 0, NULL, OPTION_DOC, "a capability is passed on to a third node", 2 },
	{ "weights", 0, NULL, OPTION_DOC, "who is served how much when there is too little", 2 },
	{ "hostile", 0, NULL, OPTION_DOC, "one peer, and three that take what they can", 2 },
	{ "crowd PEERS", 0, NULL, OPTION_DOC, "one peer, and others that load its owner", 2 },
	{ "faults OPERATIONS", 0, NULL, OPTION_DOC, "each effect once, whatever frames meet", 2 },
	{ 0 },
};

struct command {
	const struct flow_case *what;
	u64 number;
};

static const struct flow_case *
find_case(const struct argp_state *state, const char *name)
{
	const char *names[ARRAY_SIZE(cases)];

	for (u32 i = 0; i < ARRAY_SIZE(cases); i++)
		names[i] = cases[i].name;
	return &cases[argument_word(state, name, names, ARRAY_SIZE(names))];
}

static error_t
take_word(char *value, const struct argp_state *state)
{
	struct command *command = state->input;

	if (state->arg_num == 0)
		command->what = find_case(state, value);
	else if (state->arg_num == 1 && command->what->run_so_many)
		command->number = argument_number(state, value, command->what->least,
						  command->what->most);
	else
		return ARGP_ERR_UNKNOWN;
	return 0;
}

static error_t
take(int key, char *value, struct argp_state *state)
{
	struct command *command = state->input;

	switch (key) {
	case 's':
		seed = argument_number(state, value, 0, UINT64_MAX - 1);
		return 0;
	case ARGP_KEY_ARG:
		return take_word(value, state);
	case ARGP_KEY_END:
		if (!command->what || (command->what->run_so_many && !command->number))
			argp_error(state, "a case is wanted, and how many of what it says");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp command_line = {
	.options = words,
	.parser = take,
	.args_doc = "CASE [NUMBER]",
	.doc = "The fabric's flow control in virtual time; docs/flow.md.",
};

int
main(int argc, char **argv)
{
	struct command command = { 0 };

	arguments_read(&command_line, argc, argv, &command);
	printf("SEED=%lu\n", seed);
	if (command.what->run)
		command.what->run();
	else
		command.what->run_so_many(command.number);
	return 0;
}
