// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Bundles for tests of deployments, as deosctl makes them: bundle_start(), files in the
// order of their paths, bundle_stop(). The bytes lie in `stream`.

#include <stdlib.h>
#include <string.h>

#include "kernel/base/byteorder.h"
#include "libos/store/hash.h"
#include "libos/store/object.h"

#define STREAM_MAX (48u * MIB)

static u8 *stream;
static u64 stream_len, content_bytes;
static u32 file_count;

static void
put32(u32 value)
{
	le32_store(stream + stream_len, value);
	stream_len += 4;
}

static void
put64(u64 value)
{
	le64_store(stream + stream_len, value);
	stream_len += 8;
}

static void
bundle_start(void)
{
	if (!stream)
		stream = malloc(STREAM_MAX);
	stream_len = content_bytes = file_count = 0;
	memcpy(stream, "DEOSPACK\1\0\0\0\0\0\0\0", 16);
	stream_len = 16;
}

static void
bundle_file(const char *path, u64 len, u8 seed)
{
	u32 path_len = (u32)strlen(path);
	u8 *id, *content;

	put32(path_len);
	put32(0);
	put64(len);
	put64(1000 + seed);
	id = stream + stream_len;
	content = id + STORE_ID + path_len;
	memcpy(id + STORE_ID, path, path_len);
	for (u64 i = 0; i < len; i++)
		content[i] = (u8)(i * seed + (i >> 7));
	store_hash(content, len, id);
	stream_len += STORE_ID + path_len + len;
	content_bytes += len;
	file_count++;
}

static void
bundle_stop(void)
{
	put32(0);
	put32(file_count);
	put64(content_bytes);
}

// 60 small files, one of several headers, one above the size of a room.
static void
make_bundle(void)
{
	char path[] = "dir/aa.html";

	bundle_start();
	bundle_file("a/large", 9 * MIB + 77, 5);
	bundle_file("b/empty", 0, 1);
	for (u32 i = 0; i < 60; i++) {
		path[4] = (char)('a' + i / 10);
		path[5] = (char)('a' + i % 10);
		bundle_file(path, i * i * 13, (u8)(i + 3));
	}
	bundle_file("two-headers", (OBJECT_SUMS + 3) * STORE_BLOCK + 1, 9);
	bundle_stop();
}
