// SPDX-License-Identifier: BSD-2-Clause
// The index is one block of memory:
//
//   slots: a power of two, at least twice the names
//   objects: one a file, and one for each directory that redirects
//   text: the header lines of all objects
//
// Measuring and building walk the archive in the same way and format the same
// lines, once to count and once to keep; the memory needed is exact. Names are
// slices of the archive: "a/" and "a" are the beginning of "a/index.html".
// Requests only look up, so no client can lengthen a probe.
//
// Invariants:
//  S1  At most half of the slots are used, so each probe ends.
//  S2  Each used slot is found from its hash without crossing a free slot.
//  S3  Each object's head lies in the text, its parts in order within it.
//  S4  The data of every file lies in the archive.

#include "libos/http/site.h"
#include "kernel/base/assert.h"
#include "kernel/base/byteorder.h"
#include "kernel/base/fmt.h"
#include "kernel/base/siphash.h"
#include "kernel/base/string.h"
#include "libos/http/head.h"
#include "libos/http/mime.h"
#include "libos/http/path.h"
#include "libos/http/status.h"
#include "libos/image/cpio.h"

#define FILES_MAX (1u << 22)

// Public on purpose: the tag of an object must not depend on the node.
static const u8 etag_key[SIPHASH_KEY_LEN] = "DEOS entity tag";

struct builder {
	struct site *site;
	struct site_slot *slots;
	struct site_object *objects;
	char *text;
	char *text_end;
};

struct measure {
	u32 files;
	u32 indexes;		// files that are a directory's index
	u64 text_len;
};

// The slot that holds the key, or the free slot where it belongs.
static u32
probe(const struct site *site, const char *key, u32 len, u32 hash)
{
	u32 at = hash & site->slot_mask;

	for (;; at = (at + 1) & site->slot_mask) {
		const struct site_slot *s = &site->slots[at];

		if (!s->key)
			return at;
		if (s->hash == hash && s->key_len == len &&
		    !memcmp(s->key, key, len))
			return at;
	}
}

const struct site_object *
site_find(const struct site *site, const char *path, u32 path_len)
{
	ASSERT(path_len >= 1 && path[0] == '/');
	return site->slots[probe(site, path + 1, path_len - 1,
				 site_path_hash(path + 1, path_len - 1))].object;
}

// True for a file that a request can name: what path.c would never produce
// can only waste memory.
static bool
is_servable(const struct cpio_entry *entry)
{
	if (entry->name_len == 0 || entry->name_len >= HTTP_PATH_MAX ||
	    !http_utf8_is_valid(entry->name, entry->name_len))
		return false;
	for (u32 i = 0; i < entry->name_len; i++) {
		u8 c = (u8)entry->name[i];

		if (c < 0x20 || c == 0x7f || c == '\\')
			return false;
	}
	return true;
}

// Fills in what the head of a file says, but its entity tag.
static void
describe_file(struct site_object *o, const struct cpio_entry *entry,
	      u64 now_seconds)
{
	*o = (struct site_object){
		.kind = SITE_FILE,
		.data = entry->data,
		.len_bytes = entry->data_len,
		.name = entry->name,
		.name_len = entry->name_len,
		.modified_seconds = MIN(entry->mtime, now_seconds),
		.type = mime_type(entry->name, entry->name_len),
	};
}

// The part of an index file's name that names its directory, without '/'.
static u32
directory_len(u32 name_len)
{
	ASSERT(name_len > SITE_INDEX_LEN);
	return name_len - SITE_INDEX_LEN - 1;
}

static enum site_result
measure(const void *archive, u64 len, struct measure *m)
{
	struct cpio_walk walk;
	struct cpio_entry entry;
	enum cpio_result result;

	*m = (struct measure){ 0 };
	cpio_start(&walk, archive, len);
	while ((result = cpio_next(&walk, &entry)) == CPIO_ENTRY) {
		static const char no_etag[SITE_ETAG_LEN + 1] =
			"\"00000000000000000000000000000000\"";
		struct site_object o;
		char text[SITE_HEAD_MAX];

		if (!cpio_is_file(&entry) || !is_servable(&entry))
			continue;
		if (++m->files > FILES_MAX)
			return SITE_TOO_MANY;
		describe_file(&o, &entry, HTTP_DATE_MAX);
		site_head_write(&o, no_etag, text);
		m->text_len += o.head_len;
		if (!site_is_index(entry.name, entry.name_len))
			continue;
		m->indexes++;
		if (entry.name_len > SITE_INDEX_LEN)
			m->text_len += site_head_redirect(
				entry.name, directory_len(entry.name_len), NULL);
	}
	return result == CPIO_END ? SITE_OK : SITE_ARCHIVE_BAD;
}

// A file has one name; an index two more: its directory with and without '/'.
static u32
slot_count(const struct measure *m)
{
	u32 count = 16;

	while (count / 2 < m->files + 2 * m->indexes)
		count *= 2;
	return count;
}

static u64
memory_of(const struct measure *m)
{
	return (u64)slot_count(m) * sizeof(struct site_slot) +
	       (u64)(m->files + m->indexes) * sizeof(struct site_object) +
	       m->text_len;
}

enum site_result
site_memory_needed(const void *archive, u64 len, u64 *needed)
{
	struct measure m;
	enum site_result result = measure(archive, len, &m);

	*needed = memory_of(&m);
	return result;
}

static void
write_etag(const u8 *data, u64 len, char etag[SITE_ETAG_LEN + 1])
{
	u8 hash[SIPHASH128_LEN];

	siphash128(etag_key, data, len, hash);
	fmt_into(etag, SITE_ETAG_LEN + 1, "\"%016llx%016llx\"",
		 (unsigned long long)be64_load(hash),
		 (unsigned long long)be64_load(hash + 8));
}

