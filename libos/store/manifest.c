// SPDX-License-Identifier: BSD-2-Clause
// Manifests: reading, finding, building.
//
// Invariant of a builder: head.paths_len <= paths_room, head.file_count <= file_room,
// and what it holds would pass manifest_open().

#include "libos/store/manifest.h"
#include "kernel/base/assert.h"
#include "kernel/base/string.h"

int
manifest_path_order(const char *a, u32 a_len, const char *b, u32 b_len)
{
	int order = memcmp(a, b, MIN(a_len, b_len));

	return order ? order : (a_len > b_len) - (a_len < b_len);
}

static bool
segment_is_good(const char *segment, u32 len)
{
	if (!len || (len == 1 && segment[0] == '.'))
		return false;
	return len != 2 || segment[0] != '.' || segment[1] != '.';
}

bool
manifest_path_is_good(const char *path, u32 path_len)
{
	u32 start = 0;

	if (!path_len || path_len > MANIFEST_PATH_MAX)
		return false;
	for (u32 i = 0; i < path_len; i++) {
		u8 c = (u8)path[i];

		if (c < 0x20 || c == 0x7f)
			return false;
		if (c != '/')
			continue;
		if (!segment_is_good(path + start, i - start))
			return false;
		start = i + 1;
	}
	return segment_is_good(path + start, path_len - start);
}

static const char *
check_head(const struct manifest_head *head, u64 len)
{
	if (head->magic != MANIFEST_MAGIC || head->version != MANIFEST_VERSION)
		return "it is not a manifest";
	if (head->file_count > MANIFEST_FILES_MAX ||
	    head->voter_count > MANIFEST_VOTERS_MAX)
		return "the manifest has too many files or nodes";
	if (len != sizeof(*head) + (u64)head->voter_count * STORE_UUID +
	    (u64)head->file_count * sizeof(struct manifest_entry) +
	    head->paths_len)
		return "the manifest's length does not fit its counts";
	return NULL;
}

static bool
copy_is_good(const struct manifest_entry *file, u32 copy, u32 voter_count)
{
	if (copy && file->voter[copy] == MANIFEST_NOBODY)
		return true;
	if (file->voter[copy] >= voter_count ||
	    file->block[copy] > STORE_BLOCKS_MAX)
		return false;
	struct object object = manifest_object(file, copy);

	return object_fits(&object, STORE_BLOCKS_MAX);
}

// `path_at` is where its path has to begin.
static const char *
check_entry(const struct manifest *m, const struct manifest_entry *file,
	    u32 path_at)
{
	if (file->path_at != path_at ||
	    file->path_len > m->head->paths_len - path_at ||
	    !manifest_path_is_good(m->paths + path_at, file->path_len))
		return "a path of the manifest is bad";
	if (file->length > OBJECT_LENGTH_MAX)
		return "a file of the manifest is too long";
	for (u32 copy = 0; copy < MANIFEST_COPIES; copy++) {
		if (!copy_is_good(file, copy, m->head->voter_count))
			return "a copy of the manifest lies nowhere";
	}
	if (file->voter[0] == file->voter[1])
		return "both copies of a file lie on one node";
	return NULL;
}

static const char *
check_entries(const struct manifest *m)
{
	const struct manifest_entry *last = NULL;
	u64 bytes = 0;
	u32 at = 0;

	for (u32 i = 0; i < m->head->file_count; i++) {
		const struct manifest_entry *file = &m->file[i];
		const char *error = check_entry(m, file, at);

		if (error)
			return error;
		if (last && manifest_path_order(manifest_path(m, last), last->path_len,
						manifest_path(m, file),
						file->path_len) >= 0)
			return "the manifest's paths do not ascend";
		last = file;
		at += file->path_len;
		bytes += file->length;
	}
	if (at != m->head->paths_len || bytes != m->head->content_bytes)
		return "the manifest's totals do not fit its files";
	return NULL;
}

const char *
manifest_open(struct manifest *manifest, const void *bytes, u64 len)
{
	const struct manifest_head *head = bytes;
	const char *error;

	ASSERT((u64)bytes % sizeof(u64) == 0);
	if (len < sizeof(*head) || len > MANIFEST_BYTES_MAX)
		return "a manifest cannot be that long";
	error = check_head(head, len);
	if (error)
		return error;
	manifest->head = head;
	manifest->voter = (const u8(*)[STORE_UUID])(head + 1);
	manifest->file = (const void *)(manifest->voter + head->voter_count);
	manifest->paths = (const char *)(manifest->file + head->file_count);
	return check_entries(manifest);
}

const struct manifest_entry *
manifest_find(const struct manifest *manifest, const char *path, u32 path_len)
{
	u32 low = 0, high = manifest->head->file_count;

	while (low < high) {
		u32 middle = low + (high - low) / 2;
		const struct manifest_entry *file = &manifest->file[middle];
		int order = manifest_path_order(path, path_len,
						manifest_path(manifest, file),
						file->path_len);

		if (!order)
			return file;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

struct object
manifest_object(const struct manifest_entry *file, u32 copy)
{
	struct object object = {
		.length = file->length,
		.first = file->block[copy],
	};

	ASSERT(copy < MANIFEST_COPIES);
	ASSERT(file->voter[copy] != MANIFEST_NOBODY);
	memcpy(object.id, file->id, STORE_ID);
	return object;
}

u16
manifest_voter(const struct manifest *manifest, const u8 uuid[STORE_UUID])
{
	for (u32 i = 0; i < manifest->head->voter_count; i++) {
		if (!memcmp(manifest->voter[i], uuid, STORE_UUID))
			return (u16)i;
	}
	return MANIFEST_NOBODY;
}
