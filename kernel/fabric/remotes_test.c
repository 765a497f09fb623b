// SPDX-License-Identifier: BSD-2-Clause
// What a holder's kernel tells owners of capabilities that went or got shorter here,
// through sessions that come and go: told until it is heard, a few at a time, and given
// up with the owner's life. The owner is a model, chance the network; SEED=n replays.
//
// links: kernel/fabric/remotes.c net/wire/wire.c harness/testing/host_assert.c

#include "kernel/fabric/remotes_rig.h"

// ---- what happens

static void
begin(void)
{
	const char *text = getenv("SEED");
	u64 seed = text ? strtoull(text, NULL, 0) : 1;

	print_message("SEED=%llu\n", (unsigned long long)seed);
	prng_seed(&prng, seed);
	envs[0].info = &holder;
	env_started = 1;
	grantee = holder.id;
	now = NS_PER_SECOND;
	for (u32 i = 0; i < PEERS; i++) {
		life[i] = 100 + i;
		session[i] = true;
	}
	grants = 0;
}

// Returns whether there was a record for it.
static bool
take_grant(u16 peer)
{
	struct rcap_remote remote = {
		.incarnation = life[peer], .slot = grants, .generation = 1, .peer = peer,
	};
	struct wire_grant g = {
		.environment = grantee, .type = TYPE_FRAMES, .count = UNITS,
	};
	enum wire_code code = rcap_host_granted(NULL, &remote, &g);

	if (code == CODE_TABLE)
		return false;
	assert_int_equal(code, CODE_NONE);
	assert_true(grants < GRANTS);
	grant[grants].life = life[peer];
	grant[grants].environment = grantee;
	grant[grants].owner = grant[grants].holds = UNITS;
	grant[grants].record = (u32)(minted >> REMOTE_UNIT_BITS);
	grant[grants++].peer = peer;
	return true;
}

static void
drop(u32 i)
{
	remote_gone((u64)grant[i].record << REMOTE_UNIT_BITS);
	grant[i].holds = 0;
}

static void
shorten(u32 i, u64 count)
{
	struct cap was = { .base = (u64)grant[i].record << REMOTE_UNIT_BITS,
			   .count = grant[i].holds };

	remote_shortened(&was, count);
	grant[i].holds = count;
}

// It runs at its owner, or not; the holder hears which, or not.
static void
end(u32 place, bool runs, u8 outcome, u8 code)
{
	const struct rcap_submit *s = &flight[place].submit;
	u32 i = s->remote.slot;
	struct rcap_completion c = { .tag = s->tag, .op = s->op, .outcome = outcome,
				     .code = code };

	assert_true(i < grants && s->environment == grant[i].environment);
	assert_int_equal(s->remote.incarnation, grant[i].life);
	if (runs)
		grant[i].owner = s->op == OP_DROP ? 0 : MIN(grant[i].owner, s->offset);
	flight[place].used = false;
	remote_told((u32)(c.tag - PENDING_MAX), &c, now);
}

static void
end_somehow(u32 place)
{
	static const u8 codes[] = { CODE_PEER, CODE_WINDOWS, CODE_CANCELLED };
	u16 peer = flight[place].submit.remote.peer;
	u32 chance = prng_below(&prng, 6);

	if (flight[place].submit.remote.incarnation != life[peer])
		end(place, false, RCAP_NOT_DONE, CODE_INCARNATION);
	else if (chance < 2)
		end(place, chance, RCAP_UNKNOWN_FINAL, CODE_SESSION);
	else if (chance == 2)
		end(place, false, RCAP_NOT_DONE, codes[prng_below(&prng, 3)]);
	else
		end(place, true, RCAP_DONE, CODE_NONE);
}

static u32
on_their_way(void)
{
	u32 count = 0;

	for (u32 i = 0; i < FLIGHT_MAX; i++)
		count += flight[i].used;
	return count;
}

// From here on everybody is there, and hears.
static void
settle(void)
{
	u64 due, until = now + 60 * NS_PER_SECOND;

	for (u32 i = 0; i < PEERS; i++)
		session[i] = true;
	while (((due = remotes_tell(now)) != ~0ull || on_their_way()) && now < until) {
		for (u32 i = 0; i < FLIGHT_MAX; i++) {
			if (flight[i].used)
				end(i, true, RCAP_DONE, CODE_NONE);
		}
		now += NS_PER_MS;
	}
	assert_int_equal(remotes_tell(now), ~0ull);
}

static void
agree(void)
{
	for (u32 i = 0; i < grants; i++) {
		if (grant[i].life == life[grant[i].peer])
			assert_int_equal(grant[i].owner, grant[i].holds);
	}
}

static void
drop_all(void)
{
	for (u32 i = 0; i < grants; i++) {
		if (grant[i].holds)
			drop(i);
	}
	settle();
	agree();
}

// ---- tests

