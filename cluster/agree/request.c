// SPDX-License-Identifier: BSD-2-Clause
// What the host wants of the register: one request at a time, the others wait. And the
// core's own: a voter whose slots are empty, and that stands in the record, comes back.
//
// A change that was accepted by some, whose proposer then failed, may be chosen later
// by the round of another. So each change leaves its id in the record, and an attempt
// that finds it there has succeeded already.

#include "cluster/agree/parts.h"
#include "cluster/planted/planted.h"
#include "kernel/base/assert.h"
#include "kernel/base/string.h"

#define NEVER (~0ull)
#define SETTLE_AGAIN_NS (2 * NS_PER_SECOND)

static const char *const sentences[AGREE_RESULT_COUNT] = {
#define X(name, sentence) [AGREE_##name] = (sentence),
#include "cluster/agree/results.def"
#undef X
};

const char *
agree_sentence(enum agree_result result)
{
	return (u32)result < AGREE_RESULT_COUNT ? sentences[result] : "an unknown result";
}

static bool
add(struct agree *a, u64 now, const struct agree_request *request)
{
	struct agree_request *r = &a->request[a->request_count];

	if (!request->own &&
	    a->request_count - a->settling + a->outcome_count >= AGREE_REQUESTS)
		return false;
	ASSERT(a->request_count <= AGREE_REQUESTS);
	*r = *request;
	r->id = a->incarnation + ++a->changes;
	r->give_up_at = now + AGREE_GIVE_UP_NS;
	a->request_count++;
	return true;
}

bool
agree_submit(struct agree *a, u64 now, agree_change change, void *argument, u64 tag)
{
	const struct agree_request request = { .kind = AGREE_CHANGE, .change = change,
					       .argument = argument, .tag = tag };

	ASSERT(change);
	return add(a, now, &request);
}

bool
agree_read(struct agree *a, u64 now, u64 tag)
{
	const struct agree_request request = { .kind = AGREE_READ, .tag = tag };

	return add(a, now, &request);
}

bool
agree_found(struct agree *a, u64 now, const u8 cluster[AGREE_UUID],
	    const u8 (*voter)[AGREE_UUID], u32 voters, u64 tag)
{
	const struct agree_request request = { .kind = AGREE_FOUND, .tag = tag };
	struct agree_proposer *p = &a->proposer;

	ASSERT(voters >= 1 && voters <= RECORD_NODES);
	for (u32 i = 0; i < a->request_count; i++) {
		if (a->request[i].kind == AGREE_FOUND)
			return false;
	}
	if (!add(a, now, &request))
		return false;
	memcpy(p->found_cluster, cluster, AGREE_UUID);
	p->found_voters = (u8)voters;
	memcpy(p->found_voter, voter, voters * (u64)AGREE_UUID);
	return true;
}

bool
agree_is_lost(const struct agree *a)
{
	if (!a->acceptor.votes || !acceptor_is_blank(&a->acceptor))
		return false;
	if (a->known.len)
		return head_names(&a->known_head, a->uuid);
	return a->hint.len && head_names(&a->hint_head, a->uuid);
}

// Has this voter accepted what it does not know to be chosen?
static bool
is_ahead(const struct agree *a)
{
	return a->acceptor.value.len && a->acceptor.head.version > agree_version(a);
}

u64
request_settle_at(const struct agree *a)
{
	return !a->settling && (agree_is_lost(a) || is_ahead(a)) ? a->settle_at : NEVER;
}

// Puts the newest request before all others, whose attempt comes to nothing: without
// this node's vote they may wait for long.
static void
go_first(struct agree *a)
{
	struct agree_request first = a->request[a->request_count - 1];

	for (u32 i = a->request_count - 1; i > 0; i--)
		a->request[i] = a->request[i - 1];
	a->request[0] = first;
	a->proposer.attempts = 0;
	if (a->proposer.phase != AGREE_LINGERING)
		a->proposer.phase = AGREE_IDLE;
}

void
request_settle(struct agree *a, u64 now)
{
	struct agree_request request = { .kind = AGREE_READ, .own = true };

	if (now < request_settle_at(a))
		return;
	if (agree_is_lost(a))
		request.kind = AGREE_RECOVER;
	a->settling = add(a, now, &request);
	if (a->settling && request.kind == AGREE_RECOVER)
		go_first(a);
	a->settle_at = now + SETTLE_AGAIN_NS;
}

static void
count_silent(const struct agree_proposer *p, struct agree_outcome *outcome)
{
	u32 silent = 0;

	for (u32 i = 0; i < p->peers; i++)
		silent += p->peer[i].in_start && !p->peer[i].answered;
	outcome->voters = p->start_head.voters;
	outcome->silent = (u8)silent;
}

void
request_end(struct agree *a, u64 now, enum agree_result result, enum record_error error)
{
	struct agree_outcome *outcome = &a->outcome[a->outcome_count];

	ASSERT(a->request_count > 0);
	if (a->request[0].own) {
		a->settling = false;
		a->settle_at = now + SETTLE_AGAIN_NS + prng_below(&a->prng, SETTLE_AGAIN_NS);
	} else {
		ASSERT(a->outcome_count < AGREE_REQUESTS);
		*outcome = (struct agree_outcome){ .tag = a->request[0].tag,
						   .result = (u8)result,
						   .error = (u8)error,
						   .id = a->request[0].id,
						   .version = agree_version(a) };
		count_silent(&a->proposer, outcome);
		a->outcome_count++;
	}
	a->request_count--;
	for (u32 i = 0; i < a->request_count; i++)
		a->request[i] = a->request[i + 1];
	a->proposer.attempts = 0;
	if (a->proposer.phase != AGREE_LINGERING)
		a->proposer.phase = AGREE_IDLE;
}

