// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The stream in which a site comes: what deosctl sends as the body of
// PUT /api/site. Little-endian, nothing aligned:
//
//   "DEOSPACK" u32 version = 1, u32 0
//   per file: u32 path_len (1..1024), u32 0, u64 length, u64 mtime,
//             32 bytes id (BLAKE2b-256 of the content), path, content
//   end:      u32 path_len = 0, u32 files, u64 bytes of content together
//
// Paths ascend, compared byte by byte, and no two are alike: so whoever reads the
// stream needs no sorting and no search. Paths are as manifest_path_is_good() says.
//
// The parser takes bytes as they come, in pieces of any size, and copies nothing but
// paths and fixed parts. Sans-IO; no allocation.

#include "libos/store/manifest.h"

#define BUNDLE_MAGIC "DEOSPACK"
#define BUNDLE_VERSION 1u
#define BUNDLE_HEAD 16u
#define BUNDLE_FILE_FIXED 56u
#define BUNDLE_END 16u

enum bundle_event {
	BUNDLE_MORE,		// all is taken: give more
	BUNDLE_FILE,		// path, path_len, id, length, mtime are those of a new file
	BUNDLE_DATA,		// data, data_len: the next bytes of it
	BUNDLE_FILE_END,	// it is whole (comes for an empty one too)
	BUNDLE_DONE,		// the stream is whole; nothing may follow
	BUNDLE_BAD,		// `error` says what is wrong; there is no going on
};

struct bundle {
	u32 stage;
	u32 have;		// bytes of the fixed part or path that have come
	u8 fixed[BUNDLE_FILE_FIXED];
	u8 id[STORE_ID];
	u64 length;
	u64 mtime;
	u64 left;		// content bytes to come
	u32 path_len;
	u32 last_len;		// of the path before
	u32 files;
	u64 bytes;
	const u8 *data;		// in what the caller gave
	u64 data_len;
	const char *error;
	char path[MANIFEST_PATH_MAX];
	char last[MANIFEST_PATH_MAX];
};

void
bundle_begin(struct bundle *bundle);

// Takes from `len` bytes at `input` up to the next event, and says how many.
must_check enum bundle_event
bundle_next(struct bundle *bundle, const void *input, u64 len, u64 *taken);

// True behind BUNDLE_DONE.
bool
bundle_is_done(const struct bundle *bundle);