static u32
held(void)
{
	u32 count = 0;

	for (u32 i = 0; i < grants; i++)
		count += grant[i].holds > 0;
	return count;
}

// There is always a record: so none is forgotten.
static void
happen(void)
{
	u32 i = grants ? (u32)prng_below(&prng, grants) : 0, peer = i % PEERS;

	switch (prng_below(&prng, 8)) {
	case 0:
	case 1:
		if (held() < HELD_MAX)
			assert_true(take_grant((u16)peer));
		break;
	case 2:
		if (grants && grant[i].holds)
			drop(i);
		break;
	case 3:
		if (grants && grant[i].holds > 1)
			shorten(i, 1 + prng_below(&prng, grant[i].holds - 1));
		break;
	case 4:
		session[peer] = prng_below(&prng, 2);
		break;
	case 5:
		i = (u32)prng_below(&prng, FLIGHT_MAX);
		if (flight[i].used)
			end_somehow(i);
		break;
	case 6:
		now += prng_below(&prng, NS_PER_SECOND);
		life[peer] += !prng_below(&prng, 50) ? PEERS : 0;
		break;
	default:
		remotes_tell(now);
	}
}

static void
owners_learn_what_went(void **state)
{
	(void)state;
	begin();
	for (u32 round = 0; round < 20; round++) {
		for (u32 steps = 0; steps < 500 && grants < GRANTS; steps++)
			happen();
		settle();
		agree();
	}
	drop_all();
}

// A session swallows the only DROP, in each way in which it can.
static void
a_lost_one_is_told_again(void **state)
{
	static const struct { u8 outcome, code; bool runs; } ways[] = {
		{ RCAP_UNKNOWN_FINAL, CODE_SESSION, false },
		{ RCAP_UNKNOWN_FINAL, CODE_SESSION, true },
		{ RCAP_NOT_DONE, CODE_PEER, false },
		{ RCAP_NOT_DONE, CODE_WINDOWS, false },
		{ RCAP_NOT_DONE, CODE_CANCELLED, false },
	};

	(void)state;
	begin();
	for (u32 way = 0; way < ARRAY_SIZE(ways); way++) {
		assert_true(take_grant(0));
		drop(grants - 1);
		while (!on_their_way())
			remotes_tell(now += NS_PER_MS);
		end(0, ways[way].runs, ways[way].outcome, ways[way].code);
		session[0] = false;
		for (u32 i = 0; i < 10; i++) {
			now += NS_PER_SECOND;
			assert_true(remotes_tell(now) > now);
		}
		assert_int_equal(on_their_way(), 0);
		settle();
		agree();
	}
}

// An answer, and the end of the owner's life, are the end of it.
static void
an_answer_is_enough(void **state)
{
	static const u8 codes[] = { CODE_REVOKED, CODE_INCARNATION, CODE_VERSION };

	(void)state;
	begin();
	for (u32 i = 0; i < ARRAY_SIZE(codes); i++) {
		assert_true(take_grant(0));
		drop(grants - 1);
		while (!on_their_way())
			remotes_tell(now += NS_PER_MS);
		end(0, false, RCAP_NOT_DONE, codes[i]);
		assert_int_equal(remotes_tell(now += NS_PER_SECOND), ~0ull);
		assert_int_equal(on_their_way(), 0);
	}
}

// A copy that is left would be taken for gone by who hears of it.
static void
copies_go_first(void **state)
{
	(void)state;
	begin();
	assert_true(take_grant(0));
	copied = grant[0].record;
	copied_unit = 0;
	drop(0);
	for (u32 i = 0; i < 100; i++)
		assert_int_equal(remotes_tell(now), now);
	assert_int_equal(on_their_way(), 0);
	copied = ~0u;
	settle();
	agree();
}

// One of what stays keeps the owner from nothing.
static void
copies_of_the_rest_stay(void **state)
{
	(void)state;
	begin();
	assert_true(take_grant(0));
	copied = grant[0].record;
	copied_unit = UNITS / 2;
	shorten(0, UNITS / 2);
	assert_int_equal(remotes_tell(now), now);
	copied_unit = UNITS / 2 - 1;
	settle();
	agree();
	copied = ~0u;
	drop_all();
}

// What an owner that asks hears from whom it asks.
static void
each_refusal_says_why(void **state)
{
	static struct cap pool[] = { { .type = CAP_REMOTE, .count = UNITS } };
	struct wire_recall recall = { .environment = holder.id, .keep = 1 };
	struct rcap_remote remote = { .generation = 1 };

	(void)state;
	begin();
	remote.incarnation = life[0];
	assert_true(take_grant(0));
	caps.pool = pool;
	asks = true;
	assert_int_equal(rcap_host_asked(NULL, &remote, &recall, now), CODE_NONE);
	asks = false;
	assert_int_equal(rcap_host_asked(NULL, &remote, &recall, now), CODE_TABLE);
	holder.state = ENV_DYING;
	assert_int_equal(rcap_host_asked(NULL, &remote, &recall, now), CODE_ENVIRONMENT);
	holder.state = ENV_RUNNABLE;
	remote.generation++;
	assert_int_equal(rcap_host_asked(NULL, &remote, &recall, now), CODE_ENTRY);
	drop_all();
}