// ---- values

static bool
same_voters(const struct record_head *a, const struct record_head *b)
{
	return a->voters == b->voters &&
	       !memcmp(a->voter, b->voter, a->voters * (u64)AGREE_UUID);
}

// How many stand in one of them only.
static u32
voters_changed(const struct record_head *a, const struct record_head *b)
{
	u32 both = 0;

	for (u32 i = 0; i < a->voters; i++)
		both += head_names(b, a->voter[i]);
	return a->voters + b->voters - 2 * both;
}

static bool
has_change(const struct record_head *head, u64 id)
{
	for (u32 i = 0; i < RECORD_RECENT && !HAS_BUG(TWICE); i++) {
		if (head->recent[i] == id)
			return true;
	}
	return false;
}

// Does the record tell whether the change is in it? It names only the newest ones.
static bool
can_tell(const struct agree_request *request, const struct record_head *head)
{
	return !request->proposed || HAS_BUG(TWICE) ||
	       head->version <= request->checked + RECORD_RECENT;
}

void
request_look(struct agree *a, const struct record_head *head)
{
	for (u32 i = 0; i < a->request_count; i++) {
		struct agree_request *request = &a->request[i];

		if (has_change(head, request->id))
			request->made = true;
		else if (can_tell(request, head))
			request->checked = MAX(request->checked, head->version);
	}
}

static void
add_change(struct record *record, u64 id)
{
	for (u32 i = RECORD_RECENT - 1; i > 0; i--)
		record->recent[i] = record->recent[i - 1];
	record->recent[0] = id;
}

static void
rewrite(struct agree_proposer *p, const struct agree_value *value)
{
	p->rewriting = true;
	p->next.len = value->len;
	memcpy(p->next.bytes, value->bytes, value->len);
}

// What a voter comes back to.
static const struct agree_value *
newest(const struct agree *a)
{
	const struct agree_proposer *p = &a->proposer;

	if (p->read.len && p->read_head.version >= p->start_head.version)
		return &p->read;
	return a->known.len ? &a->known : &a->hint;
}

static enum record_error
make_first(struct agree *a)
{
	struct agree_proposer *p = &a->proposer;
	enum record_error error;

	error = record_first(&a->scratch, p->found_cluster,
			     (const u8(*)[AGREE_UUID])p->found_voter, p->found_voters);
	if (error != RECORD_OK)
		return error;
	p->rewriting = false;
	add_change(&a->scratch, a->request[0].id);
	return record_encode(&a->scratch, p->next.bytes, &p->next.len);
}

// The record that was read, changed, into p->next.
static enum record_error
make_change(struct agree *a)
{
	struct agree_request *request = &a->request[0];
	struct agree_proposer *p = &a->proposer;
	struct record_head head;
	enum record_error error;

	error = record_decode(&a->scratch, p->read.bytes, p->read.len);
	ASSERT(error == RECORD_OK);
	if (has_change(&p->read_head, request->id)) {
		rewrite(p, &p->read);
		return RECORD_OK;
	}
	error = request->change(request->argument, &a->scratch);
	if (error != RECORD_OK)
		return error;
	a->scratch.version = p->read_head.version + 1;
	add_change(&a->scratch, request->id);
	error = record_encode(&a->scratch, p->next.bytes, &p->next.len);
	if (error != RECORD_OK)
		return error;
	if (record_decode_head(&head, p->next.bytes, p->next.len) != RECORD_OK)
		ASSERT(!"what was encoded has a head");
	ASSERT(voters_changed(&p->read_head, &head) <= 1);
	p->rewriting = false;
	if (!request->proposed)
		request->checked = p->read_head.version;
	return RECORD_OK;
}

bool
request_make_value(struct agree *a, u64 now)
{
	struct agree_proposer *p = &a->proposer;
	enum record_error error;
	bool settled;

	ASSERT(a->request_count > 0 && p->kind == a->request[0].kind);
	if (p->kind == AGREE_RECOVER) {
		rewrite(p, newest(a));
		return true;
	}
	if (!p->read.len) {
		error = p->kind == AGREE_FOUND ? make_first(a) : RECORD_BAD;
		if (error != RECORD_OK)
			request_end(a, now, AGREE_REFUSED, error);
		return error == RECORD_OK;
	}
	settled = p->start_chosen && same_voters(&p->start_head, &p->read_head);
	if (p->kind != AGREE_CHANGE || !settled) {
		rewrite(p, &p->read);
		return true;
	}
	if (!can_tell(&a->request[0], &p->read_head)) {
		request_end(a, now, AGREE_UNKNOWN, RECORD_OK);
		return false;
	}
	error = make_change(a);
	if (error == RECORD_OK)
		return true;
	// Only what is chosen says no for good.
	if (p->read_head.version > a->known_head.version) {
		rewrite(p, &p->read);
		return true;
	}
	request_end(a, now, AGREE_REFUSED, error);
	return false;
}

void
request_chosen(struct agree *a, u64 now)
{
	const struct agree_proposer *p = &a->proposer;

	ASSERT(a->request_count > 0);
	a->count.chosen++;
	if (p->new_head.version > agree_version(a))
		a->tell = true;
	request_look(a, &p->new_head);
	agree_learn(a, p->next.bytes, p->next.len, &p->new_head);
	if (!p->rewriting || p->kind != AGREE_CHANGE || a->request[0].made)
		request_end(a, now, AGREE_DONE, RECORD_OK);
}
