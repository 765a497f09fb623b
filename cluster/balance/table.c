// SPDX-License-Identifier: BSD-2-Clause
// A job's table: instances out of the view, slots by Maglev, and what is remembered
// of the tables before.
//
// Invariants of a table:
//   B1  each slot's entries are below `count` or BALANCE_NONE
//   B2  before[][s] are different from each other and from primary[s]; before[1] is
//       set only where before[0] is
//   B3  an instance keeps its order of slots as long as node and number are the same,
//       so that one that was started again gets the same slots

#include "cluster/balance/maglev.h"
#include "kernel/base/assert.h"
#include "kernel/base/string.h"

// What gives an instance its order.
struct name {
	u8 uuid[16];
	u32 job;
	u32 number;
};

void
balance_mac(const u8 node[6], u32 mac_index, u8 mac[6])
{
	memcpy(mac, node, 6);
	ASSERT(mac_index < 16);
	if (mac_index)
		mac[0] = (u8)(((mac[0] ^ mac_index << 4) & 0xf0) | 0x02);
}

static void
take_place(const struct view *view, const struct view_instance *instance,
	   struct balance_place *place)
{
	const struct view_member *member = &view->member[instance->member];

	*place = (struct balance_place){
		.incarnation = member->incarnation,
		.environment = instance->environment,
		.number = instance->number,
		.takes = instance->state == VIEW_RUNNING,
		.here = instance->member == view->self,
	};
	memcpy(place->uuid, member->uuid, sizeof(place->uuid));
	balance_mac(member->mac, instance->mac_index, place->mac);
}

static u8
take_places(const struct view *view, u32 job,
	    struct balance_place place[BALANCE_PLACES_MAX])
{
	u32 count = 0;

	for (u32 i = 0; i < view->instance_count; i++) {
		const struct view_instance *instance = &view->instance[i];

		if (instance->job != job || instance->mac_index >= 16 ||
		    (instance->state != VIEW_RUNNING &&
		     instance->state != VIEW_DRAINING) ||
		    view->member[instance->member].life == VIEW_DEAD)
			continue;
		if (count == BALANCE_PLACES_MAX)
			break;
		take_place(view, instance, &place[count++]);
	}
	return (u8)count;
}

static bool
same_place(const struct balance_place *a, const struct balance_place *b)
{
	return a->incarnation == b->incarnation && a->number == b->number &&
	       a->environment == b->environment &&
	       !memcmp(a->uuid, b->uuid, sizeof(a->uuid));
}

static bool
same_places(const struct balance_table *table, const struct balance_place *place,
	    u32 count)
{
	if (table->count != count)
		return false;
	for (u32 i = 0; i < count; i++) {
		if (!same_place(&table->place[i], &place[i]) ||
		    table->place[i].takes != place[i].takes)
			return false;
	}
	return true;
}

static u8
find_place(const struct balance_place *place, u32 count,
	   const struct balance_place *wanted)
{
	for (u32 i = 0; i < count; i++) {
		if (same_place(&place[i], wanted))
			return (u8)i;
	}
	return BALANCE_NONE;
}

// Puts the new places in; what is remembered keeps naming the same ones, and
// forgets those that are gone.
static void
renumber(struct balance_table *table, const struct balance_place *place, u8 count)
{
	u8 map[BALANCE_NONE + 1];

	memset(map, BALANCE_NONE, sizeof(map));
	for (u32 i = 0; i < table->count; i++)
		map[i] = find_place(place, count, &table->place[i]);
	for (u32 s = 0; s < BALANCE_SLOTS; s++) {
		u8 first = map[table->before[0][s]];
		u8 second = map[table->before[1][s]];

		table->primary[s] = map[table->primary[s]];
		table->before[0][s] = first != BALANCE_NONE ? first : second;
		table->before[1][s] = first != BALANCE_NONE ? second
							    : BALANCE_NONE;
	}
	memcpy(table->place, place, count * sizeof(*place));
	table->count = count;
}

// Slot s had these primaries, the latest first: keeps two others than the present.
static void
remember(struct balance_table *table, u32 s, const u8 *others, u32 count)
{
	u8 first = BALANCE_NONE, second = BALANCE_NONE;

	for (u32 i = 0; i < count; i++) {
		if (others[i] == BALANCE_NONE || others[i] == table->primary[s])
			continue;
		if (first == BALANCE_NONE)
			first = others[i];
		else if (second == BALANCE_NONE && others[i] != first)
			second = others[i];
	}
	table->before[0][s] = first;
	table->before[1][s] = second;
}

// Those that get slots: who takes connections, or everybody if nobody does.
static u32
takers(const struct balance_table *table, u8 index[BALANCE_PLACES_MAX])
{
	u32 count = 0;

	for (u32 i = 0; i < table->count; i++) {
		if (table->place[i].takes)
			index[count++] = (u8)i;
	}
	if (count)
		return count;
	for (u32 i = 0; i < table->count; i++)
		index[i] = (u8)i;
	return table->count;
}

