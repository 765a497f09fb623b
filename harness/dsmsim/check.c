// SPDX-License-Identifier: BSD-2-Clause
// What must hold.
//
// Sequential consistency, in two ways. Every write stores a number of its own, so
// what a read saw is known. At each read of a member: it is the last value written to
// that word, in the simulator's time (more than sequential consistency asks, and what
// this protocol gives). At the end, over the whole history and with those reads of
// zombies that are theirs to make: program order, order of the writes to each word,
// reads-from and from-read together have no cycle; with the order of writes known that
// is sequential consistency, decided in linear time.
//
// A zombie is a node that others have gone on without: from the moment at which nobody
// can see its writes any more, they are left out; its reads of what it still has
// stay in the history.

#include <stdlib.h>
#include <string.h>

#include "harness/dsmsim/dsmsim.h"
#include "kernel/base/assert.h"

#define VALUES_MAX 65536u
#define NOTHING 0xffffffffu

struct record {
	u32 node, life;
	u32 from;		// a read's write
	u32 previous_write;	// of the same word
	u32 next_write;
	u32 program_next;
	u32 before;		// edges that lead here
	bool is_write;
};

static struct record history[HISTORY_MAX];
static u32 history_count;
static bool history_full;
static u64 last_value[PAGES_MAX][WORDS], written_at[PAGES_MAX][WORDS];
static u64 published[PAGES_MAX][WORDS];
static u32 last_write[PAGES_MAX][WORDS];
static u32 write_of[VALUES_MAX];
static bool is_zombie_value[VALUES_MAX];
static u32 last_of[NODES_MAX];
static u32 zombie_life[NODES_MAX];
static u32 top_epoch;
static struct coh_epoch opened;		// the highest that ever was
static u64 changed_at;

void
check_begin(void)
{
	history_count = 0;
	history_full = false;
	top_epoch = 0;
	opened = (struct coh_epoch){ 0 };
	changed_at = 0;
	memset(last_value, 0, sizeof(last_value));
	memset(written_at, 0, sizeof(written_at));
	memset(published, 0, sizeof(published));
	memset(zombie_life, 0, sizeof(zombie_life));
	memset(is_zombie_value, 0, sizeof(is_zombie_value));
	memset(last_write, 0xff, sizeof(last_write));
	memset(write_of, 0xff, sizeof(write_of));
	memset(last_of, 0xff, sizeof(last_of));
}

// ---- who is out

// While nobody goes, an epoch is made for who comes.
static void
check_epoch(struct sim *sim, const struct coh_epoch *next)
{
	bool same = opened.id && next->members == opened.members &&
		    !memcmp(next->life, opened.life, sizeof(next->life));

	if (same && !(sim->plan.faults & (FAULT_TAKES | FAULT_LAPSE)))
		sim_fail(sim, "epoch %x was made for nothing: all of %x are in it",
			 next->id, opened.id);
}

// Looks for an epoch that has opened.
static void
note_open(struct sim *sim)
{
	for (u32 i = 0; i < sim->plan.nodes; i++) {
		const struct coh *coh = &sim->node[i].coh;

		if (sim->node[i].up && coh->phase == COH_OPEN &&
		    coh->epoch.id > opened.id) {
			check_epoch(sim, &coh->epoch);
			opened = coh->epoch;
		}
	}
}

// An epoch has opened, newer than the last that this life has cleared, that leaves it
// out: nobody will see its writes. Before that they may count, for an epoch that never
// opened may be followed by one with it. Who was never in an open one has written nothing.
static bool
is_left_out(struct sim *sim, const struct node *node)
{
	note_open(sim);
	return node->coh.opened && opened.id > node->coh.cleared &&
	       !(opened.members >> node->index & 1 &&
		 opened.life[node->index] == node->life);
}

static bool
is_zombie(struct sim *sim, const struct node *node)
{
	u32 *life = &zombie_life[node->index];

	if (*life != node->life && is_left_out(sim, node))
		*life = node->life;
	return *life == node->life;
}

// ---- the history

