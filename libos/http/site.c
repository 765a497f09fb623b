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
#include "kernel/base/cpio.h"
#include "kernel/base/fmt.h"
#include "kernel/base/siphash.h"
#include "kernel/base/string.h"
#include "libos/http/mime.h"
#include "libos/http/path.h"
#include "libos/http/status.h"

#define INDEX "index.html"
#define INDEX_LEN (sizeof(INDEX) - 1)
#define FILE_HEAD_MAX 384	// lines without Server, Date and Connection
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

static u32
path_hash(const char *key, u32 len)
{
	u64 h = len;

	for (; len >= 8; len -= 8, key += 8) {
		h = (h ^ le64_load(key)) * 0x9e3779b97f4a7c15ull;
		h ^= h >> 32;
	}
	for (; len; len--)
		h = (h ^ (u8)*key++) * 0x9e3779b97f4a7c15ull;
	return (u32)(h >> 32);
}

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
				 path_hash(path + 1, path_len - 1))].object;
}

static bool
is_index(const char *name, u32 len)
{
	return len >= INDEX_LEN &&
	       !memcmp(name + len - INDEX_LEN, INDEX, INDEX_LEN) &&
	       (len == INDEX_LEN || name[len - INDEX_LEN - 1] == '/');
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

// Percent-encodes all but letters, digits and "-._~/" into `text` (which may
// be NULL, to count). Returns the length.
static u32
escape(const char *name, u32 len, char *text)
{
	static const char digits[] = "0123456789ABCDEF";
	u32 n = 0;

	for (u32 i = 0; i < len; i++) {
		u8 c = (u8)name[i];
		bool plain = (c >= '0' && c <= '9') || c == '-' || c == '.' ||
			     c == '_' || c == '~' || c == '/' ||
			     ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');

		if (text && plain) {
			text[n] = (char)c;
		} else if (text) {
			text[n] = '%';
			text[n + 1] = digits[c >> 4];
			text[n + 2] = digits[c & 15];
		}
		n += plain ? 1 : 3;
	}
	return n;
}

// Appends header lines to a head that is in the making. A head of a file is
// bounded because its only texts of varying length are ours.
static void printf_like(3, 4)
add(struct site_object *o, char *text, const char *format, ...)
{
	size_t room = FILE_HEAD_MAX - o->head_len;
	va_list args;

	va_start(args, format);
	size_t n = fmt_into_va(text + o->head_len, room, format, args);
	va_end(args);
	ASSERT(n < room);
	o->head_len += (u32)n;
}

// Formats the head of a file into `text`, of at least FILE_HEAD_MAX bytes.
static void
write_file_head(struct site_object *o, const char *etag, char *text)
{
	char date[HTTP_DATE_LEN];

	http_date_write(o->modified_seconds, date);
	o->head_len = 0;
	add(o, text, "%sContent-Length: %llu\r\n",
	    http_status_text(HTTP_OK)->line, (unsigned long long)o->len_bytes);
	o->type_at = (u16)o->head_len;
	add(o, text, "Content-Type: %s\r\n", o->type);
	o->accept_at = (u16)o->head_len;
	add(o, text, "X-Content-Type-Options: nosniff\r\nAccept-Ranges: bytes\r\n");
	o->validators_at = (u16)o->head_len;
	add(o, text, "ETag: %.*s\r\n", SITE_ETAG_LEN, etag);
	add(o, text, "Last-Modified: %.*s\r\n", HTTP_DATE_LEN, date);
	o->head = text;
	o->etag = text + o->validators_at + strlen("ETag: ");
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

#define REDIRECT_HEAD                                     \
	"Content-Type: text/html; charset=utf-8\r\n"      \
	"X-Content-Type-Options: nosniff\r\nLocation: /"

// Formats the head of a redirect to the directory `name` + "/" into `text`
// (NULL: only counts). Returns its length.
static u32
write_redirect_head(const char *name, u32 len, char *text)
{
	const struct http_status_text *moved =
		http_status_text(HTTP_MOVED_PERMANENTLY);
	char start[FILE_HEAD_MAX];
	u32 n = (u32)fmt_into(start, sizeof(start),
			      "%sContent-Length: %u\r\n" REDIRECT_HEAD,
			      moved->line, moved->page_len);

	ASSERT(n < sizeof(start));
	if (text)
		memcpy(text, start, n);
	n += escape(name, len, text ? text + n : NULL);
	if (text)
		memcpy(text + n, "/\r\n", 3);
	return n + 3;
}

// The part of an index file's name that names its directory, without '/'.
static u32
directory_len(u32 name_len)
{
	ASSERT(name_len > INDEX_LEN);
	return name_len - (u32)INDEX_LEN - 1;
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
		char text[FILE_HEAD_MAX];

		if (!cpio_is_file(&entry) || !is_servable(&entry))
			continue;
		if (++m->files > FILES_MAX)
			return SITE_TOO_MANY;
		describe_file(&o, &entry, HTTP_DATE_MAX);
		write_file_head(&o, no_etag, text);
		m->text_len += o.head_len;
		if (!is_index(entry.name, entry.name_len))
			continue;
		m->indexes++;
		if (entry.name_len > INDEX_LEN)
			m->text_len += write_redirect_head(
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
	u32 hash = path_hash(key, len);
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
	char text[FILE_HEAD_MAX], etag[SITE_ETAG_LEN + 1];
	const char *key = entry->name;

	describe_file(o, entry, now_seconds);
	write_etag(o->data, o->len_bytes, etag);
	write_file_head(o, etag, text);
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

	name_object(b, index->name, index->name_len - (u32)INDEX_LEN, index,
		    false);
	if (index->name_len == INDEX_LEN)
		return;
	len = directory_len(index->name_len);
	o = new_object(b);
	*o = (struct site_object){
		.kind = SITE_REDIRECT,
		.data = (const u8 *)moved->page,
		.len_bytes = moved->page_len,
		.head = b->text,
		.head_len = write_redirect_head(index->name, len, b->text),
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
		if (is_index(o->name, o->name_len) &&
		    b->slots[probe(b->site, o->name, o->name_len,
				   path_hash(o->name, o->name_len))].object == o)
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
