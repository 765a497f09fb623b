// SPDX-License-Identifier: BSD-2-Clause
// Messages as bytes: a head of 64, then a record where the kind has one. Whatever is
// not exactly of its kind's shape is no message; a value is one that record_decode()
// takes, so that no voter ever stores another.
//
//	0 u8 format   1 u8 kind   2 u8 why   3 u8 flags   4 u32 len   8 cluster
//	24 ballot   40 second   56 u64 version   64 value

#include "cluster/agree/parts.h"
#include "kernel/base/assert.h"
#include "kernel/base/byteorder.h"
#include "kernel/base/string.h"

#define FORMAT 1u
#define COUNTER_MAX (1ull << 62)

static void
ballot_store(u8 *at, struct agree_ballot ballot)
{
	le64_store(at, ballot.counter);
	le64_store(at + 8, ballot.life);
}

static struct agree_ballot
ballot_load(const u8 *at)
{
	return (struct agree_ballot){ le64_load(at), le64_load(at + 8) };
}

u32
agree_message_store(const struct agree_message *m, u8 *bytes)
{
	ASSERT(m->kind > 0 && m->kind < MESSAGE_KINDS && m->len <= RECORD_MAX);
	bytes[0] = FORMAT;
	bytes[1] = m->kind;
	bytes[2] = m->why;
	bytes[3] = m->flags;
	le32_store(bytes + 4, m->len);
	memcpy(bytes + 8, m->cluster, AGREE_UUID);
	ballot_store(bytes + 24, m->ballot);
	ballot_store(bytes + 40, m->second);
	le64_store(bytes + 56, m->version);
	if (m->len)
		memcpy(bytes + AGREE_HEADER, m->value, m->len);
	return AGREE_HEADER + m->len;
}

static bool
has_right_parts(const struct agree_message *m)
{
	switch (m->kind) {
	case MESSAGE_PREPARE:
	case MESSAGE_ACCEPTED:
		return !ballot_none(m->ballot) && !m->len && !m->why;
	case MESSAGE_PROMISE:
		return !ballot_none(m->ballot) && !m->len == ballot_none(m->second);
	case MESSAGE_ACCEPT:
		return !ballot_none(m->ballot) && m->len;
	case MESSAGE_REFUSE:
		return !ballot_none(m->ballot) && !m->len && m->why && m->why < WHY_COUNT;
	case MESSAGE_NEWS:
	case MESSAGE_HINT:
		return m->len;
	case MESSAGE_ASK:
		return !m->len;
	default:
		return false;
	}
}

bool
agree_message_load(struct agree_message *m, const u8 *bytes, u32 len,
		   struct record *scratch)
{
	if (len < AGREE_HEADER || len > AGREE_MESSAGE_MAX || bytes[0] != FORMAT)
		return false;
	*m = (struct agree_message){ .kind = bytes[1], .why = bytes[2], .flags = bytes[3],
				     .len = le32_load(bytes + 4),
				     .ballot = ballot_load(bytes + 24),
				     .second = ballot_load(bytes + 40),
				     .version = le64_load(bytes + 56),
				     .value = bytes + AGREE_HEADER };
	memcpy(m->cluster, bytes + 8, AGREE_UUID);
	if (m->len != len - AGREE_HEADER || m->flags > FLAG_JOINS ||
	    m->ballot.counter > COUNTER_MAX || m->second.counter > COUNTER_MAX ||
	    !has_right_parts(m))
		return false;
	return !m->len || (record_decode(scratch, m->value, m->len) == RECORD_OK &&
			   record_decode_head(&m->head, m->value, m->len) == RECORD_OK);
}
