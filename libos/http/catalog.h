// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// A website whose content lies in the store: the paths of a manifest
// (libos/store/manifest.h), answered as site.h answers those of an archive, but
// with no byte of content in memory. An object that is found here names its file,
// and its content is to be fetched (respond.h).
//
// A file costs nothing besides its entry in the manifest. The heads of what was
// asked for last are kept in a table of fixed size, one slot a hash: what is asked
// for often is found by one compare, as in an archive's index; everything else by
// binary search, and its head is written anew.

#include "libos/http/head.h"
#include "libos/store/manifest.h"

// What was asked for: a file by its path, a directory by "a/" or (a redirect) "a".
// The key is the beginning of the file's path, key_len bytes.
struct catalog_slot {
	u32 hash;
	u32 key_len;
	struct site_object object;	// object.file NULL: free
	char head[SITE_HEAD_MAX];
};

struct catalog {
	const struct manifest *manifest;
	struct catalog_slot *slots;
	u32 slot_mask;
	u64 now_seconds;
	u64 hits, misses;		// of the slots
};

// Makes a catalogue of a manifest, which is lent, and of zeroed memory for `slots`
// slots, a power of two. `now_seconds` bounds modification times.
void
catalog_init(struct catalog *catalog, const struct manifest *manifest,
	     struct catalog_slot *slots, u32 slot_count, u64 now_seconds);

// The object at a normalised path (path.h), or NULL. `path_len` is at least 1. The
// object stays until the next call.
const struct site_object *
catalog_find(struct catalog *catalog, const char *path, u32 path_len);

// Asserts the invariants of catalog.c.
void
catalog_check(const struct catalog *catalog);
