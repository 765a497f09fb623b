// SPDX-License-Identifier: BSD-2-Clause
// Who is there, and who lends to whom. find() names instances by link and number; a
// hello from there makes one known (its life and environment), and is the wish for a
// capability, which is granted from a slot of that life's own: taking it back is one
// call, and takes effect at once, whatever the other does. Hellos go on until the
// other's capability has come.
//
// An instance counts as alive for the core when find() names it, it is known, and its
// memory can be reached.

#include "dsm/map/state.h"
#include "kernel/base/assert.h"
#include "libos/crt/clock.h"
#include "libos/crt/syscall.h"

#define FIND_NS (100 * NS_PER_MS)
#define HELLO_NS (100 * NS_PER_MS)
#define AGAIN_NS (500 * NS_PER_MS)

static void
take_back(struct map_peer *peer)
{
	if (peer->lent != SLOT_NONE)
		cap_drop_all(peer->lent);
	peer->lent = SLOT_NONE;
}

static void
give_back(struct map *m, struct map_peer *peer)
{
	if (peer->slot != SLOT_NONE) {
		if (is_near(peer))
			near_unmap(m, (u32)(peer - m->peer));
		cap_drop_all(peer->slot);
	}
	peer->slot = SLOT_NONE;
	peer->slot_life = 0;
}

static bool
is_reachable(const struct map_peer *peer)
{
	return peer->here && peer->is_known && peer->slot != SLOT_NONE &&
	       peer->slot_life == peer->life;
}

void
peers_tell(struct map *m, u64 now)
{
	u32 life[COH_MEMBERS_MAX] = { 0 };
	u64 alive = coh_bit(m->config.number), here = alive;

	life[m->config.number] = m->life;
	for (u32 i = 0; i < DSM_MEMBERS_MAX; i++) {
		const struct map_peer *peer = &m->peer[i];

		// What ran under that number before is gone: no reason to wait.
		if (peer->here && peer->runs && !peer->is_other)
			here |= coh_bit(i);
		if (!is_reachable(peer))
			continue;
		alive |= coh_bit(i);
		life[i] = peer->life;
	}
	coh_alive(&m->coh, now, here | alive, alive, life, m->decides);
}

// ---- finding

static void
find(struct map *m)
{
	static struct dsm_peer found[DSM_MEMBERS_MAX];
	u32 count = m->config.find(m->config.find_context, found, &m->decides);

	ASSERT(count <= DSM_MEMBERS_MAX);
	for (u32 i = 0; i < DSM_MEMBERS_MAX; i++)
		m->peer[i].here = false;
	for (u32 i = 0; i < count; i++) {
		const struct dsm_peer *f = &found[i];
		struct map_peer *peer = &m->peer[f->number % DSM_MEMBERS_MAX];

		if (f->number >= DSM_MEMBERS_MAX ||
		    f->number == m->config.number)
			continue;
		// Its memory is used in another way on this node than elsewhere.
		if (peer->link != f->link)
			give_back(m, peer);
		peer->is_other = f->environment && peer->environment &&
				 peer->environment != f->environment;
		if (peer->link != f->link || peer->is_other)
			peer->is_known = false;
		peer->here = true;
		peer->runs = f->runs;
		peer->link = f->link;
	}
}

static void
say_hello(struct map *m, u64 now)
{
	for (u32 i = 0; i < DSM_MEMBERS_MAX; i++) {
		struct map_peer *peer = &m->peer[i];

		if (!peer->here || is_reachable(peer) || now < peer->hello_at)
			continue;
		peer->hello_at = now + HELLO_NS;
		if (!map_send(m, i, MAP_HELLO, NULL, 0))
			return;
	}
}

void
peers_poll(struct map *m, u64 now)
{
	u32 seen = m->config.find_word ? *m->config.find_word : 0;

	if (now >= m->find_at || seen != m->find_seen) {
		m->find_seen = seen;
		m->find_at = m->config.find_word ? NEVER : now + FIND_NS;
		find(m);
		peers_tell(m, now);
	}
	say_hello(m, now);
}

u64
peers_due(const struct map *m)
{
	u64 due = m->find_at;

	for (u32 i = 0; i < DSM_MEMBERS_MAX; i++) {
		if (m->peer[i].here && !is_reachable(&m->peer[i]))
			due = MIN(due, m->peer[i].hello_at);
	}
	return due;
}

// ---- lending

