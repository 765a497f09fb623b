// SPDX-License-Identifier: BSD-2-Clause
// A record as bytes, little-endian, without gaps; docs/register.md has the table.
// Every record has one encoding only: what is decoded encodes to the same bytes.
//
// A cursor goes over the bytes and keeps in mind that there were too few of them;
// nobody looks before the end.

#include "cluster/record/record.h"
#include "kernel/base/assert.h"
#include "kernel/base/byteorder.h"
#include "kernel/base/string.h"

#define MAGIC 0x43455244u	// "DREC"
#define FORMAT 1u
#define RECENT 40u
#define HEAD (RECENT + 8 * RECORD_RECENT + 8)	// bytes before the nodes

// ---- writing

struct writer {
	u8 *bytes;
	u32 len, room;		// what did not fit is counted, not written
};

static void
put_bytes(struct writer *w, const void *bytes, u32 len)
{
	if (len && w->len + len <= w->room)
		memcpy(w->bytes + w->len, bytes, len);
	w->len += len;
}

static void
put(struct writer *w, u64 value, u32 len)
{
	u8 bytes[8];

	ASSERT(len <= 8);
	le64_store(bytes, value);
	put_bytes(w, bytes, len);
}

static void
put_object(struct writer *w, const struct record_object *o)
{
	put_bytes(w, o->id, RECORD_ID_LEN);
	put(w, o->bytes, 8);
	for (u32 i = 0; i < RECORD_COPIES; i++)
		put(w, o->copy[i].block, 8);
	for (u32 i = 0; i < RECORD_COPIES; i++)
		put(w, o->copy[i].node, 1);
	put(w, 0, 6);
}

static void
put_head(struct writer *w, const struct record *r)
{
	u64 voters = 0;

	for (u32 i = 0; i < r->node_count; i++)
		voters |= (u64)r->node[i].voter << i;
	put(w, MAGIC, 4);
	put(w, FORMAT, 2);
	put(w, r->node_count, 1);
	put(w, r->job_count, 1);
	put(w, r->version, 8);
	put_bytes(w, r->cluster, RECORD_UUID);
	put(w, voters, 8);
	for (u32 i = 0; i < RECORD_RECENT; i++)
		put(w, r->recent[i], 8);
	put(w, r->next_job, 4);
	put(w, 0, 4);
	ASSERT(w->len == HEAD);
	for (u32 i = 0; i < r->node_count; i++)
		put_bytes(w, r->node[i].uuid, RECORD_UUID);
}

static void
put_site(struct writer *w, const struct record_site *site)
{
	put(w, site->generation, 8);
	put(w, site->content_bytes, 8);
	put(w, site->files, 4);
	put(w, 0, 4);
	put_object(w, &site->manifest);
}

static void
put_job(struct writer *w, const struct record_job *job)
{
	u32 name = (u32)strlen(job->name), arguments = (u32)strlen(job->arguments);

	put(w, job->id, 4);
	put(w, job->count, 2);
	put(w, job->port, 2);
	put(w, job->frames, 4);
	put(w, job->slices, 4);
	put(w, name, 1);
	put(w, arguments, 1);
	put(w, 0, 2);
	put_object(w, &job->image);
	put_bytes(w, job->name, name);
	put_bytes(w, job->arguments, arguments);
	if (job->count != RECORD_EVERY)
		put_bytes(w, job->instance, job->count);
}

enum record_error
record_encode(const struct record *record, u8 bytes[RECORD_MAX], u32 *len)
{
	struct writer w = { .bytes = bytes };

	record_check(record);
	for (u32 pass = 0; pass < 2; pass++) {
		w.len = 0;
		put_head(&w, record);
		put_site(&w, &record->site);
		for (u32 i = 0; i < record->job_count; i++)
			put_job(&w, &record->job[i]);
		if (w.len > RECORD_MAX)
			return RECORD_TOO_LARGE;
		w.room = RECORD_MAX;
	}
	*len = w.len;
	return RECORD_OK;
}

// ---- reading

struct reader {
	const u8 *bytes;
	u32 len, at;
	bool bad;
};

static void
get_bytes(struct reader *in, void *bytes, u32 len)
{
	if (in->bad || in->len - in->at < len) {
		in->bad = true;
		return;
	}
	if (len)
		memcpy(bytes, in->bytes + in->at, len);
	in->at += len;
}

static u64
get(struct reader *in, u32 len)
{
	u8 bytes[8] = { 0 };

	ASSERT(len <= 8);
	get_bytes(in, bytes, len);
	return in->bad ? 0 : le64_load(bytes);
}

static void
get_zeros(struct reader *in, u32 len)
{
	if (get(in, len))
		in->bad = true;
}

