// SPDX-License-Identifier: BSD-2-Clause
// What must hold of shared memory's worlds in every state: harness/dsmsim/check.c, without
// a history. A page that is mapped shows what was written last, whether it is read or not;
// so does a home's frame while its word says so. That is sequential consistency for
// members, for every program that could run from here on.
//
// A zombie is a life that others have gone on without: from the moment at which nobody can
// see its writes any more. It sees what was written last then, and what it writes itself.

#include <string.h>

#include "harness/search/shared.h"
#include "kernel/base/assert.h"

static bool
is_published(void)
{
	return shared.start->flags & COH_PUBLISHED;
}

// ---- who is out

static void
note_open(void)
{
	for (u32 i = 0; i < NODES; i++) {
		const struct coh *coh = &shared.node[i].coh;

		if (shared.node[i].up && coh->phase == COH_OPEN &&
		    coh->epoch.id > shared.opened.id)
			shared.opened = coh->epoch;
	}
}

// Before an epoch without it has opened, what it writes may count; and who was never in
// one that was open has written nothing.
static bool
is_left_out(u32 node)
{
	const struct node *n = &shared.node[node];

	return n->up && n->coh.opened && shared.opened.id > n->coh.cleared &&
	       !is_in(&shared.opened, node);
}

static void
note_zombies(void)
{
	note_open();
	for (u32 i = 0; i < NODES; i++) {
		struct node *n = &shared.node[i];

		if (n->zombie || !is_left_out(i))
			continue;
		node_touch(i)->zombie = true;
		memcpy(n->own, shared.last, sizeof(n->own));
	}
}

static bool
is_zombie(u32 node)
{
	note_zombies();
	return shared.node[node].zombie;
}

// ---- contents

// With COH_PUBLISHED a word may go back to what was published, after a change.
static bool
went_back(u32 page, u32 word, u64 value)
{
	if (!is_published() || !shared.changed[page] ||
	    value > shared.last[page][word] || value < shared.least[page][word])
		return false;
	shared.last[page][word] = value;
	return true;
}

static void
see(u32 node, u32 page)
{
	const struct node *n = &shared.node[node];
	bool zombie = is_zombie(node);

	for (u32 i = 0; i < WORDS; i++) {
		u64 is = n->frames[page][i];

		if (is == (zombie ? n->own[page][i] : shared.last[page][i]))
			continue;
		if (zombie)
			search_wrong("who is left out has what was never there for it");
		if (!went_back(page, i, is))
			search_wrong("a page is mapped that has not what was written last");
	}
}

void
witness_load(u32 node, u32 page)
{
	if (shared.node[node].mapped[page] == COH_BIND_NONE)
		search_wrong("a page that is not mapped is read");
	see(node, page);
}

void
witness_store(u32 node, u32 page)
{
	struct node *n = &shared.node[node];
	u64 own = node * 16u + (shared.before ? STEPS : 0) + n->at + 1u;
	u64 value = is_published() ? ++shared.stores : own;
	u64 *last = is_zombie(node) ? n->own[page] : shared.last[page];

	if (n->mapped[page] != COH_BIND_WRITE)
		search_wrong("a page that is not mapped for writing is written");
	see(node, page);
	for (u32 i = 0; i < WORDS; i++)
		last[i] = n->frames[page][i] = value;
	if (!n->zombie)
		shared.changed[page] = false;
}

void
witness_reset(u32 home, u32 page)
{
	struct node *n = &shared.node[home];
	u64 *last = is_zombie(home) ? n->own[page] : shared.last[page];

	for (u32 i = 0; i < WORDS; i++) {
		last[i] = n->frames[page][i] = RESET_VALUE + shared.resets++;
		if (!n->zombie)
			shared.least[page][i] = 0;
	}
}

void
witness_publish(u32 node, u32 page)
{
	struct node *n = &shared.node[node];

	for (u32 i = 0; i < WORDS && !is_zombie(node); i++)
		shared.least[page][i] = MAX(shared.least[page][i], n->frames[page][i]);
}

void
witness_release(u32 node, u64 phase)
{
	const struct coh_epoch *e = &shared.node[node].coh.epoch;

	for (u32 i = 0; i < NODES; i++) {
		const struct node *n = &shared.node[i];

		if (n->up && is_in(e, i) && n->coh.epoch.id == e->id &&
		    n->coh.phase_mine < phase)
			search_wrong("one passed a barrier at which another has not arrived");
	}
}

// ---- after every step

static void
look_at_mappings(u32 page)
{
	u32 writers = 0, readers = 0;

	for (u32 i = 0; i < NODES; i++) {
		const struct node *n = &shared.node[i];

		if (!n->up || n->mapped[page] == COH_BIND_NONE)
			continue;
		see(i, page);
		writers += !n->zombie && n->mapped[page] == COH_BIND_WRITE;
		readers += !n->zombie && n->mapped[page] == COH_BIND_READ;
	}
	if (writers > 1 || (writers && readers))
		search_wrong("one may write a page that another one has mapped");
}

static bool
somebody_has(const struct coh *home, u32 page)
{
	for (u32 i = 0; i < NODES; i++) {
		if (shared.node[i].up && is_in(&home->epoch, i) &&
		    shared.node[i].holdings[page].bind != COH_BIND_NONE)
			return true;
	}
	return false;
}

// The word of a home that is open, while it speaks for the page (C3).
static void
look_at_word(u32 node, u32 page)
{
	const struct node *n = &shared.node[node];
	struct coh_word word = n->words[page];
	bool lost = word.low & COH_WORD_LOST;

	if (!n->up || n->coh.phase != COH_OPEN || n->zombie || !word.low)
		return;
	if (lost && shared.left_alone)
		search_wrong("a page is lost, and nobody has died");
	if (lost && somebody_has(&n->coh, page))
		search_wrong("a page is lost that a member has");
	if (is_published() || lost || coh_word_unpack(word).state >= COH_M)
		return;
	if (memcmp(n->frames[page], shared.last[page], sizeof(n->frames[page])) != 0)
		search_wrong("a home speaks for a page, and has not what was written last");
}

static void
note_changes(void)
{
	bool changed = false;

	for (u32 i = 0; i < NODES; i++) {
		const struct coh *coh = &shared.node[i].coh;

		if (!shared.node[i].up)
			continue;
		changed |= coh->phase != COH_OPEN || coh->epoch.id > shared.top_epoch;
		shared.top_epoch = MAX(shared.top_epoch, coh->epoch.id);
	}
	for (u32 i = 0; i < PAGES; i++)
		shared.changed[i] |= changed;
}

void
witness(void)
{
	note_changes();
	note_zombies();
	for (u32 page = 0; page < PAGES; page++) {
		look_at_mappings(page);
		for (u32 i = 0; i < NODES; i++)
			look_at_word(i, page);
	}
}