static struct record *
record(struct sim *sim, u32 node, u32 life)
{
	struct record *r = &history[history_count];

	(void)sim;
	if (history_count == HISTORY_MAX) {
		history_full = true;
		return NULL;
	}
	*r = (struct record){
		.node = node, .life = life, .from = NOTHING,
		.previous_write = NOTHING, .next_write = NOTHING,
		.program_next = NOTHING,
	};
	if (node < NODES_MAX) {
		u32 last = last_of[node];

		if (last != NOTHING && history[last].life == life)
			history[last].program_next = history_count;
		last_of[node] = history_count;
	}
	history_count++;
	return r;
}

static void
record_write(struct sim *sim, u32 node, u32 life, u32 page, u32 word, u64 value)
{
	struct record *r = record(sim, node, life);
	u32 index = history_count - 1, previous = last_write[page][word];

	last_value[page][word] = value;
	written_at[page][word] = sim->now;
	if (!r)
		return;
	r->is_write = true;
	r->previous_write = previous;
	if (previous != NOTHING)
		history[previous].next_write = index;
	last_write[page][word] = index;
	if (write_of[value % VALUES_MAX] == NOTHING)
		write_of[value % VALUES_MAX] = index;
}

void
check_write(struct sim *sim, struct node *node, u32 page, u32 word, u64 value)
{
	ASSERT(value < VALUES_MAX);
	if (is_zombie(sim, node)) {
		is_zombie_value[value] = true;
		sim_trace(sim, "zombie %u writes %llu to %u.%u", node->index,
			  (unsigned long long)value, page, word);
		sim->total.zombie++;
		return;
	}
	sim_trace(sim, "node %u writes %llu to %u.%u", node->index,
		  (unsigned long long)value, page, word);
	record_write(sim, node->index, node->life, page, word, value);
}

static void
record_read(struct sim *sim, struct node *node, u32 page, u32 word, u64 value,
	    bool zombie)
{
	struct record *r = record(sim, node->index, node->life);

	if (!r)
		return;
	// Nothing was written before: the first write comes after this read.
	r->from = zombie ? write_of[value % VALUES_MAX] : last_write[page][word];
}

// With COH_PUBLISHED a word may go back to what was published, after a change.
static bool
went_back(u32 page, u32 word, u64 value)
{
	if (value > last_value[page][word] || value < published[page][word] ||
	    written_at[page][word] > changed_at)
		return false;
	last_value[page][word] = value;
	return true;
}

void
check_read(struct sim *sim, struct node *node, u32 page, u32 word, u64 value)
{
	bool zombie = is_zombie(sim, node);

	if (zombie) {
		sim->total.zombie++;
		if (!is_zombie_value[value % VALUES_MAX])
			record_read(sim, node, page, word, value, true);
		return;
	}
	sim_trace(sim, "node %u reads %llu from %u.%u", node->index,
		  (unsigned long long)value, page, word);
	if (value != last_value[page][word] &&
	    !(sim->plan.flags & COH_PUBLISHED && went_back(page, word, value)))
		sim_fail(sim, "node %u read %llu from word %u of page %u, where "
			 "%llu was written last", node->index,
			 (unsigned long long)value, word, page,
			 (unsigned long long)last_value[page][word]);
	record_read(sim, node, page, word, value, false);
}

void
check_reset(struct sim *sim, const struct node *home, u32 page, u64 content[WORDS])
{
	bool zombie = is_zombie(sim, home);

	sim_trace(sim, "page %u is reset%s", page, zombie ? " by a zombie" : "");
	for (u32 i = 0; i < WORDS; i++) {
		if (!zombie)
			published[page][i] = 0;
		content[i] = ++sim->value;
		is_zombie_value[content[i] % VALUES_MAX] = zombie;
		if (zombie)
			continue;
		record_write(sim, NODES_MAX, 0, page, i, content[i]);
	}
}

void
check_published(struct sim *sim, struct node *node, u32 page)
{
	u32 word = node->program.word;

	sim_trace(sim, "node %u has published %llu in %u.%u", node->index,
		  (unsigned long long)node->frames[page][word], page, word);
	published[page][word] = MAX(published[page][word],
				    node->frames[page][word]);
}

