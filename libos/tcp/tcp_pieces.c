// SPDX-License-Identifier: BSD-2-Clause
// What the application queued to be sent: a short list of pieces, oldest first.
// Lent pieces stay where they are; copied ones lie in a ring of the connection.
// The list is the retransmission pool as well: a piece leaves it when all of it
// is acknowledged.
//
// Invariants:
//   N4  the pieces' lengths add up to data_end - snd_una + first_skip (once open)
//   P1  copy_used is the sum of the copied pieces, less first_skip if the first
//       is copied; they lie in the ring one behind the other, from copy_tail

#include "kernel/base/assert.h"
#include "kernel/base/string.h"
#include "libos/tcp/parts.h"

#define SMALL_LEN 256u		// lent bytes that are cheaper to copy than to lend
#define QUEUED_MAX (3u << 29)	// keeps sequence numbers comparable

static const struct piece *
piece_at(const struct tcp_conn *conn, u32 i)
{
	ASSERT(i < conn->piece_count);
	return &conn->piece[(conn->piece_first + i) % TCP_PIECES_MAX];
}

static struct piece *
piece_last(struct tcp_conn *conn)
{
	return &conn->piece[(conn->piece_first + conn->piece_count - 1) %
			    TCP_PIECES_MAX];
}

static bool
append(struct tcp_conn *conn, const u8 *at, u32 len)
{
	if (conn->piece_count == TCP_PIECES_MAX ||
	    conn->data_end - conn->snd_una + (u64)len > QUEUED_MAX)
		return false;
	conn->piece_count++;
	*piece_last(conn) = (struct piece){ at, len };
	conn->data_end += len;
	return true;
}

bool
pieces_add_lent(struct tcp_conn *conn, const void *bytes, u32 len)
{
	struct piece *last = piece_last(conn);

	ASSERT(bytes);
	if (conn->piece_count && last->at && last->at + last->len == bytes &&
	    conn->data_end - conn->snd_una + (u64)len <= QUEUED_MAX) {
		last->len += len;
		conn->data_end += len;
		return true;
	}
	return append(conn, bytes, len);
}

u32
pieces_add_copy(struct tcp_conn *conn, const void *bytes, u32 len)
{
	u32 head = (conn->copy_tail + conn->copy_used) % TCP_COPY_SIZE;
	u32 to_end = TCP_COPY_SIZE - head;

	len = MIN(len, TCP_COPY_SIZE - conn->copy_used);
	if (!len)
		return 0;
	if (conn->piece_count && !piece_last(conn)->at) {
		piece_last(conn)->len += len;
		conn->data_end += len;
	} else if (!append(conn, NULL, len)) {
		return 0;
	}
	memcpy(conn->copy + head, bytes, MIN(len, to_end));
	if (len > to_end)
		memcpy(conn->copy, (const u8 *)bytes + to_end, len - to_end);
	conn->copy_used += len;
	ASSERT(conn->copy_used <= TCP_COPY_SIZE);
	return len;
}

void
pieces_release(struct tcp_conn *conn, u32 len)
{
	while (len) {
		const struct piece *piece = piece_at(conn, 0);
		u32 part = MIN(len, piece->len - conn->first_skip);

		if (!piece->at) {
			ASSERT(conn->copy_used >= part);
			conn->copy_tail = (conn->copy_tail + part) % TCP_COPY_SIZE;
			conn->copy_used -= part;
		}
		conn->first_skip += part;
		len -= part;
		if (conn->first_skip < piece->len)
			break;
		conn->first_skip = 0;
		conn->piece_first = (conn->piece_first + 1) % TCP_PIECES_MAX;
		conn->piece_count--;
	}
	ASSERT(len == 0);
}

// A place in the list of pieces.
struct cursor {
	u32 index;
	u32 offset;		// in the piece
	u32 copy_at;		// ring index of that byte, if the piece is copied
};

static u32
copied_len(const struct tcp_conn *conn, u32 i)
{
	const struct piece *piece = piece_at(conn, i);

	if (piece->at)
		return 0;
	return piece->len - (i == 0 ? conn->first_skip : 0);
}

static struct cursor
find(const struct tcp_conn *conn, u32 seq)
{
	struct cursor c = { 0, seq - conn->snd_una + conn->first_skip, 0 };

	for (; c.offset >= piece_at(conn, c.index)->len; c.index++) {
		c.offset -= piece_at(conn, c.index)->len;
		c.copy_at += copied_len(conn, c.index);
	}
	if (!piece_at(conn, c.index)->at)
		c.copy_at += c.offset - (c.index == 0 ? conn->first_skip : 0);
	return c;
}

static void
copy_out(const struct tcp_conn *conn, u32 ring_offset, u8 *to, u32 len)
{
	u32 at = (conn->copy_tail + ring_offset) % TCP_COPY_SIZE;
	u32 to_end = MIN(len, TCP_COPY_SIZE - at);

	memcpy(to, conn->copy + at, to_end);
	memcpy(to + to_end, conn->copy, len - to_end);
}

// Adds one stretch of a piece to the packet, whose header has room for so much of it.
// False: it has no place there.
static bool
gather_part(const struct tcp_conn *conn, struct net_packet *packet,
	    const struct cursor *c, u32 len, u32 room)
{
	const struct piece *piece = piece_at(conn, c->index);
	u8 *to = packet->header + packet->header_len;

	if (piece->at && (len > SMALL_LEN || packet->span_count || len > room)) {
		if (packet->span_count == NET_SPANS_MAX)
			return false;
		packet->span[packet->span_count++] =
			(struct net_span){ piece->at + c->offset, len };
		return true;
	}
	if (packet->span_count)
		return false;
	ASSERT(len <= room && packet->header_len + len <= NET_HEADER_MAX);
	if (piece->at)
		memcpy(to, piece->at + c->offset, len);
	else
		copy_out(conn, c->copy_at, to, len);
	packet->header_len += len;
	return true;
}

// A packet that had to end before all of it was gathered ends with a whole segment.
static u32
end_whole(const struct tcp_conn *conn, struct net_packet *packet, u32 done)
{
	u32 excess = done > conn->mss ? done % conn->mss : 0;
	struct net_span *last = packet->span_count ?
				&packet->span[packet->span_count - 1] : NULL;

	if (!last || last->len <= excess)
		return done;
	last->len -= excess;
	return done - excess;
}

u32
pieces_gather(const struct tcp_conn *conn, struct net_packet *packet, u32 seq,
	      u32 len)
{
	u32 done = 0;

	if (!len)
		return 0;

	struct cursor c = find(conn, seq);

	while (done < len) {
		const struct piece *piece = piece_at(conn, c.index);
		u32 part = MIN(len - done, piece->len - c.offset);
		u32 room = conn->mss - MIN(done, conn->mss);

		// What is copied fills one segment at most.
		if (!piece->at && part > room) {
			part = room;
			len = done + part;
		}
		if (!part || !gather_part(conn, packet, &c, part, room))
			break;
		done += part;
		if (!piece->at)
			c.copy_at += part;
		c.offset = 0;
		c.index++;
	}
	ASSERT(done > 0);
	return done < len ? end_whole(conn, packet, done) : done;
}