// Names an object. A name that is taken goes to the newcomer only if
// `replace`.
static void
name_object(struct builder *b, const char *key, u32 len,
	    const struct site_object *object, bool replace)
{
	u32 hash = site_path_hash(key, len);
	struct site_slot *slot = &b->slots[probe(b->site, key, len, hash)];

	if (slot->key && !replace)
		return;
	b->site->slots_used += !slot->key;
	ASSERT(b->site->slots_used * 2 <= b->site->slot_mask + 1);	// S1
	*slot = (struct site_slot){ key, len, hash, object };
}

static struct site_object *
new_object(struct builder *b)
{
	return &b->objects[b->site->object_count++];
}

static void
add_file(struct builder *b, const struct cpio_entry *entry, u64 now_seconds)
{
	struct site_object *o = new_object(b);
	char text[SITE_HEAD_MAX], etag[SITE_ETAG_LEN + 1];
	const char *key = entry->name;

	describe_file(o, entry, now_seconds);
	write_etag(o->data, o->len_bytes, etag);
	site_head_write(o, etag, text);
	ASSERT(o->head_len <= (u64)(b->text_end - b->text));
	memcpy(b->text, text, o->head_len);
	o->head = b->text;
	o->etag = b->text + (o->etag - text);
	b->text += o->head_len;
	b->site->content_bytes += o->len_bytes;
	name_object(b, key, entry->name_len, o, true);
}

// Gives an index file its directory's names, where no file has them.
static void
add_directory(struct builder *b, const struct site_object *index)
{
	const struct http_status_text *moved =
		http_status_text(HTTP_MOVED_PERMANENTLY);
	struct site_object *o;
	u32 len;

	name_object(b, index->name, index->name_len - SITE_INDEX_LEN, index,
		    false);
	if (index->name_len == SITE_INDEX_LEN)
		return;
	len = directory_len(index->name_len);
	o = new_object(b);
	*o = (struct site_object){
		.kind = SITE_REDIRECT,
		.data = (const u8 *)moved->page,
		.len_bytes = moved->page_len,
		.head = b->text,
		.head_len = site_head_redirect(index->name, len, b->text),
	};
	b->text += o->head_len;
	ASSERT(b->text <= b->text_end);
	name_object(b, index->name, len, o, false);
}

static void
fill(struct builder *b, const void *archive, u64 len, u64 now_seconds)
{
	struct cpio_walk walk;
	struct cpio_entry entry;
	u32 files;

	cpio_start(&walk, archive, len);
	while (cpio_next(&walk, &entry) == CPIO_ENTRY) {
		if (!cpio_is_file(&entry))
			continue;
		if (is_servable(&entry))
			add_file(b, &entry, now_seconds);
		else
			b->site->skipped_count++;
	}
	files = b->site->object_count;
	for (u32 i = 0; i < files; i++) {
		const struct site_object *o = &b->objects[i];

		// Not an index that a later member of its name replaced.
		if (site_is_index(o->name, o->name_len) &&
		    b->slots[probe(b->site, o->name, o->name_len,
				   site_path_hash(o->name, o->name_len))].object == o)
			add_directory(b, o);
	}
}

enum site_result
site_build(struct site *site, const void *archive, u64 len, void *memory,
	   u64 memory_len, u64 now_seconds)
{
	struct builder b = { .site = site };
	struct measure m;
	enum site_result result = measure(archive, len, &m);
	u32 slots = slot_count(&m);

	ASSERT((uintptr_t)memory % 16 == 0);
	ASSERT(now_seconds <= HTTP_DATE_MAX);
	if (result != SITE_OK)
		return result;
	if (memory_len < memory_of(&m))
		return SITE_NO_MEMORY;
	b.slots = memory;
	b.objects = (struct site_object *)(b.slots + slots);
	b.text = (char *)(b.objects + m.files + m.indexes);
	b.text_end = b.text + m.text_len;
	memset(b.slots, 0, slots * sizeof(b.slots[0]));
	*site = (struct site){
		.slots = b.slots,
		.slot_mask = slots - 1,
		.objects = b.objects,
	};
	fill(&b, archive, len, now_seconds);
	ASSERT(site->object_count <= m.files + m.indexes);
	ASSERT(b.text <= b.text_end);
	return SITE_OK;
}

static void
check_object(const struct site_object *o)
{
	ASSERT(o->head && o->head_len > 0);				// S3
	if (o->kind == SITE_REDIRECT)
		return;
	ASSERT(o->type_at < o->accept_at && o->accept_at < o->validators_at);
	ASSERT(o->validators_at < o->head_len);
	ASSERT(o->etag > o->head + o->validators_at &&
	       o->etag + SITE_ETAG_LEN < o->head + o->head_len);
	ASSERT(o->etag[0] == '"' && o->etag[SITE_ETAG_LEN - 1] == '"');
}

void
site_check(const struct site *site)
{
	u32 used = 0;

	for (u32 i = 0; i <= site->slot_mask; i++) {
		const struct site_slot *s = &site->slots[i];

		ASSERT(!s->key == !s->object);
		if (!s->key)
			continue;
		used++;
		ASSERT(probe(site, s->key, s->key_len, s->hash) == i);	// S2
		ASSERT(s->object >= site->objects &&
		       s->object < site->objects + site->object_count);
	}
	ASSERT(used == site->slots_used && used * 2 <= site->slot_mask + 1);
	for (u32 i = 0; i < site->object_count; i++)
		check_object(&site->objects[i]);
}
