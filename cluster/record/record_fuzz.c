// SPDX-License-Identifier: BSD-2-Clause
// Fuzzes the decoder on memory of exactly the record's size: what it takes is sound and
// encodes to the same bytes; the head says the same as the whole. It begins with a record
// that has jobs: from nothing no run ever came to one.
//
// lines: cluster/record/record.golden
// links: cluster/record/record.c cluster/record/codec.c kernel/base/string.c
// links: harness/testing/host_assert.c

#include <stdlib.h>
#include <string.h>

#include "cluster/record/record.h"
#include "kernel/base/assert.h"
#include "kernel/base/byteorder.h"

int
LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int
LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static struct record record;
	static u8 again[RECORD_MAX];
	struct record_head head;
	u8 *exact = malloc(size ? size : 1);
	u32 len;

	if (!exact)
		abort();
	if (size)
		memcpy(exact, data, size);
	if (size >= 8 && data[0] & 1) {
		le32_store(exact, 0x43455244);
		le16_store(exact + 4, 1);
	}
	if (record_decode(&record, exact, (u32)size) == RECORD_OK) {
		record_check(&record);
		ASSERT(record_encode(&record, again, &len) == RECORD_OK);
		ASSERT(len == size && !memcmp(again, exact, len));
		ASSERT(record_decode_head(&head, exact, (u32)size) == RECORD_OK);
		ASSERT(head.version == record.version &&
		       head.voters == record_voters(&record));
	} else if (record_decode_head(&head, exact, (u32)size) == RECORD_OK) {
		ASSERT(head.voters <= RECORD_NODES);
	}
	free(exact);
	return 0;
}
