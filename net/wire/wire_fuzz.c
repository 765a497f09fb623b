// SPDX-License-Identifier: BSD-2-Clause
// Fuzzes the parser on memory of exactly the frame's size. What it accepts must
// lie inside the frame, read as it would be written, and keep the promises that
// nobody behind it checks again.
//
// links: net/wire/wire.c harness/testing/host_assert.c

#include <stdlib.h>
#include <string.h>

#include "kernel/base/assert.h"
#include "net/wire/wire.h"

static void
check_request(const struct wire_frame *f)
{
	const struct wire_request *r = &f->request;
	bool whole = r->flags & WIRE_FLAG_WHOLE;
	u32 data = wire_request_data(r);

	ASSERT(r->op > 0 && r->op < OP_COUNT && r->length <= WIRE_DATA_MAX);
	ASSERT(r->offset + r->length >= r->offset);
	ASSERT(f->payload_len <= WIRE_DATA_MAX);
	if (r->op == OP_MCAS || r->op == OP_READV || r->op == OP_PUTV ||
	    r->op == OP_GRANT || r->flags & WIRE_FLAG_CANCEL)
		return;			// how long, their payload says
	ASSERT(r->part < wire_parts(data, whole));
	ASSERT(r->part * WIRE_PART + f->payload_len <= MAX(data, WIRE_DATA_MAX));
	ASSERT(f->payload_len == wire_part_len(data, whole, r->part));
}

static void
check_response(const struct wire_frame *f)
{
	const struct wire_response *r = &f->response;

	ASSERT(r->status < STATUS_COUNT && r->code < CODE_COUNT);
	ASSERT(r->parts >= 1 && r->parts <= WIRE_PARTS_MAX && r->part < r->parts);
	ASSERT(r->part * WIRE_PART + f->payload_len <= WIRE_DATA_MAX);
}

static void
check(const struct wire_frame *f, const u8 *bytes, u32 len)
{
	u8 header[WIRE_HEADER];

	ASSERT(f->tagged == bytes + WIRE_ETHERNET);
	ASSERT(f->tagged_len + WIRE_TAG + WIRE_ETHERNET <= len);
	ASSERT(f->payload + f->payload_len == f->tagged + f->tagged_len);
	wire_header_store(header, &f->header);
	ASSERT(!memcmp(header, f->tagged, WIRE_HEADER));
	if (f->header.kind == WIRE_REQUEST)
		check_request(f);
	if (f->header.kind == WIRE_RESPONSE)
		check_response(f);
}

int
LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int
LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct wire_frame frame;
	u8 *exact = malloc(size ? size : 1);

	if (!exact)
		abort();
	if (size)
		memcpy(exact, data, size);
	// Past the first checks, for most inputs.
	if (size >= WIRE_BODY_AT + WIRE_TAG && size < 0x8000 && data[0] & 3) {
		be16_store(exact + 12, WIRE_ETHERTYPE);
		exact[WIRE_ETHERNET] = WIRE_VERSION;
		le16_store(exact + WIRE_ETHERNET + 2, (u16)(size - WIRE_ETHERNET));
	}
	if (wire_parse(&frame, exact, (u32)size) == WIRE_FINE)
		check(&frame, exact, (u32)size);
	free(exact);
	return 0;
}
