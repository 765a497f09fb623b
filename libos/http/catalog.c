// SPDX-License-Identifier: BSD-2-Clause
// Lookup in a manifest. Its order is by bytes, so a path is found by binary search;
// a directory by the path of its index, for which the key is tried with what
// misses of it. A file's own name goes before a directory's, as in site.c.
//
// Entity tags are the first 128 bits of the object's id, which is the hash of its
// content: the same on every node and in every deployment.
//
// Invariants:
//  C1  A slot that is used lies at its hash, and its key begins its file's path.
//  C2  A file's head lies in its slot.

#include "libos/http/catalog.h"
#include "kernel/base/assert.h"
#include "kernel/base/byteorder.h"
#include "kernel/base/fmt.h"
#include "kernel/base/string.h"
#include "libos/http/mime.h"
#include "libos/http/path.h"
#include "libos/http/status.h"

STATIC_ASSERT(MANIFEST_PATH_MAX + 1 + SITE_INDEX_LEN <= HTTP_PATH_MAX);

void
catalog_init(struct catalog *catalog, const struct manifest *manifest,
	     struct catalog_slot *slots, u32 slot_count, u64 now_seconds)
{
	ASSERT(slot_count && !(slot_count & (slot_count - 1)));
	ASSERT(now_seconds <= HTTP_DATE_MAX);
	*catalog = (struct catalog){
		.manifest = manifest,
		.slots = slots,
		.slot_mask = slot_count - 1,
		.now_seconds = now_seconds,
	};
}

// The path of a slot's file; its key is the beginning.
static const char *
key_of(const struct catalog *catalog, const struct catalog_slot *slot)
{
	return manifest_path(catalog->manifest, slot->object.file);
}

static void
describe_file(const struct catalog *catalog, struct catalog_slot *slot,
	      const struct manifest_entry *file)
{
	struct site_object *o = &slot->object;
	char etag[SITE_ETAG_LEN + 1];

	*o = (struct site_object){
		.kind = SITE_FILE,
		.file = file,
		.len_bytes = file->length,
		.name = manifest_path(catalog->manifest, file),
		.name_len = file->path_len,
		.modified_seconds = MIN(file->mtime, catalog->now_seconds),
	};
	o->type = mime_type(o->name, o->name_len);
	fmt_into(etag, sizeof(etag), "\"%016llx%016llx\"",
		 (unsigned long long)be64_load(file->id),
		 (unsigned long long)be64_load(file->id + 8));
	site_head_write(o, etag, slot->head);
}

static void
describe_redirect(const struct catalog *catalog, struct catalog_slot *slot,
		  const struct manifest_entry *index)
{
	const struct http_status_text *moved =
		http_status_text(HTTP_MOVED_PERMANENTLY);

	slot->object = (struct site_object){
		.kind = SITE_REDIRECT,
		.file = index,
		.data = (const u8 *)moved->page,
		.len_bytes = moved->page_len,
		.name = manifest_path(catalog->manifest, index),
		.name_len = slot->key_len,
	};
}

// The index of the directory `key`, which ends in '/' or is empty, or to which
// `slash` adds one.
static const struct manifest_entry *
find_index(const struct catalog *catalog, const char *key, u32 len, bool slash)
{
	char path[MANIFEST_PATH_MAX + 1 + SITE_INDEX_LEN];

	if (len + slash + SITE_INDEX_LEN > MANIFEST_PATH_MAX)
		return NULL;
	memcpy(path, key, len);
	if (slash)
		path[len++] = '/';
	memcpy(path + len, SITE_INDEX, SITE_INDEX_LEN);
	return manifest_find(catalog->manifest, path, len + SITE_INDEX_LEN);
}

// What a key names; *redirect: the directory whose index it is. NULL: nothing.
static const struct manifest_entry *
search(const struct catalog *catalog, const char *key, u32 len, bool *redirect)
{
	const struct manifest_entry *file;

	*redirect = false;
	if (len > MANIFEST_PATH_MAX)
		return NULL;
	if (len == 0 || key[len - 1] == '/')
		return find_index(catalog, key, len, false);
	file = manifest_find(catalog->manifest, key, len);
	if (file)
		return file;
	*redirect = true;
	return find_index(catalog, key, len, true);
}

const struct site_object *
catalog_find(struct catalog *catalog, const char *path, u32 path_len)
{
	const char *key = path + 1;
	u32 len = path_len - 1;
	u32 hash = site_path_hash(key, len);
	struct catalog_slot *slot = &catalog->slots[hash & catalog->slot_mask];
	const struct manifest_entry *file;
	bool redirect;

	ASSERT(path_len >= 1 && path[0] == '/');
	if (slot->object.file && slot->hash == hash && slot->key_len == len &&
	    !memcmp(key_of(catalog, slot), key, len)) {
		catalog->hits++;
		return &slot->object;
	}
	catalog->misses++;
	// What is not there takes no slot: asking for it pushes nothing out.
	file = search(catalog, key, len, &redirect);
	if (!file)
		return NULL;
	slot->hash = hash;
	slot->key_len = len;
	if (redirect)
		describe_redirect(catalog, slot, file);
	else
		describe_file(catalog, slot, file);
	return &slot->object;
}

void
catalog_check(const struct catalog *catalog)
{
	for (u32 i = 0; i <= catalog->slot_mask; i++) {
		const struct catalog_slot *s = &catalog->slots[i];

		if (!s->object.file)
			continue;
		ASSERT((s->hash & catalog->slot_mask) == i);		// C1
		ASSERT(s->key_len <= s->object.file->path_len);
		ASSERT(site_path_hash(key_of(catalog, s), s->key_len) == s->hash);
		if (s->object.kind == SITE_FILE)			// C2
			ASSERT(s->object.head == s->head &&
			       s->object.head_len < SITE_HEAD_MAX);
	}
}
