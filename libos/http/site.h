// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// A website held in memory: from a normalised path to an object that can be
// sent as it lies there (Cheetah's way: what depends on the object alone is
// computed once, when the site is indexed, never per request).
//
// This site comes as a newc cpio archive and lies in memory. Its sibling is
// catalog.h, whose content lies in the store. The rest of HTTP sees of both only a
// function that finds and struct site_object.
//
// File "a/b.html" is found as "/a/b.html". File "a/index.html" is also "/a/",
// and "/a" redirects there; a file's own name goes before such a name. Of two
// members with one name the later counts. Members that are not regular files
// are not served; directories without an index have no page.

#include "kernel/base/types.h"
#include "libos/http/date.h"

#define SITE_ETAG_LEN 34	// a quoted 128-bit content hash

enum site_kind {
	SITE_FILE,
	SITE_REDIRECT,		// the head is a 301 with its page as the data
};

struct manifest_entry;

// Everything in it lies in the archive, in the index or in constants, and
// stays until the owner of both takes them away.
struct site_object {
	enum site_kind kind;
	const struct manifest_entry *file;	// of a catalogue; NULL: data is here
	const u8 *data;
	u64 len_bytes;
	const char *name;	// of the file, not terminated; for a redirect of a
				// catalogue of the directory
	u32 name_len;
	u64 modified_seconds;	// not later than the indexing
	const char *type;	// Content-Type

	// Header lines of a 200 (or 301) with CRLFs: everything but Server,
	// Date, Connection and the empty line. From type_at on the lines serve
	// a 206 as well, from accept_at on a multipart 206, from validators_at
	// on a 304. A redirect has no such parts.
	const char *head;
	u32 head_len;
	u16 type_at;
	u16 accept_at;
	u16 validators_at;
	const char *etag;	// SITE_ETAG_LEN bytes inside the head
};

struct site_slot {
	const char *key;	// path without its first '/'; NULL: free slot
	u32 key_len;
	u32 hash;
	const struct site_object *object;
};

struct site {
	const struct site_slot *slots;	// open addressing, at most half full
	u32 slot_mask;
	u32 slots_used;
	const struct site_object *objects;
	u32 object_count;
	u32 skipped_count;	// members that no request can name
	u64 content_bytes;
};

enum site_result {
	SITE_OK,
	SITE_ARCHIVE_BAD,	// not newc, or damaged
	SITE_TOO_MANY,		// more members than an index can count
	SITE_NO_MEMORY,		// less than site_memory_needed()
};

// How many bytes of memory the index of this archive needs: *needed.
must_check enum site_result
site_memory_needed(const void *archive, u64 len_bytes, u64 *needed);

// Indexes the archive into `memory`, aligned to 16 bytes, of `memory_len`
// bytes. Both are lent for as long as the site lives, and must not change.
// `now_seconds` bounds modification times, which must not lie in the future.
// Reads all content once, for the entity tags: they are the same on every node
// that holds the same content.
must_check enum site_result
site_build(struct site *site, const void *archive, u64 len_bytes, void *memory,
	   u64 memory_len, u64 now_seconds);

// The object at a normalised path (path.h), or NULL. `path_len` is at least 1.
const struct site_object *
site_find(const struct site *site, const char *path, u32 path_len);

// Asserts the invariants of site.c. Walks the whole index.
void
site_check(const struct site *site);