// Who has a part of another's capability asks for itself, in the name of that one.
static void
a_part_is_used_in_its_holders_name(void **state)
{
	static struct env_info heir = { .id = 9, .state = ENV_RUNNABLE };
	struct fabric_submit s = { .op = FABRIC_READ, .length = 8 };
	struct fabric_queue queue = { .owner = 1 };
	struct rcap_submit r = { .op = OP_READ };
	struct cap part = { .type = CAP_REMOTE, .count = 1, .rights = CAP_READ, .depth = 1 };
	u32 record = RECORDS;

	(void)state;
	begin();
	envs[1].info = &heir;
	assert_true(take_grant(0));
	part.base = ((u64)grant[0].record << REMOTE_UNIT_BITS) + 2;
	named = &part;
	assert_int_equal(remote_check(&queue, &s, &r, &record), CODE_NONE);
	named = NULL;
	assert_int_equal(record, grant[0].record);
	assert_int_equal(r.environment, heir.id);
	assert_int_equal(r.holder, holder.id);
	assert_int_equal(r.offset, 2 * PAGE_SIZE);
	drop_all();
}

// An owner that never answers keeps nobody from hearing what is theirs.
static void
the_silent_hold_nobody_up(void **state)
{
	u32 mine;

	(void)state;
	begin();
	for (u32 i = 0; i < 2 * FLIGHT_MAX; i++) {
		assert_true(take_grant(0));
		drop(grants - 1);
	}
	for (u32 i = 0; i < 100; i++)
		remotes_tell(now += NS_PER_MS);
	assert_true(take_grant(1));
	mine = grants - 1;
	drop(mine);
	for (u32 i = 0; i < 100; i++) {
		remotes_tell(now += NS_PER_MS);
		for (u32 f = 0; f < FLIGHT_MAX; f++) {
			if (flight[f].used && flight[f].submit.remote.slot == mine)
				end(f, true, RCAP_DONE, CODE_NONE);
		}
	}
	assert_int_equal(grant[mine].owner, 0);
	settle();
	agree();
}

// Owners that never come back take no record from who holds something, but for those of
// which word is on its way.
static void
the_dead_keep_no_place(void **state)
{
	u32 kept, first;

	(void)state;
	begin();
	for (first = 0; first < RECORDS; first++) {
		assert_true(take_grant(0));
		drop(first);
	}
	remotes_tell(now);
	kept = on_their_way();
	assert_true(kept > 0 && kept <= FLIGHT_MAX);
	session[0] = false;
	for (u32 i = 0; i < RECORDS - LEFT - kept; i++)
		assert_true(take_grant(1));
	assert_false(take_grant(1));
	for (u32 i = 0; i < FLIGHT_MAX; i++) {
		if (flight[i].used)
			end(i, false, RCAP_UNKNOWN_FINAL, CODE_SESSION);
	}
	for (u32 i = 0; i < kept; i++)
		assert_true(take_grant(1));
	assert_false(take_grant(1));
	for (u32 i = first; i < grants; i++)
		drop(i);
	settle();
	for (u32 i = first; i < grants; i++)
		assert_int_equal(grant[i].owner, 0);
}

// Whoever was given what it could leaves records for those that hold hardly anything.
static void
who_holds_much_leaves_room(void **state)
{
	u32 count = 0, mine;

	(void)state;
	begin();
	while (take_grant(0))
		count++;
	assert_int_equal(count, RECORDS - LEFT);
	mine = grants - 1;
	for (u32 i = 0; i < ARRAY_SIZE(others); i++) {
		others[i] = (struct env_info){ .id = 20 + i, .state = ENV_RUNNABLE };
		envs[1 + i].info = &others[i];
		env_started |= 2ull << i;
		grantee = others[i].id;
		for (count = 0; take_grant(0); count++)
			;
		assert_int_equal(count, 4);
	}
	drop(mine);
	grantee = holder.id;
	assert_false(take_grant(0));
	grantee = others[0].id;
	assert_false(take_grant(0));
	drop_all();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(owners_learn_what_went),
		cmocka_unit_test(a_lost_one_is_told_again),
		cmocka_unit_test(an_answer_is_enough),
		cmocka_unit_test(copies_go_first),
		cmocka_unit_test(copies_of_the_rest_stay),
		cmocka_unit_test(each_refusal_says_why),
		cmocka_unit_test(a_part_is_used_in_its_holders_name),
		cmocka_unit_test(the_silent_hold_nobody_up),
		cmocka_unit_test(the_dead_keep_no_place),
		cmocka_unit_test(who_holds_much_leaves_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