// Nothing is remembered yet. Who begins now may be the instance that came last: it
// takes for the table before the one without itself. Where somebody drains, it had
// the slots that it would have else.
static void
begin_memory(struct balance_table *table, const struct maglev_order *orders,
	     const u8 *index, u32 count, u8 self)
{
	u8 *without = table->before[0], *with = table->before[1];
	u8 all[BALANCE_PLACES_MAX];

	for (u32 i = 0; i < table->count; i++)
		all[i] = (u8)i;
	maglev_fill(orders, index, self == BALANCE_NONE ? 0 : count, self, without);
	maglev_fill(orders, all, table->count, BALANCE_NONE, with);
	for (u32 s = 0; s < BALANCE_SLOTS; s++) {
		bool drains = with[s] != BALANCE_NONE &&
			      !table->place[with[s]].takes;
		u8 others[] = { without[s], drains ? with[s] : BALANCE_NONE };

		remember(table, s, others, ARRAY_SIZE(others));
	}
}

static u8
find_self(const struct balance_table *table, u32 environment)
{
	for (u32 i = 0; environment && i < table->count; i++) {
		if (table->place[i].here &&
		    table->place[i].environment == environment)
			return (u8)i;
	}
	return BALANCE_NONE;
}

static void
fill(struct balance_table *table, bool fresh, u32 self)
{
	struct maglev_order orders[BALANCE_PLACES_MAX];
	u8 index[BALANCE_PLACES_MAX], *slots = table->scratch;
	u32 count = takers(table, index);

	for (u32 i = 0; i < table->count; i++) {
		struct name name = { .job = table->job,
				     .number = table->place[i].number };

		memcpy(name.uuid, table->place[i].uuid, sizeof(name.uuid));
		orders[i] = maglev_order(table->key, &name, sizeof(name));
	}
	maglev_fill(orders, index, count, BALANCE_NONE, slots);
	for (u32 s = 0; s < BALANCE_SLOTS; s++) {
		u8 others[] = { table->primary[s], table->before[0][s],
				table->before[1][s] };

		table->primary[s] = slots[s];
		remember(table, s, others, ARRAY_SIZE(others));
	}
	if (fresh)
		begin_memory(table, orders, index, count, find_self(table, self));
}

static void
list_here(struct balance_table *table)
{
	table->here_count = 0;
	for (u32 pass = 0; pass < 2 && !table->here_count; pass++) {
		for (u32 i = 0; i < table->count; i++) {
			if (table->place[i].here &&
			    (table->place[i].takes || pass) &&
			    table->here_count < BALANCE_HERE_MAX)
				table->here[table->here_count++] = (u8)i;
		}
	}
}

static void
start(struct balance_table *table, const struct view *view, u32 index)
{
	*table = (struct balance_table){ 0 };
	memcpy(table->key, view->hash_key, sizeof(table->key));
	table->job = view->job[index].id;
	memset(table->primary, BALANCE_NONE, sizeof(table->primary));
	memset(table->before, BALANCE_NONE, sizeof(table->before));
}

bool
balance_table_update(struct balance_table *table, const struct view *view,
		     u32 index, u32 self)
{
	const struct view_job *job = &view->job[index];
	struct balance_place place[BALANCE_PLACES_MAX];
	u8 count = take_places(view, index, place);
	bool fresh = !table->port || table->job != job->id ||
		     memcmp(table->key, view->hash_key, sizeof(table->key)) != 0;

	ASSERT(index < view->job_count);
	if (!job->port) {
		table->port = 0;
		return false;
	}
	if (fresh)
		start(table, view, index);
	table->port = job->port;
	if (!fresh && same_places(table, place, count)) {
		memcpy(table->place, place, count * sizeof(*place));
		list_here(table);
		return false;
	}
	renumber(table, place, count);
	fill(table, fresh, self);
	list_here(table);
	return true;
}

u32
balance_slot(const u8 key[SIPHASH_KEY_LEN], const struct balance_flow *flow)
{
	STATIC_ASSERT(sizeof(*flow) == 12);
	return (u32)(siphash64(key, flow, sizeof(*flow)) % BALANCE_SLOTS);
}

u32
balance_chain(const struct balance_table *table, u32 slot,
	      u8 chain[BALANCE_CHAIN_MAX])
{
	u32 count = 0;

	ASSERT(slot < BALANCE_SLOTS);
	if (table->primary[slot] == BALANCE_NONE)
		return 0;
	chain[count++] = table->primary[slot];
	for (u32 i = 0; i < 2 && table->before[i][slot] != BALANCE_NONE; i++)
		chain[count++] = table->before[i][slot];
	ASSERT(count <= BALANCE_CHAIN_MAX);
	return count;
}
