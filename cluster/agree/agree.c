// SPDX-License-Identifier: BSD-2-Clause
// The host's side of the register: what comes in goes to the voter, the proposer or
// into the known value; what is to be done is collected when the host asks. Messages
// to this node itself never leave it: an answer of the own voter waits for the disk like
// any other, and is dealt with when the host collects.

#include "cluster/agree/agree.h"
#include "cluster/agree/parts.h"
#include "kernel/base/assert.h"
#include "kernel/base/string.h"

#define ASK_AGAIN_NS (300 * NS_PER_MS)

void
agree_init(struct agree *a, u64 now, const u8 uuid[AGREE_UUID], u64 incarnation, u64 seed,
	   bool votes)
{
	ASSERT(incarnation);
	memset(a, 0, sizeof(*a));
	memcpy(a->uuid, uuid, AGREE_UUID);
	a->incarnation = incarnation;
	a->acceptor.votes = votes;
	a->ask_after = now;
	prng_seed(&a->prng, seed);
	a->settle_at = now + AGREE_SETTLE_NS + prng_below(&a->prng, 2 * AGREE_SETTLE_NS);
}

void
agree_votes(struct agree *a)
{
	ASSERT(acceptor_is_blank(&a->acceptor));
	a->acceptor.votes = true;
}

bool
head_names(const struct record_head *head, const u8 uuid[AGREE_UUID])
{
	for (u32 i = 0; i < head->voters; i++) {
		if (!memcmp(head->voter[i], uuid, AGREE_UUID))
			return true;
	}
	return false;
}

// Begins what is to be begun. A request may end at once, so the next one follows.
static void
pump(struct agree *a, u64 now)
{
	struct agree_proposer *p = &a->proposer;

	request_settle(a, now);
	for (u32 i = 0; i <= AGREE_REQUESTS && a->request_count; i++) {
		if (p->phase != AGREE_IDLE && p->phase != AGREE_LINGERING)
			break;
		proposer_begin(a, now);
	}
}

// ---- in

void
agree_learn(struct agree *a, const u8 *bytes, u32 len, const struct record_head *head)
{
	ASSERT(len && len <= RECORD_MAX);
	if (a->known.len && head->version <= a->known_head.version)
		return;
	a->known.len = len;
	memcpy(a->known.bytes, bytes, len);
	a->known_head = *head;
	a->news = true;
	request_look(a, head);
}

static void
note_stranger(struct agree *a, const u8 from[AGREE_UUID], const u8 cluster[AGREE_UUID])
{
	a->count.foreign++;
	a->foreign = true;
	memcpy(a->foreign_from, from, AGREE_UUID);
	memcpy(a->foreign_cluster, cluster, AGREE_UUID);
}

// Is the sender of another cluster than this node?
static bool
is_stranger(const struct agree *a, const struct agree_message *m)
{
	static const u8 nobody[AGREE_UUID];
	const u8 *mine = a->known.len ? a->known_head.cluster
			 : a->acceptor.value.len ? a->acceptor.head.cluster : nobody;

	return memcmp(m->cluster, nobody, AGREE_UUID) && memcmp(mine, nobody, AGREE_UUID) &&
	       memcmp(m->cluster, mine, AGREE_UUID);
}

static void
answer_ask(struct agree *a, const u8 from[AGREE_UUID], const struct agree_message *m)
{
	struct agree_reply reply = { .kind = MESSAGE_NEWS };

	if (agree_version(a) <= m->version)
		return;
	memcpy(reply.to, from, AGREE_UUID);
	agree_reply_add(a, &reply);
}

static void
take_hint(struct agree *a, const struct agree_message *m)
{
	if (a->hint.len && m->head.version <= a->hint_head.version)
		return;
	a->hint.len = m->len;
	memcpy(a->hint.bytes, m->value, m->len);
	a->hint_head = m->head;
}

static void
dispatch(struct agree *a, u64 now, const u8 from[AGREE_UUID], const struct agree_message *m)
{
	switch ((enum agree_message_kind)m->kind) {
	case MESSAGE_PREPARE:
	case MESSAGE_ACCEPT:
		acceptor_input(a, now, from, m);
		break;
	case MESSAGE_PROMISE:
	case MESSAGE_ACCEPTED:
	case MESSAGE_REFUSE:
		proposer_input(a, now, from, m);
		break;
	case MESSAGE_NEWS:
		agree_learn(a, m->value, m->len, &m->head);
		break;
	case MESSAGE_ASK:
		answer_ask(a, from, m);
		break;
	case MESSAGE_HINT:
		take_hint(a, m);
		break;
	case MESSAGE_KINDS:
		break;
	}
}

