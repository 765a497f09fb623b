// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The manifest of a site: its files in order of their paths' bytes, each with
// length, time, id, and where its copies lie. It is an object itself.
//
//   struct manifest_head
//   u8 uuid[voter_count][16]            nodes that hold copies, by index
//   struct manifest_entry[file_count]   paths ascend, no two alike
//   the paths, one after another, without ends
//
// manifest_open() checks everything that others rely on: bounds, order, paths,
// copies on different nodes. After it, nothing of the manifest can lead outside of
// its bytes. Sans-IO; no allocation. The bytes are 8-aligned and stay the caller's.

#include "libos/store/object.h"

#define MANIFEST_MAGIC 0x455449534f4544ull	// "DEOSITE" and a zero byte
#define MANIFEST_VERSION 1u
#define MANIFEST_FILES_MAX 65536u
#define MANIFEST_PATH_MAX 1024u
#define MANIFEST_VOTERS_MAX 64u
#define MANIFEST_COPIES 2u
#define MANIFEST_BYTES_MAX (16u * MIB)
#define MANIFEST_NOBODY 0xffffu		// as `voter`: there is no such copy

struct manifest_head {
	u64 magic;
	u32 version;
	u32 file_count;
	u32 voter_count;
	u32 paths_len;
	u64 content_bytes;	// the sum of all lengths
	u64 reserved[4];
};

struct manifest_entry {
	u8 id[STORE_ID];
	u64 length;
	u64 mtime;		// seconds since 1970
	u64 block[MANIFEST_COPIES];	// the copy's first one
	u16 voter[MANIFEST_COPIES];	// index of its node, or MANIFEST_NOBODY (second only)
	u32 path_at;		// in the paths
	u16 path_len;
	u16 reserved[3];
};

STATIC_ASSERT(sizeof(struct manifest_head) == 64);
STATIC_ASSERT(sizeof(struct manifest_entry) == 80);

struct manifest {
	const struct manifest_head *head;
	const u8 (*voter)[STORE_UUID];
	const struct manifest_entry *file;	// head->file_count of them
	const char *paths;
};

// Reads `len` bytes. Returns NULL, or a sentence that says what is wrong.
must_check const char *
manifest_open(struct manifest *manifest, const void *bytes, u64 len);

static inline const char *
manifest_path(const struct manifest *manifest, const struct manifest_entry *file)
{
	return manifest->paths + file->path_at;	// path_len bytes, no end
}

// The file of that path (no leading slash), or NULL.
const struct manifest_entry *
manifest_find(const struct manifest *manifest, const char *path, u32 path_len);

// The object that copy `copy` of a file is; its voter is not NOBODY.
struct object
manifest_object(const struct manifest_entry *file, u32 copy);

// Index of a node in the table, or MANIFEST_NOBODY.
u16
manifest_voter(const struct manifest *manifest, const u8 uuid[STORE_UUID]);

// True for a path that a site may have: 1 to MANIFEST_PATH_MAX bytes, segments
// between single slashes, none of them empty, "." or "..", no control bytes.
must_check bool
manifest_path_is_good(const char *path, u32 path_len);

// < 0, 0, > 0: the order of paths.
int
manifest_path_order(const char *a, u32 a_len, const char *b, u32 b_len);

// Makes a manifest. The caller gives room for entries and paths, and more of it when
// manifest_add() says FULL: it moves both into larger rooms and sets the four fields.
struct manifest_builder {
	struct manifest_entry *file;
	u32 file_room;		// entries
	u32 paths_room;		// bytes
	char *paths;
	struct manifest_head head;
	u8 voter[MANIFEST_VOTERS_MAX][STORE_UUID];
};

enum manifest_added {
	MANIFEST_ADDED,
	MANIFEST_FULL,		// the caller's rooms are
	MANIFEST_TOO_MANY,	// files, bytes of paths
	MANIFEST_ORDER,		// the path is not behind the one before
};

void
manifest_begin(struct manifest_builder *builder);

// The index of a node, which it gets now if it has none; MANIFEST_NOBODY: too many.
must_check u16
manifest_add_voter(struct manifest_builder *builder, const u8 uuid[STORE_UUID]);

// Adds a file; `path` is good. path_at, path_len are set here.
must_check enum manifest_added
manifest_add(struct manifest_builder *builder, const struct manifest_entry *file,
	     const char *path, u32 path_len);

// Bytes of the manifest, and any part of them: what is written block by block need
// not lie in one piece.
u64
manifest_len(const struct manifest_builder *builder);
void
manifest_copy(const struct manifest_builder *builder, u64 offset, void *target,
	      u64 len);
