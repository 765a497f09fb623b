// SPDX-License-Identifier: BSD-2-Clause
// Rounds. An attempt has one ballot and a list of peers: the voters of the value that
// it starts from, of the newest value that it reads, and of the value that it has
// accepted. A peer that does not answer is asked again; a higher ballot, or too little
// time, end the attempt, and another follows after a random pause that grows.
//
// What it starts from is a value known to be chosen, or, where none is known since
// this life began, what this node's own voter last accepted.

#include "cluster/agree/parts.h"
#include "cluster/planted/planted.h"
#include "kernel/base/assert.h"
#include "kernel/base/string.h"

#define NEVER (~0ull)
#define PAUSE_LEAST_NS (10 * NS_PER_MS)
#define PAUSE_DOUBLINGS 5u
#define RECOVER_JUMP (1u << 20)	// over every ballot of a round that nobody finished

enum set { SET_START, SET_READ, SET_NEW };

static bool
in_set(const struct agree_peer *peer, enum set set)
{
	return set == SET_START ? peer->in_start
	       : set == SET_READ ? peer->in_read
				 : peer->in_new;
}

static struct agree_peer *
find_peer(struct agree_proposer *p, const u8 uuid[AGREE_UUID])
{
	for (u32 i = 0; i < p->peers; i++) {
		if (!memcmp(p->peer[i].uuid, uuid, AGREE_UUID))
			return &p->peer[i];
	}
	return NULL;
}

// Makes the peers of a set those of a value.
static void
set_peers(struct agree_proposer *p, u64 now, enum set set, const struct record_head *head)
{
	for (u32 i = 0; i < p->peers && set == SET_READ; i++)
		p->peer[i].in_read = false;
	for (u32 i = 0; i < head->voters; i++) {
		struct agree_peer *peer = find_peer(p, head->voter[i]);

		if (!peer && p->peers < AGREE_PEERS) {
			peer = &p->peer[p->peers++];
			*peer = (struct agree_peer){ .send_at = now };
			memcpy(peer->uuid, head->voter[i], AGREE_UUID);
		}
		if (!peer)
			continue;	// then there is no majority of them
		peer->in_start = peer->in_start || set == SET_START;
		peer->in_read = peer->in_read || set == SET_READ;
		peer->in_new = peer->in_new || set == SET_NEW;
	}
}

static bool
is_majority(u32 of, u32 voters)
{
	return HAS_BUG(MINORITY) ? of * 2 >= voters : of * 2 > voters;
}

// Has a majority of a value's voters promised, or accepted?
static bool
has_quorum(const struct agree_proposer *p, enum set set, const struct record_head *head,
	   bool accepted)
{
	u32 count = 0;

	for (u32 i = 0; i < p->peers; i++) {
		const struct agree_peer *peer = &p->peer[i];

		// In the search for a first record those promise too who may have
		// lost what they voted.
		if (in_set(peer, set))
			count += accepted ? peer->accepted
				 : peer->promised && (!p->start_none || peer->has_value);
	}
	return is_majority(count, head->voters);
}

static u32
promised_by_others(const struct agree *a, enum set set)
{
	const struct agree_proposer *p = &a->proposer;
	u32 count = 0;

	for (u32 i = 0; i < p->peers; i++)
		count += in_set(&p->peer[i], set) && p->peer[i].promised &&
			 memcmp(p->peer[i].uuid, a->uuid, AGREE_UUID) != 0;
	return count;
}

// A voter that comes back needs so many others that one of them is in every majority
// that it may have been part of.
static bool
has_enough_others(const struct agree *a, enum set set, const struct record_head *head)
{
	u32 majority = head->voters / 2 + 1u;
	u32 enough = MIN(head->voters - majority + 1u, head->voters - 1u);

	return promised_by_others(a, set) >= enough;
}

// To make a first record, all that are known must say that they have none.
static bool
all_promised(const struct agree_proposer *p)
{
	for (u32 i = 0; i < p->peers; i++) {
		if (!p->peer[i].promised)
			return false;
	}
	return true;
}

static bool
is_recovery(const struct agree *a)
{
	return a->proposer.kind == AGREE_RECOVER;
}

static void
pause(struct agree *a, u64 now)
{
	struct agree_proposer *p = &a->proposer;
	u64 most = 2 * PAUSE_LEAST_NS << MIN(p->attempts, PAUSE_DOUBLINGS);

	// Where rounds take long, so does the one that this one met.
	if (p->overtaken)
		most = MAX(most, 2 * (now - p->began));
	p->phase = AGREE_WAITING;
	p->phase_end = now + PAUSE_LEAST_NS + prng_below(&a->prng, most);
}

// The attempt came to nothing.
static void
attempt_failed(struct agree *a, u64 now)
{
	struct agree_proposer *p = &a->proposer;
	const struct agree_request *request = &a->request[0];

	ASSERT(a->request_count > 0);
	p->attempts++;
	if (now < request->give_up_at && p->attempts < AGREE_ATTEMPTS) {
		pause(a, now);
		return;
	}
	request_end(a, now,
		    request->proposed ? AGREE_UNKNOWN
		    : p->overtaken    ? AGREE_CONTENDED
				      : AGREE_NO_MAJORITY,
		    RECORD_OK);
}