void
agree_input(struct agree *a, u64 now, const u8 from[AGREE_UUID], const void *bytes, u32 len)
{
	struct agree_message m;

	a->count.received++;
	if (!agree_message_load(&m, bytes, len, &a->scratch)) {
		a->count.malformed++;
		return;
	}
	if (m.len)
		memcpy(m.cluster, m.head.cluster, AGREE_UUID);
	if (is_stranger(a, &m)) {
		note_stranger(a, from, m.cluster);
		// The voter refuses by itself, and says why.
		if (m.kind != MESSAGE_PREPARE && m.kind != MESSAGE_ACCEPT)
			return;
	}
	dispatch(a, now, from, &m);
	pump(a, now);
}

void
agree_written(struct agree *a, u64 now, bool fine)
{
	struct agree_acceptor *acceptor = &a->acceptor;

	ASSERT(acceptor->writing);
	if (fine)
		acceptor->written = acceptor->writing;
	else
		acceptor->failed = true;
	acceptor->writing = 0;
	pump(a, now);
}

void
agree_heard(struct agree *a, u64 now, const u8 from[AGREE_UUID], u64 version)
{
	if (version <= agree_version(a) || now < a->ask_after)
		return;
	a->asks = true;
	a->ask_after = now + ASK_AGAIN_NS;
	memcpy(a->ask, from, AGREE_UUID);
}

void
agree_timer(struct agree *a, u64 now)
{
	proposer_timer(a, now);
	pump(a, now);
}

u64
agree_deadline(const struct agree *a)
{
	return MIN(proposer_deadline(a), request_settle_at(a));
}

// ---- out

static void
put_message(struct agree *a, struct agree_output *out, enum agree_output_kind kind,
	    const u8 to[AGREE_UUID], const struct agree_message *m)
{
	out->kind = (u8)kind;
	memcpy(out->to, to, AGREE_UUID);
	out->len = agree_message_store(m, out->bytes);
	a->count.sent++;
}

static struct agree_message
news(const struct agree *a, enum agree_message_kind kind)
{
	struct agree_message m = { .kind = (u8)kind, .version = agree_version(a) };

	if (a->known.len)
		memcpy(m.cluster, a->known_head.cluster, AGREE_UUID);
	if (kind == MESSAGE_NEWS) {
		m.value = a->known.bytes;
		m.len = a->known.len;
		m.head = a->known_head;
	}
	return m;
}

static struct agree_message
answer(const struct agree *a, const struct agree_reply *reply)
{
	const struct agree_acceptor *acceptor = &a->acceptor;
	struct agree_message m = { .kind = reply->kind, .why = reply->why,
				   .ballot = reply->ballot };

	if (reply->kind == MESSAGE_NEWS)
		return news(a, MESSAGE_NEWS);
	if (acceptor->value.len)
		memcpy(m.cluster, acceptor->head.cluster, AGREE_UUID);
	if (reply->kind == MESSAGE_PROMISE &&
	    !ballot_same(acceptor->promised, reply->ballot)) {
		m.kind = MESSAGE_REFUSE;	// meanwhile
		m.why = WHY_BALLOT;
	}
	if (m.kind == MESSAGE_REFUSE)
		m.second = acceptor->promised;
	if (m.kind == MESSAGE_PROMISE)
		m.second = acceptor->accepted;
	if (m.kind == MESSAGE_PROMISE || m.kind == MESSAGE_HINT) {
		m.value = acceptor->value.bytes;
		m.len = acceptor->value.len;
		m.head = acceptor->head;
	}
	return m;
}

// Takes an answer that nothing on the disk is in the way of.
static bool
take_reply(struct agree *a, struct agree_reply *reply)
{
	for (u32 i = 0; i < a->reply_count; i++) {
		if (a->reply[i].generation > a->acceptor.written)
			continue;
		*reply = a->reply[i];
		a->reply_count--;
		for (; i < a->reply_count; i++)
			a->reply[i] = a->reply[i + 1];
		return true;
	}
	return false;
}