static void
grant(struct map *m, u32 number)
{
	struct map_peer *peer = &m->peer[number];
	struct fabric_submit s = {
		.tag = MAP_TAG(MAP_TAG_GRANT, number, 0),
		.op = FABRIC_GRANT,
		.node = peer->link,
		.target = {
			.incarnation = peer->incarnation,
			.environment = peer->environment,
			.rights = CAP_READ | CAP_WRITE,
			.base = m->run.frame,
			.count = m->lent_frames,
			.word = (u64)m->config.number << 32 | m->life,
		},
	};
	i64 slot;

	take_back(peer);
	slot = sys_cap_derive(m->run.slot, CAP_SLOT_SELF,
			      CAP_READ | CAP_WRITE | CAP_DERIVE, m->run.frame,
			      m->lent_frames);
	if (slot < 0)
		return;		// it will ask again
	peer->lent = s.slot = (u32)slot;
	peer->lent_at = now_ns();
	if (!fabric_put(&m->queue, &s))
		peers_missed(m, number);
}

void
peers_missed(struct map *m, u32 number)
{
	ASSERT(number < DSM_MEMBERS_MAX);
	take_back(&m->peer[number]);
	m->peer[number].lent_at = 0;
}

void
peers_refused(struct map *m, u32 number)
{
	ASSERT(number < DSM_MEMBERS_MAX);
	give_back(m, &m->peer[number]);
	peers_tell(m, now_ns());
}

// A hello under a number counts when it comes from the link that find() names.
void
peers_hello(struct map *m, const struct map_head *head,
	    const struct fabric_complete *from)
{
	struct map_peer *peer = &m->peer[head->number % DSM_MEMBERS_MAX];

	if (head->number >= DSM_MEMBERS_MAX || !peer->here || !head->life ||
	    from->node != peer->link || head->pages != m->config.pages)
		return;
	if (!peer->is_known || peer->life != head->life ||
	    peer->environment != from->environment ||
	    peer->incarnation != from->incarnation) {
		take_back(peer);
		peer->is_known = true;
		peer->life = head->life;
		peer->environment = from->environment;
		peer->incarnation = from->incarnation;
		if (peer->slot_life != head->life)
			give_back(m, peer);
		peer->hello_at = 0;
	}
	// A hello may have been on its way when the last grant was: granting anew takes
	// that one back.
	if (peer->fenced_life != peer->life && !map_is_over(m) &&
	    (peer->lent == SLOT_NONE || now_ns() - peer->lent_at > AGAIN_NS))
		grant(m, head->number);
	peers_tell(m, now_ns());
}

bool
peers_is_new(const struct map *m, const struct map_head *head)
{
	return head->number < DSM_MEMBERS_MAX && !m->peer[head->number].is_known;
}

bool
peers_is(const struct map *m, const struct map_head *head,
	 const struct fabric_complete *from)
{
	const struct map_peer *peer = &m->peer[head->number % DSM_MEMBERS_MAX];

	return head->number < DSM_MEMBERS_MAX && peer->is_known &&
	       head->life == peer->life && from->node == peer->link &&
	       from->incarnation == peer->incarnation &&
	       from->environment == peer->environment;
}

void
peers_granted(struct map *m, const struct fabric_complete *c)
{
	u32 number = (u32)(c->word >> 32), life = (u32)c->word;
	struct map_peer *peer = &m->peer[number % DSM_MEMBERS_MAX];

	if (number >= DSM_MEMBERS_MAX || !peer->here || c->node != peer->link ||
	    c->type != FABRIC_FRAMES || c->old[0] < m->lent_frames || !life) {
		if (m->config.on_grant)
			m->config.on_grant(m->config.grant_context, c);
		else
			cap_drop_all(c->slot);
		return;
	}
	give_back(m, peer);
	if (is_near(peer) && !near_map(m, number, c->slot)) {
		cap_drop_all(c->slot);
		return;
	}
	peer->slot = c->slot;
	peer->slot_life = life;
	peers_tell(m, now_ns());
}

void
peers_fence(struct map *m, u32 number, u32 life)
{
	struct map_peer *peer = &m->peer[number];

	ASSERT(number < DSM_MEMBERS_MAX);
	peer->fenced_life = life;
	if (peer->life == life)
		take_back(peer);
}

void
peers_withdraw(struct map *m)
{
	for (u32 i = 0; i < DSM_MEMBERS_MAX; i++)
		take_back(&m->peer[i]);
}

void
peers_leave(struct map *m)
{
	peers_withdraw(m);
	for (u32 i = 0; i < DSM_MEMBERS_MAX; i++) {
		m->peer[i].fenced_life = 0;	// the next life has nothing to guard
		give_back(m, &m->peer[i]);
		m->peer[i].is_known = false;
		m->peer[i].hello_at = 0;
	}
}
