// SPDX-License-Identifier: BSD-2-Clause
// The canonical bytes of shared memory's worlds: what makes a difference to what can
// happen next, field by field. Left out are counters, the random numbers (there are none),
// how often something was tried, and what is left over of what has ended: transactions
// stand by their page, letters and operations in no order.
//
// Who adds a field to the core says here whether it is one of the state: the sizes below
// make sure that it is thought of.

#include <string.h>

#include "harness/search/shared.h"
#include "kernel/base/assert.h"

#define CANON_WORDS 1024u

STATIC_ASSERT(sizeof(struct coh_tx) == 96 && sizeof(struct coh_serve) == 24);
STATIC_ASSERT(sizeof(struct coh_holding) == 32 && sizeof(struct coh_page) == 32);
STATIC_ASSERT(sizeof(struct coh_gather) == 64 && sizeof(struct coh_peer) == 20);
STATIC_ASSERT(sizeof(struct coh_message) == 40);

static u64 word[CANON_WORDS];
static u32 words;

static void
put(u64 value)
{
	ASSERT(words < CANON_WORDS);
	word[words++] = value;
}

static void
put_all(const u64 *from, u32 count)
{
	ASSERT(words + count <= CANON_WORDS);
	memcpy(&word[words], from, count * 8);
	words += count;
}

static u64
pair(u32 high, u32 low)
{
	return (u64)high << 32 | low;
}

static void
put_word(struct coh_word w)
{
	put(w.low);
	put(w.high);
}

// ---- the core

static void
put_epoch(const struct coh_epoch *epoch)
{
	put(pair(epoch->id, epoch->gone));
	if (!epoch->id)
		return;
	put(epoch->members);
	for (u32 i = 0; i < NODES; i++)
		put(pair(epoch->life[member_of(i)], epoch->since[member_of(i)]));
}

static void
put_tx(const struct coh_tx *tx)
{
	static const struct coh_word none;
	bool tries = tx->stage == 0;	// and what was seen may be old

	put(pair(tx->kind | tx->stage << 8 | tx->target << 16 | (u32)tx->bind << 24,
		 tx->open | tx->known << 1 | tx->unsure << 2 | tx->had_copy << 3 |
		 tx->copied << 4 | tx->whole << 5 | (tx->due > CLOCK_NS) << 6));
	put(pair(tries && !tx->open ? 0 : tx->version, tx->offset << 16 | tx->length));
	put(tx->send);
	put(tx->wait);
	put_word(tries && !tx->known ? none : tx->seen);
	put_word(tx->open ? tx->next : none);
}

static void
put_serve(const struct coh_serve *serve)
{
	put(pair(serve->stage | serve->from << 8 | serve->to_read << 16 |
		 serve->open << 17 | (serve->due > CLOCK_NS) << 18, serve->version));
}

static void
put_holding(const struct coh_holding *h)
{
	put(h->shadow);
	put(pair(h->version, h->promised));
	put(pair(h->home_version, h->home_epoch));
	put(pair(h->bind | h->promised_to << 8 | h->home_state << 16 |
		 (u32)h->home_owner << 24,
		 h->valid | h->has_promise << 1 | h->was_home << 2 |
		 h->home_from_owner << 3 | h->home_lost << 4 | h->spoiled << 5));
}

static void
put_page(const struct node *n, u32 page)
{
	const struct coh_page *p = &n->pages[page];
	const struct coh *coh = &n->coh;

	put(pair(p->lost ? p->lost_version : 0,
		 p->mapped | p->publish << 8 | (p->tx != 0) << 16 |
		 (p->serve != 0) << 17 | p->lost << 18 |
		 (p->hold_until > CLOCK_NS) << 19));
	put(pair(p->shadow_epoch, p->shadow_version));
	if (p->tx)
		put_tx(&coh->tx[p->tx - 1]);
	if (p->serve)
		put_serve(&coh->serve[p->serve - 1]);
	put_word(n->words[page]);
	put_holding(&n->holdings[page]);
	put_all(n->frames[page], WORDS);
}

static void
put_gather(const struct coh_gather *g)
{
	put_word(g->word);
	put(g->bound);
	put(pair(g->best_version, g->top_version));
	put(pair(g->shadow_version, g->home_version));
	put(pair(g->home_epoch, g->spoiled_version));
	put(pair(g->best | g->owner << 8 | g->shadow << 16 | (u32)g->spoiled << 24,
		 g->home | g->home_state << 8 | g->home_owner << 16 |
		 (u32)g->fetch << 24));
	put(g->has_best | g->has_owner << 1 | g->has_shadow << 2 | g->has_home << 3 |
	    g->has_top << 4 | g->home_from_owner << 5 | g->home_lost << 6 |
	    g->dead_promise << 7 | g->has_spoiled << 8 | g->shadow_lost << 9);
}

static void
put_peers(const struct coh *coh)
{
	for (u32 i = 0; i < NODES; i++) {
		const struct coh_peer *p = &coh->peer[member_of(i)];

		put(pair(p->life, p->epoch));
		put(pair(p->opened, p->cleared));
		put(pair(p->round | p->heard << 8, coh->alive_life[member_of(i)]));
		put(pair(coh->fence_life[member_of(i)],
			 (u32)coh->arrived[member_of(i)]));
	}
}

