// SPDX-License-Identifier: BSD-2-Clause
// Making manifests (manifest.h). Files come in the order of their paths, so the last
// one tells whether the next is in order.
//
// Invariant: head.paths_len <= paths_room, head.file_count <= file_room, and what the
// builder holds would pass manifest_open().

#include "kernel/base/assert.h"
#include "kernel/base/string.h"
#include "libos/store/manifest.h"

void
manifest_begin(struct manifest_builder *builder)
{
	memset(builder, 0, sizeof(*builder));
	builder->head.magic = MANIFEST_MAGIC;
	builder->head.version = MANIFEST_VERSION;
}

u16
manifest_add_voter(struct manifest_builder *builder, const u8 uuid[STORE_UUID])
{
	u32 count = builder->head.voter_count;

	for (u32 i = 0; i < count; i++) {
		if (!memcmp(builder->voter[i], uuid, STORE_UUID))
			return (u16)i;
	}
	if (count == MANIFEST_VOTERS_MAX)
		return MANIFEST_NOBODY;
	memcpy(builder->voter[count], uuid, STORE_UUID);
	builder->head.voter_count++;
	return (u16)count;
}

static bool
is_behind_the_last(const struct manifest_builder *b, const char *path, u32 path_len)
{
	const struct manifest_entry *last;

	if (!b->head.file_count)
		return true;
	last = &b->file[b->head.file_count - 1];
	return manifest_path_order(b->paths + last->path_at, last->path_len, path,
				   path_len) < 0;
}

enum manifest_added
manifest_add(struct manifest_builder *builder, const struct manifest_entry *file,
	     const char *path, u32 path_len)
{
	struct manifest_head *head = &builder->head;
	struct manifest_entry *entry;

	ASSERT(manifest_path_is_good(path, path_len));
	ASSERT(file->voter[0] < head->voter_count);
	ASSERT(file->voter[0] != file->voter[1]);
	if (!is_behind_the_last(builder, path, path_len))
		return MANIFEST_ORDER;
	if (head->file_count == MANIFEST_FILES_MAX ||
	    manifest_len(builder) + sizeof(*file) + path_len > MANIFEST_BYTES_MAX)
		return MANIFEST_TOO_MANY;
	if (head->file_count == builder->file_room ||
	    path_len > builder->paths_room - head->paths_len)
		return MANIFEST_FULL;
	entry = &builder->file[head->file_count++];
	*entry = *file;
	entry->path_at = head->paths_len;
	entry->path_len = (u16)path_len;
	memset(entry->reserved, 0, sizeof(entry->reserved));
	memcpy(builder->paths + head->paths_len, path, path_len);
	head->paths_len += path_len;
	head->content_bytes += file->length;
	return MANIFEST_ADDED;
}

struct piece {
	const void *data;
	u64 len;
};

#define PIECES 4u

static void
list_pieces(const struct manifest_builder *b, struct piece piece[PIECES])
{
	piece[0] = (struct piece){ &b->head, sizeof(b->head) };
	piece[1] = (struct piece){ b->voter, (u64)b->head.voter_count * STORE_UUID };
	piece[2] = (struct piece){ b->file,
				   b->head.file_count * sizeof(*b->file) };
	piece[3] = (struct piece){ b->paths, b->head.paths_len };
}

u64
manifest_len(const struct manifest_builder *builder)
{
	struct piece piece[PIECES];
	u64 len = 0;

	list_pieces(builder, piece);
	for (u32 i = 0; i < PIECES; i++)
		len += piece[i].len;
	return len;
}

void
manifest_copy(const struct manifest_builder *builder, u64 offset, void *target,
	      u64 len)
{
	struct piece piece[PIECES];
	u8 *to = target;

	ASSERT(offset + len >= len && offset + len <= manifest_len(builder));
	list_pieces(builder, piece);
	for (u32 i = 0; i < PIECES && len; i++) {
		u64 skip = MIN(offset, piece[i].len);
		u64 step = MIN(len, piece[i].len - skip);

		if (step)
			memcpy(to, (const u8 *)piece[i].data + skip, step);
		offset -= skip;
		to += step;
		len -= step;
	}
	ASSERT(!len);
}