static void
begin_accepting(struct agree *a, u64 now)
{
	struct agree_proposer *p = &a->proposer;

	if (record_decode_head(&p->new_head, p->next.bytes, p->next.len) != RECORD_OK)
		ASSERT(!"what is proposed is a record");
	set_peers(p, now, SET_NEW, &p->new_head);
	for (u32 i = 0; i < p->peers; i++) {
		p->peer[i].answered = false;
		p->peer[i].send_at = now;
	}
	p->phase = AGREE_ACCEPTING;
	p->phase_end = now + AGREE_ATTEMPT_NS;
	if (!p->rewriting)
		a->request[0].proposed = true;
	if (HAS_BUG(EARLY)) {
		agree_learn(a, p->next.bytes, p->next.len, &p->new_head);
		a->tell = true;
	}
}

static bool
is_prepared(const struct agree *a)
{
	const struct agree_proposer *p = &a->proposer;

	if (is_recovery(a))
		return has_enough_others(a, SET_START, &p->start_head) &&
		       (!p->read.len || has_enough_others(a, SET_READ, &p->read_head));
	if (p->start_none)
		return p->read.len ? has_quorum(p, SET_READ, &p->read_head, false)
				   : all_promised(p);
	return has_quorum(p, SET_START, &p->start_head, false) &&
	       (!p->read.len ||
		has_quorum(p, SET_READ, &p->read_head, false));
}

static void
maybe_prepared(struct agree *a, u64 now)
{
	struct agree_proposer *p = &a->proposer;

	if (p->phase != AGREE_PREPARING || !is_prepared(a))
		return;
	// Voters who forgot: their disks are not what they said. Or just a newer value,
	// of which this node was told meanwhile.
	if (!is_recovery(a) && p->start_chosen &&
	    (!p->read.len || p->read_head.version < a->known_head.version)) {
		a->count.broken += !p->read.len ||
				   p->read_head.version < p->start_head.version;
		p->overtaken = true;
		attempt_failed(a, now);
		return;
	}
	if (request_make_value(a, now))
		begin_accepting(a, now);
}

static bool
choose_start(struct agree *a)
{
	struct agree_proposer *p = &a->proposer;

	p->start_chosen = a->known.len > 0;
	p->start_none = false;
	if (a->known.len) {
		p->start_head = a->known_head;
	} else if (a->acceptor.value.len) {
		p->start_head = a->acceptor.head;
	} else if (a->hint.len) {
		p->start_head = a->hint_head;
	} else if (a->request[0].kind == AGREE_FOUND) {
		p->start_none = true;
		memset(&p->start_head, 0, sizeof(p->start_head));
		p->start_head.voters = p->found_voters;
		memcpy(p->start_head.voter, p->found_voter, sizeof(p->found_voter));
	} else {
		return false;
	}
	return true;
}

void
proposer_begin(struct agree *a, u64 now)
{
	struct agree_proposer *p = &a->proposer;

	ASSERT(a->request_count > 0);
	p->kind = a->request[0].kind;
	if (a->request[0].made) {
		request_end(a, now, AGREE_DONE, RECORD_OK);
		return;
	}
	if (!choose_start(a)) {
		request_end(a, now, AGREE_NO_RECORD, RECORD_OK);
		return;
	}
	p->highest += is_recovery(a) ? RECOVER_JUMP : 1;
	p->ballot = (struct agree_ballot){ p->highest, a->incarnation };
	if (HAS_BUG(BALLOT))
		p->ballot.life = 1;
	p->phase = AGREE_PREPARING;
	p->began = now;
	p->phase_end = now + AGREE_ATTEMPT_NS;
	p->overtaken = false;
	p->peers = 0;
	p->read.len = 0;
	p->read_ballot = (struct agree_ballot){ 0 };
	set_peers(p, now, SET_START, &p->start_head);
	a->count.rounds++;
	maybe_prepared(a, now);
}

static void
take_promise(struct agree *a, u64 now, struct agree_peer *peer,
	     const struct agree_message *m)
{
	struct agree_proposer *p = &a->proposer;
	bool newer = HAS_BUG(OLD_VALUE) ? !p->read.len
					: ballot_less(p->read_ballot, m->second);

	peer->promised = true;
	peer->has_value = m->len > 0;
	if (m->len && newer) {
		p->read_ballot = m->second;
		p->read_head = m->head;
		p->read.len = m->len;
		memcpy(p->read.bytes, m->value, m->len);
		set_peers(p, now, SET_READ, &p->read_head);
	}
	maybe_prepared(a, now);
}