static void
put_group(const struct coh *coh)
{
	put(pair(coh->phase | coh->may_change << 8 | coh->has_gathered << 9,
		 coh->dark_ticks));
	put(coh->here | coh->alive << 16 | coh->met << 32 | coh->fence << 48);
	put(pair((u32)(CLOCK_NS - coh->alive_since), (u32)(CLOCK_NS - coh->entered_at)));
	put(pair(coh->top_counter, (u32)(coh->tick_at - CLOCK_NS)));
	put(coh->say_status | coh->say_epoch << 16 | coh->say_released << 32 |
	    (u64)coh->say_arrived << 48);
	put(pair(coh->opened, coh->cleared));
	put(pair((u32)coh->phase_mine, (u32)coh->phase_released));
	put_epoch(&coh->epoch);
	put_epoch(&coh->base);
	put_epoch(&coh->prior);
	put_epoch(&coh->last);
}

static void
put_rebuild(const struct node *n)
{
	const struct coh *coh = &n->coh;

	put(coh->table_left | (u64)coh->table_page << 16 | (u64)coh->table_open << 32 |
	    (u64)coh->tables_done << 33 | (u64)coh->spread_open << 34 |
	    (u64)coh->spread_noted << 35 | (u64)(coh->gather_due > CLOCK_NS) << 36);
	put(coh->fetch_page | (u64)coh->fetch_open << 16 | (u64)coh->spread_page << 32);
	for (u32 i = 0; i < PAGES; i++)
		put_gather(&n->gathers[i]);
}

// ---- the world

static void
put_node(const struct node *n)
{
	put(n->up | n->cut << 1 | n->zombie << 2 | n->begun << 3 | n->held << 4 |
	    n->at << 8);
	if (!n->up)
		return;
	for (u32 i = 0; i < NODES; i++) {
		put(pair(n->known_life[i], n->belief[i]));
		put(pair(n->lent[i], n->banned[i]));
	}
	put(pair(n->life, (u32)n->phase | n->coh.open_count << 16));
	for (u32 i = 0; i < PAGES; i++) {
		put_page(n, i);
		if (n->zombie)
			put_all(n->own[i], WORDS);
	}
	put_group(&n->coh);
	put_peers(&n->coh);
	if (n->coh.has_gathered || (n->coh.phase != COH_OUT && n->coh.phase != COH_OPEN))
		put_rebuild(n);
}

static void
put_rest(void)
{
	u64 budget;

	STATIC_ASSERT(sizeof(shared.left) == sizeof(budget));
	memcpy(&budget, &shared.left, sizeof(budget));
	put(budget);
	put(shared.which);
	put(pair(shared.lives, shared.resets << 1 | shared.left_alone));
	put_epoch(&shared.opened);
	for (u32 i = 0; i < PAGES; i++) {
		put_all(shared.last[i], WORDS);
		put_all(shared.least[i], WORDS);
	}
	put(pair(shared.top_epoch, shared.stores << 8 | shared.changed[1] << 1 |
		 shared.changed[0]));
}

static u64
node_hash(struct node *n)
{
	if (!n->hash) {
		words = 0;
		put_node(n);
		n->hash = search_hash(5, word, words * 8) | 1;
	}
	return n->hash;
}

u64
shared_hash(void)
{
	u64 sum = 0, hash[NODES];

	if (!shared.start)
		return 1;
	for (u32 i = 0; i < OPS; i++)
		sum += shared.op[i].hash;
	for (u32 i = 0; i < POSTS; i++)
		sum += shared.post[i].hash;
	for (u32 i = 0; i < NODES; i++)
		hash[i] = node_hash(&shared.node[i]);
	words = 0;
	put(sum);
	put_all(hash, NODES);
	put_rest();
	return search_hash(2, word, words * 8);
}

u64
operation_hash(const struct operation *op)
{
	words = 0;
	put(pair(op->state | op->from << 8 | op->to << 16 | (u32)op->what << 24,
		 op->chain | (op->tag >> 24) << 8 | op->page << 16));
	put(pair(op->offset << 16 | op->length, op->count));
	put(pair(op->from_life, op->to_life));
	put(op->note);
	put_word(op->clause.compare);
	put_word(op->clause.compare_mask);
	put_word(op->clause.swap);
	put_word(op->clause.swap_mask);
	put(op->result.matched);
	put_word(op->result.old);
	put_all(op->data, WORDS);
	for (u32 i = 0; i < PAGES; i++)
		put_holding(&op->table[i]);
	return search_hash(3, word, words * 8);
}

u64
post_hash(const struct post *post)
{
	const struct coh_message *m = &post->message;

	words = 0;
	put(pair(post->from | post->to << 8 | post->came << 16, post->to_life));
	put(pair(m->say | m->to_read << 8 | m->round << 16, m->life));
	put(pair(m->epoch, m->page));
	put(pair(m->version, m->opened));
	put(pair(m->cleared, (u32)m->phase));
	put(post->members);
	put(pair(post->id, post->gone));
	for (u32 i = 0; i < NODES; i++)
		put(pair(post->life[i], post->since[i]));
	return search_hash(4, word, words * 8) | 1;
}
