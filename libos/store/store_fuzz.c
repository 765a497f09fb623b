// SPDX-License-Identifier: BSD-2-Clause
// Fuzzes whatever comes from a disk or a client: manifests, bundles, labels, headers of
// objects. The first byte says which, and the rest lies in memory of exactly its size.
// What is accepted must keep the promises that nobody checks again.
//
// links: libos/store/manifest.c libos/store/bundle.c libos/store/object.c
// links: libos/store/label.c kernel/base/siphash.c harness/testing/host_assert.c

#include <stdlib.h>
#include <string.h>

#include "kernel/base/assert.h"
#include "libos/store/bundle.h"
#include "libos/store/label.h"

static void
check_manifest(const u8 *data, u64 len)
{
	struct manifest m;

	if (manifest_open(&m, data, len))
		return;
	for (u32 i = 0; i < m.head->file_count; i++) {
		const struct manifest_entry *file = &m.file[i];

		ASSERT(manifest_find(&m, manifest_path(&m, file), file->path_len) == file);
		ASSERT(file->voter[0] != file->voter[1]);
		for (u32 copy = 0; copy < MANIFEST_COPIES; copy++) {
			if (file->voter[copy] == MANIFEST_NOBODY)
				continue;
			struct object object = manifest_object(file, copy);

			ASSERT(file->voter[copy] < m.head->voter_count);
			ASSERT(object_fits(&object, STORE_BLOCKS_MAX));
			ASSERT(manifest_voter(&m, m.voter[file->voter[copy]]) <=
			       file->voter[copy]);
		}
	}
}

// The same events whole and in pieces: the last byte says how long those are.
static u64
run_bundle(const u8 *data, u64 len, u64 step, u64 *files)
{
	static struct bundle b;
	enum bundle_event event = BUNDLE_MORE;
	u64 at = 0, content = 0;

	bundle_begin(&b);
	*files = 0;
	while (event != BUNDLE_BAD) {
		u64 taken, give = MIN(step, len - at);

		event = bundle_next(&b, data + at, give, &taken);
		ASSERT(taken <= give);
		at += taken;
		if (event == BUNDLE_FILE)
			ASSERT(manifest_path_is_good(b.path, b.path_len));
		if (event == BUNDLE_DATA) {
			ASSERT(b.data >= data && b.data + b.data_len <= data + len);
			content += b.data_len;
		}
		*files += event == BUNDLE_FILE_END;
		if (event == BUNDLE_MORE && at == len)
			break;
		if (event == BUNDLE_DATA && !b.data_len && at == len)
			break;
	}
	if (event != BUNDLE_BAD && bundle_is_done(&b))
		ASSERT(b.files == *files && b.bytes == content);
	return content;
}

static void
check_bundle(const u8 *data, u64 len)
{
	u64 files, again, step = len ? data[len - 1] % 61 + 1u : 1;
	u64 content = run_bundle(data, len, len ? len : 1, &files);

	ASSERT(run_bundle(data, len, step, &again) == content);
	ASSERT(again == files);
}

static void
check_header(const u8 *data, u64 len)
{
	static struct object_header header;
	struct object object;
	u64 number;

	memset(&header, 0, sizeof(header));
	memcpy(&header, data, MIN(len, sizeof(header)));
	if (len && data[0] & 1)
		object_header_end(&header);	// past the checksum
	if (object_header_read(&header, &object, &number))
		return;
	ASSERT(number < object_header_blocks(object.length));
	ASSERT(!object_header_check(&header, &object, number));
	object.first++;
	ASSERT(object_header_check(&header, &object, number) == OBJECT_MISPLACED);
}

static void
check_label(const u8 *data, u64 len)
{
	static u8 block[2][STORE_BLOCK] aligned_(8);
	static const u8 node[STORE_UUID];
	struct label label;
	enum label_class class;

	memset(block, 0, sizeof(block));
	memcpy(block, data, MIN(len, sizeof(block)));
	class = label_read(block[0], block[1], 1000, node, &label);
	if (class == LABEL_OURS)
		ASSERT(label.blocks >= STORE_BLOCKS_MIN && label.blocks <= 1000);
	if (class == LABEL_BLANK)
		ASSERT(label_is_zero(block[0], STORE_BLOCK));
}

int
LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int
LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static void (*const check[])(const u8 *data, u64 len) = {
		check_manifest, check_bundle, check_header, check_label,
	};
	u64 len = size ? size - 1 : 0;
	u8 *exact = malloc(len ? len : 1);

	if (!exact)
		abort();
	if (len)
		memcpy(exact, data + 1, len);
	check[size ? data[0] % 4 : 0](exact, len);
	free(exact);
	return 0;
}