static bool
is_self(const struct agree *a, const u8 uuid[AGREE_UUID])
{
	return !memcmp(uuid, a->uuid, AGREE_UUID);
}

// Answers, then what the proposer asks for. What this node has for itself is dealt
// with on the way.
static bool
put_messages(struct agree *a, u64 now, struct agree_output *out)
{
	struct agree_reply reply;
	struct agree_message m;
	u8 to[AGREE_UUID];

	for (u32 i = 0; i < AGREE_REPLIES + AGREE_PEERS; i++) {
		if (take_reply(a, &reply)) {
			m = answer(a, &reply);
			memcpy(to, reply.to, AGREE_UUID);
		} else if (!proposer_message(a, now, &m, to)) {
			return false;
		}
		if (!is_self(a, to)) {
			put_message(a, out, AGREE_SEND, to, &m);
			return true;
		}
		dispatch(a, now, a->uuid, &m);
		pump(a, now);
	}
	return false;
}

static bool
put_write(struct agree *a, struct agree_output *out)
{
	struct agree_acceptor *acceptor = &a->acceptor;

	if (acceptor->writing || acceptor->failed ||
	    acceptor->generation == acceptor->written)
		return false;
	acceptor->writing = acceptor->generation;
	out->kind = AGREE_WRITE;
	out->slot = acceptor->generation % AGREE_SLOTS;
	out->len = AGREE_SLOT;
	agree_slot_store(acceptor, out->bytes);
	a->count.writes++;
	return true;
}

static void
put_stranger(struct agree *a, struct agree_output *out)
{
	a->foreign = false;
	out->kind = AGREE_STRANGER;
	memcpy(out->to, a->foreign_from, AGREE_UUID);
	memcpy(out->cluster, a->foreign_cluster, AGREE_UUID);
}

static void
put_outcome(struct agree *a, struct agree_output *out)
{
	out->kind = AGREE_ENDED;
	out->outcome = a->outcome[0];
	a->outcome_count--;
	for (u32 i = 0; i < a->outcome_count; i++)
		a->outcome[i] = a->outcome[i + 1];
}

bool
agree_output(struct agree *a, u64 now, struct agree_output *out)
{
	struct agree_message m;

	pump(a, now);
	out->kind = AGREE_NOTHING;
	if (put_messages(a, now, out) || put_write(a, out))
		return true;
	if (a->tell) {
		a->tell = false;
		m = news(a, MESSAGE_NEWS);
		put_message(a, out, AGREE_TELL, a->uuid, &m);
	} else if (a->asks) {
		a->asks = false;
		m = news(a, MESSAGE_ASK);
		put_message(a, out, AGREE_SEND, a->ask, &m);
	} else if (a->news) {
		a->news = false;
		out->kind = AGREE_NEWS;
	} else if (a->outcome_count) {
		put_outcome(a, out);
	} else if (a->foreign) {
		put_stranger(a, out);
	}
	return out->kind != AGREE_NOTHING;
}

bool
agree_known(const struct agree *a, struct record *record)
{
	if (!a->known.len)
		return false;

	enum record_error error = record_decode(record, a->known.bytes, a->known.len);

	ASSERT(error == RECORD_OK);
	return true;
}

void
agree_check(const struct agree *a)
{
	const struct agree_acceptor *acceptor = &a->acceptor;
	const struct agree_proposer *p = &a->proposer;

	ASSERT(!ballot_less(acceptor->promised, acceptor->accepted));
	ASSERT(ballot_none(acceptor->accepted) == !acceptor->value.len);
	ASSERT(acceptor->written <= acceptor->generation &&
	       acceptor->writing <= acceptor->generation);
	ASSERT(!acceptor->generation || acceptor->votes);
	ASSERT(a->request_count - a->settling + a->outcome_count <= AGREE_REQUESTS);
	ASSERT(a->reply_count <= AGREE_REPLIES && p->peers <= AGREE_PEERS);
	ASSERT(p->phase == AGREE_IDLE || p->phase == AGREE_LINGERING || a->request_count);
	ASSERT(!a->known.len || a->known_head.version > 0);
}
