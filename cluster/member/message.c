// SPDX-License-Identifier: BSD-2-Clause
// Messages as bytes, little-endian: a head of 48, then up to 19 rumours of 48.
//
//	head	0 u8 format   1 u8 kind   2 u8 rumours   3 u8 flags   4 u32 sequence
//		8 u32 turn of the sender   12 zeros   16 u64 note
//		24 subject: uuid, u64 incarnation
//	rumour	0 uuid   16 u64 incarnation   24 u32 turn   28 u8 life   29 u8 reason
//		30 zeros   32 accuser's uuid

#include "cluster/member/parts.h"
#include "kernel/base/assert.h"
#include "kernel/base/byteorder.h"
#include "kernel/base/string.h"

#define FORMAT 1u
#define TURN_MAX 0x7fffffffu	// no message may bring a node to the end of its turns

static void
id_store(u8 *at, const struct member_id *id)
{
	memcpy(at, id->uuid, MEMBER_UUID);
	le64_store(at + MEMBER_UUID, id->incarnation);
}

static void
id_load(struct member_id *id, const u8 *at)
{
	memcpy(id->uuid, at, MEMBER_UUID);
	id->incarnation = le64_load(at + MEMBER_UUID);
}

void
member_message_store(const struct member_message *m, u8 *bytes)
{
	ASSERT(m->kind > 0 && m->kind < MEMBER_KINDS && m->rumours <= MEMBER_RUMOURS);
	memset(bytes, 0, MEMBER_HEADER);
	bytes[0] = FORMAT;
	bytes[1] = m->kind;
	bytes[2] = (u8)m->rumours;
	bytes[3] = m->flags;
	le32_store(bytes + 4, m->sequence);
	le32_store(bytes + 8, m->turn);
	le64_store(bytes + 16, m->note);
	id_store(bytes + 24, &m->subject);
}

void
member_rumour_store(const struct member_rumour *r, u8 *bytes)
{
	id_store(bytes, &r->id);
	le32_store(bytes + 24, r->turn);
	bytes[28] = r->life;
	bytes[29] = r->reason;
	le16_store(bytes + 30, 0);
	memcpy(bytes + 32, r->accuser, MEMBER_UUID);
}

void
member_rumour_load(struct member_rumour *r, const u8 *bytes)
{
	id_load(&r->id, bytes);
	r->turn = le32_load(bytes + 24);
	r->life = bytes[28];
	r->reason = bytes[29];
	memcpy(r->accuser, bytes + 32, MEMBER_UUID);
}

static bool
is_sound(const u8 *rumour)
{
	u32 turn = le32_load(rumour + 24);

	return le64_load(rumour + 16) && turn && turn <= TURN_MAX &&
	       rumour[28] >= MEMBER_ALIVE && rumour[28] <= MEMBER_DEAD &&
	       rumour[29] < MEMBER_REASON_COUNT && !le16_load(rumour + 30);
}

bool
member_message_load(struct member_message *m, const u8 *bytes, u32 len)
{
	if (len < MEMBER_HEADER || len > MEMBER_MESSAGE_MAX || bytes[0] != FORMAT)
		return false;
	*m = (struct member_message){ .kind = bytes[1], .rumours = bytes[2],
				      .flags = bytes[3],
				      .sequence = le32_load(bytes + 4),
				      .turn = le32_load(bytes + 8),
				      .note = le64_load(bytes + 16),
				      .rumour = bytes + MEMBER_HEADER };
	id_load(&m->subject, bytes + 24);
	if (!m->kind || m->kind >= MEMBER_KINDS || !m->turn || m->turn > TURN_MAX ||
	    m->flags > MEMBER_FLAG_ANSWER || le32_load(bytes + 12) ||
	    len != MEMBER_HEADER + m->rumours * MEMBER_RUMOUR)
		return false;
	for (u32 i = 0; i < m->rumours; i++) {
		if (!is_sound(m->rumour + i * (u64)MEMBER_RUMOUR))
			return false;
	}
	return true;
}