static void
get_object(struct reader *in, struct record_object *o)
{
	get_bytes(in, o->id, RECORD_ID_LEN);
	o->bytes = get(in, 8);
	for (u32 i = 0; i < RECORD_COPIES; i++)
		o->copy[i].block = get(in, 8);
	for (u32 i = 0; i < RECORD_COPIES; i++)
		o->copy[i].node = (u8)get(in, 1);
	get_zeros(in, 6);
}

static void
get_nodes(struct reader *in, struct record *r, u64 voters)
{
	if (r->node_count > RECORD_NODES ||
	    (r->node_count < 64 && voters >> r->node_count))
		in->bad = true;
	for (u32 i = 0; i < r->node_count && !in->bad; i++) {
		get_bytes(in, r->node[i].uuid, RECORD_UUID);
		r->node[i].voter = voters >> i & 1;
	}
}

static void
get_head(struct reader *in, struct record *r)
{
	u64 voters;

	if (get(in, 4) != MAGIC || get(in, 2) != FORMAT)
		in->bad = true;
	r->node_count = (u32)get(in, 1);
	r->job_count = (u32)get(in, 1);
	r->version = get(in, 8);
	get_bytes(in, r->cluster, RECORD_UUID);
	voters = get(in, 8);
	for (u32 i = 0; i < RECORD_RECENT; i++)
		r->recent[i] = get(in, 8);
	r->next_job = (u32)get(in, 4);
	get_zeros(in, 4);
	get_nodes(in, r, voters);
}

static void
get_site(struct reader *in, struct record_site *site)
{
	site->generation = get(in, 8);
	site->content_bytes = get(in, 8);
	site->files = (u32)get(in, 4);
	get_zeros(in, 4);
	get_object(in, &site->manifest);
}

static void
get_job(struct reader *in, struct record_job *job)
{
	u32 name, arguments;

	job->id = (u32)get(in, 4);
	job->count = (u16)get(in, 2);
	job->port = (u16)get(in, 2);
	job->frames = (u32)get(in, 4);
	job->slices = (u32)get(in, 4);
	name = (u32)get(in, 1);
	arguments = (u32)get(in, 1);
	get_zeros(in, 2);
	get_object(in, &job->image);
	if (name >= RECORD_NAME_SIZE || arguments >= RECORD_ARGUMENTS_SIZE ||
	    (job->count != RECORD_EVERY && job->count > RECORD_INSTANCES)) {
		in->bad = true;
		return;
	}
	get_bytes(in, job->name, name);
	get_bytes(in, job->arguments, arguments);
	memset(job->instance, RECORD_NONE, sizeof(job->instance));
	if (job->count != RECORD_EVERY)
		get_bytes(in, job->instance, job->count);
	if (strlen(job->name) != name || strlen(job->arguments) != arguments)
		in->bad = true;
}

enum record_error
record_decode(struct record *record, const u8 *bytes, u32 len)
{
	struct reader in = { .bytes = bytes, .len = len };

	memset(record, 0, sizeof(*record));
	if (len > RECORD_MAX)
		return RECORD_BAD;
	get_head(&in, record);
	get_site(&in, &record->site);
	if (record->job_count > RECORD_JOBS)
		in.bad = true;
	for (u32 i = 0; i < record->job_count && !in.bad; i++)
		get_job(&in, &record->job[i]);
	if (in.bad || in.at != in.len || !record_is_sound(record))
		return RECORD_BAD;
	return RECORD_OK;
}

enum record_error
record_decode_head(struct record_head *head, const u8 *bytes, u32 len)
{
	u32 nodes = len >= HEAD ? bytes[6] : 0;
	u64 voters = len >= HEAD ? le64_load(bytes + 32) : 0;

	memset(head, 0, sizeof(*head));
	if (len < HEAD || len > RECORD_MAX || le32_load(bytes) != MAGIC ||
	    le16_load(bytes + 4) != FORMAT || nodes > RECORD_NODES || !voters ||
	    (nodes < 64 && voters >> nodes) || len < HEAD + nodes * RECORD_UUID)
		return RECORD_BAD;
	head->version = le64_load(bytes + 8);
	memcpy(head->cluster, bytes + 16, RECORD_UUID);
	for (u32 i = 0; i < RECORD_RECENT; i++)
		head->recent[i] = le64_load(bytes + RECENT + 8ull * i);
	for (u32 i = 0; i < nodes; i++) {
		if (voters >> i & 1)
			memcpy(head->voter[head->voters++],
			       bytes + HEAD + i * (u64)RECORD_UUID, RECORD_UUID);
	}
	return head->version ? RECORD_OK : RECORD_BAD;
}
