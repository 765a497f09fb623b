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

#define RECOVER_AGAIN_NS (5 * NS_PER_SECOND)

static const char *const sentences[AGREE_RESULT_COUNT] = {
#define X(name, sentence) [AGREE_##name] = sentence,
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

	if (a->request_count + a->outcome_count >= AGREE_REQUESTS)
		return false;
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
	memcpy(p->found_voter, voter, voters * AGREE_UUID);
	return true;
}

bool
agree_is_lost(const struct agree *a)
{
	return a->acceptor.votes && acceptor_is_blank(&a->acceptor) && a->known.len &&
	       head_names(&a->known_head, a->uuid);
}

void
request_recover(struct agree *a, u64 now)
{
	const struct agree_request request = { .kind = AGREE_RECOVER };

	if (a->recovering || now < a->recover_at || !agree_is_lost(a))
		return;
	a->recovering = add(a, now, &request);
	a->recover_at = now + RECOVER_AGAIN_NS;
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
	if (a->request[0].kind == AGREE_RECOVER) {
		a->recovering = false;
		a->recover_at = now + RECOVER_AGAIN_NS;
	} else {
		ASSERT(a->outcome_count < AGREE_REQUESTS);
		*outcome = (struct agree_outcome){ .tag = a->request[0].tag,
						   .result = (u8)result,
						   .error = (u8)error,
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
has_change(const struct record *record, u64 id)
{
	for (u32 i = 0; i < RECORD_RECENT && !HAS_BUG(TWICE); i++) {
		if (record->recent[i] == id)
			return true;
	}
	return false;
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
	const struct agree_request *request = &a->request[0];
	struct agree_proposer *p = &a->proposer;
	struct record_head head;
	enum record_error error;

	error = record_decode(&a->scratch, p->read.bytes, p->read.len);
	ASSERT(error == RECORD_OK);
	if (has_change(&a->scratch, request->id)) {
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
	return RECORD_OK;
}

bool
request_make_value(struct agree *a, u64 now)
{
	struct agree_proposer *p = &a->proposer;
	enum record_error error;
	bool settled;

	ASSERT(a->request_count > 0 && p->kind == a->request[0].kind);
	if (!p->read.len || (p->kind == AGREE_RECOVER &&
			     p->read_head.version < a->known_head.version)) {
		if (p->kind == AGREE_RECOVER) {
			rewrite(p, &a->known);
			return true;
		}
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
	bool done = !p->rewriting || p->kind != AGREE_CHANGE;

	ASSERT(a->request_count > 0);
	a->count.chosen++;
	if (!done) {
		enum record_error error =
			record_decode(&a->scratch, p->next.bytes, p->next.len);

		ASSERT(error == RECORD_OK);
		done = has_change(&a->scratch, a->request[0].id);
	}
	if (p->new_head.version > agree_version(a))
		a->tell = true;
	agree_learn(a, p->next.bytes, p->next.len, &p->new_head);
	if (done)
		request_end(a, now, AGREE_DONE, RECORD_OK);
}