void
check_released(struct sim *sim, const struct node *node, u64 phase)
{
	const struct coh_epoch *e = &node->coh.epoch;

	for (u32 i = 0; i < sim->plan.nodes; i++) {
		const struct node *other = &sim->node[i];

		if (e->members >> i & 1 && other->up &&
		    other->life == e->life[i] &&
		    other->coh.epoch.id == e->id &&
		    other->coh.phase_mine < phase)
			sim_fail(sim, "node %u passed phase %llu, at which node %u "
				 "has not arrived", node->index,
				 (unsigned long long)phase, i);
	}
}

// ---- after every event

static void
check_page(struct sim *sim, u32 page)
{
	u32 writers = 0, readers = 0;

	for (u32 i = 0; i < sim->plan.nodes; i++) {
		const struct node *node = &sim->node[i];

		if (!node->up || is_zombie(sim, node) ||
		    !node->pages[page].mapped)
			continue;
		writers += node->pages[page].mapped == COH_BIND_WRITE;
		readers += node->pages[page].mapped == COH_BIND_READ;
	}
	if (writers > 1 || (writers && readers))
		sim_fail(sim, "page %u has %u writers and %u readers", page,
			 writers, readers);
}

void
check_states(struct sim *sim)
{
	for (u32 i = 0; i < sim->plan.nodes; i++) {
		if (sim->node[i].up && sim->node[i].coh.epoch.id > top_epoch) {
			top_epoch = sim->node[i].coh.epoch.id;
			sim_trace(sim, "epoch %u members %llx by node %u", top_epoch,
				  (unsigned long long)sim->node[i].coh.epoch.members, i);
			changed_at = sim->now;
		}
		if (sim->node[i].up && sim->node[i].coh.phase != COH_OPEN)
			changed_at = sim->now;
	}
	for (u32 i = 0; i < sim->plan.pages; i++)
		check_page(sim, i);
}

// ---- at the end

static void
edge_count(u32 to)
{
	if (to != NOTHING)
		history[to].before++;
}

// The write that must come after this read: the next one of its word.
static u32
write_after(const struct record *r)
{
	return !r->is_write && r->from != NOTHING ? history[r->from].next_write
						  : NOTHING;
}

static u32 ready[HISTORY_MAX];

static void
edge_take(u32 to, u32 *count)
{
	if (to != NOTHING && !--history[to].before)
		ready[(*count)++] = to;
}

// Readers of each write, as lists.
static u32 first_reader[HISTORY_MAX], next_reader[HISTORY_MAX];

static void
edges(void)
{
	memset(first_reader, 0xff, sizeof(first_reader));
	for (u32 i = 0; i < history_count; i++) {
		struct record *r = &history[i];

		edge_count(r->program_next);
		if (r->is_write) {
			edge_count(r->next_write);
		} else if (r->from != NOTHING) {
			edge_count(i);
			edge_count(write_after(r));
			next_reader[i] = first_reader[r->from];
			first_reader[r->from] = i;
		}
	}
}

void
check_order(struct sim *sim)
{
	u32 count = 0, taken = 0;

	if (history_full) {
		sim_fail(sim, "the history is longer than the checker's table");
		return;
	}
	edges();
	for (u32 i = 0; i < history_count; i++) {
		if (!history[i].before)
			ready[count++] = i;
	}
	for (; taken < count; taken++) {
		const struct record *r = &history[ready[taken]];

		edge_take(r->program_next, &count);
		if (!r->is_write) {
			edge_take(write_after(r), &count);
			continue;
		}
		edge_take(r->next_write, &count);
		for (u32 i = first_reader[ready[taken]]; i != NOTHING;
		     i = next_reader[i])
			edge_take(i, &count);
	}
	if (taken < history_count)
		sim_fail(sim, "no order of all reads and writes fits: %u of %u are "
			 "in a cycle", history_count - taken, history_count);
}