static bool
is_chosen(const struct agree *a)
{
	const struct agree_proposer *p = &a->proposer;
	bool own = false;

	for (u32 i = 0; i < p->peers; i++)
		own = own || (p->peer[i].accepted &&
			      !memcmp(p->peer[i].uuid, a->uuid, AGREE_UUID));
	if (is_recovery(a) && !own)
		return false;
	return (p->start_none || has_quorum(p, SET_START, &p->start_head, true)) &&
	       has_quorum(p, SET_NEW, &p->new_head, true);
}

static void
take_accepted(struct agree *a, u64 now, struct agree_peer *peer)
{
	struct agree_proposer *p = &a->proposer;

	peer->accepted = true;
	if (p->phase == AGREE_ACCEPTING && is_chosen(a)) {
		p->phase = AGREE_LINGERING;
		p->phase_end = now + AGREE_LINGER_NS;
		request_chosen(a, now);
	}
}

// A voter that lost what it voted is told what to come back to.
static void
tell_lost(struct agree *a, const u8 uuid[AGREE_UUID])
{
	struct agree_reply reply = { .kind = a->known.len ? MESSAGE_NEWS : MESSAGE_HINT };

	if (!a->known.len && !a->acceptor.value.len)
		return;
	memcpy(reply.to, uuid, AGREE_UUID);
	agree_reply_add(a, &reply);
}

void
proposer_input(struct agree *a, u64 now, const u8 from[AGREE_UUID],
	       const struct agree_message *m)
{
	struct agree_proposer *p = &a->proposer;
	struct agree_peer *peer = find_peer(p, from);

	p->highest = MAX(p->highest, m->second.counter);
	if (!peer || !ballot_same(m->ballot, p->ballot) || p->phase == AGREE_IDLE ||
	    p->phase == AGREE_WAITING)
		return;
	peer->answered = true;
	if (m->kind == MESSAGE_REFUSE && m->why == WHY_LOST)
		tell_lost(a, from);
	if (m->kind == MESSAGE_PROMISE && p->phase == AGREE_PREPARING) {
		take_promise(a, now, peer, m);
	} else if (m->kind == MESSAGE_ACCEPTED && p->phase != AGREE_PREPARING) {
		take_accepted(a, now, peer);
	} else if (m->kind == MESSAGE_REFUSE && m->why == WHY_BALLOT &&
		   p->phase != AGREE_LINGERING) {
		p->overtaken = true;
		attempt_failed(a, now);
	}
}

void
proposer_timer(struct agree *a, u64 now)
{
	struct agree_proposer *p = &a->proposer;

	if (p->phase == AGREE_IDLE || now < p->phase_end)
		return;
	if (p->phase == AGREE_LINGERING || p->phase == AGREE_WAITING)
		p->phase = AGREE_IDLE;
	else
		attempt_failed(a, now);
}

// True while a peer has still to give the answer of this phase.
static bool
is_wanted(const struct agree_proposer *p, const struct agree_peer *peer)
{
	switch ((enum agree_phase)p->phase) {
	case AGREE_PREPARING:
		return (peer->in_start || peer->in_read) && !peer->promised;
	case AGREE_ACCEPTING:
		return (peer->in_start || peer->in_new) && !peer->accepted;
	case AGREE_LINGERING:
		return peer->in_new && !peer->accepted;
	default:
		return false;
	}
}

u64
proposer_deadline(const struct agree *a)
{
	const struct agree_proposer *p = &a->proposer;
	u64 at = p->phase == AGREE_IDLE ? NEVER : p->phase_end;

	for (u32 i = 0; i < p->peers; i++) {
		if (is_wanted(p, &p->peer[i]))
			at = MIN(at, p->peer[i].send_at);
	}
	return at;
}

static void
make_message(const struct agree *a, const struct agree_peer *peer,
	     struct agree_message *m)
{
	const struct agree_proposer *p = &a->proposer;

	*m = (struct agree_message){ .kind = MESSAGE_PREPARE, .ballot = p->ballot };
	memcpy(m->cluster, p->start_head.cluster, AGREE_UUID);
	if (p->phase == AGREE_PREPARING)
		return;
	m->kind = MESSAGE_ACCEPT;
	m->value = p->next.bytes;
	m->len = p->next.len;
	m->head = p->new_head;
	m->version = p->new_head.version;
	memcpy(m->cluster, p->new_head.cluster, AGREE_UUID);
	if (is_recovery(a) ? !memcmp(peer->uuid, a->uuid, AGREE_UUID)
			   : !p->rewriting && !peer->in_start)
		m->flags = FLAG_JOINS;
}

bool
proposer_message(struct agree *a, u64 now, struct agree_message *m, u8 to[AGREE_UUID])
{
	struct agree_proposer *p = &a->proposer;

	for (u32 i = 0; i < p->peers; i++) {
		struct agree_peer *peer = &p->peer[i];

		if (!is_wanted(p, peer) || now < peer->send_at)
			continue;
		peer->send_at = now + AGREE_RESEND_NS;
		memcpy(to, peer->uuid, AGREE_UUID);
		make_message(a, peer, m);
		return true;
	}
	return false;
}
