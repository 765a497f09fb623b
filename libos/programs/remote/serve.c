// SPDX-License-Identifier: BSD-2-Clause
// Offers pages, and blocks of the disk, to whoever of the cluster asks: for tests
// and trials, and started only where somebody says so. What is granted comes from
// one capability each, so that taking it back is one call.

#include "kernel/base/string.h"
#include "libos/crt/console.h"
#include "libos/crt/start.h"
#include "libos/crt/status.h"
#include "libos/crt/syscall.h"
#include "libos/mem/layout.h"
#include "libos/programs/remote/remote.h"

#define PAGES_MAX 1024u
#define POSTS 8u
#define POST_BYTES 256u
#define TAG_GRANT 0xffffull

// What is granted from; SLOT_NONE when there is none.
struct offer {
	u32 root;
	u32 slot;		// derived from it: revoked as a whole
	u32 rights;
	u64 base;
	u64 count;
};

static struct offer pages = { SLOT_NONE, SLOT_NONE, 0, 0, 0 };
static struct offer blocks = { SLOT_NONE, SLOT_NONE, 0, 0, 0 };
static u32 endpoint;

static i64
offer_open(struct offer *offer, u32 root, u32 rights)
{
	struct cap_info info;
	i64 result = sys_cap_inspect(CAP_SLOT_SELF, root, &info);

	if (result)
		return result;
	offer->root = root;
	offer->rights = rights | CAP_DERIVE;
	offer->base = info.base;
	offer->count = info.count;
	result = sys_cap_derive(root, CAP_SLOT_SELF, offer->rights, info.base,
				info.count);
	offer->slot = result < 0 ? SLOT_NONE : (u32)result;
	return MIN(result, 0);
}

static u8 *
post_buffer(u64 tag)
{
	return region_page(0) + tag * POST_BYTES;
}

static bool
post(u64 tag)
{
	struct fabric_submit s = {
		.tag = tag,
		.op = FABRIC_POST,
		.slot = endpoint,
		.local = fabric_local(post_buffer(tag)),
		.length = POST_BYTES,
	};

	return fabric_put(&fabric, &s);
}

static void
give(const struct offer *offer, const struct far_ask *ask,
     const struct fabric_complete *from)
{
	struct fabric_submit s = {
		.tag = TAG_GRANT,
		.op = FABRIC_GRANT,
		.slot = offer->slot,
		.node = from->node,
		.target = {
			.incarnation = from->incarnation,
			.environment = from->environment,
			.rights = ask->rights & offer->rights,
			.base = offer->base + ask->first,
			.count = ask->count ? ask->count
					    : offer->count - ask->first,
			.word = ask->word,
		},
	};

	if (offer->slot == SLOT_NONE || ask->first >= offer->count ||
	    !fabric_put(&fabric, &s))
		print("remote: node %u asked for what is not offered\n",
		      from->node);
}

static void
answer(const struct fabric_complete *from)
{
	struct far_ask ask;

	if (from->length != sizeof(ask))
		return;
	memcpy(&ask, post_buffer(from->tag), sizeof(ask));
	switch (ask.kind) {
	case FAR_ASK_PAGES:
		give(&pages, &ask, from);
		break;
	case FAR_ASK_BLOCKS:
		give(&blocks, &ask, from);
		break;
	case FAR_ASK_REVOKE:
		if (pages.slot != SLOT_NONE && sys_cap_revoke(pages.slot))
			print("remote: cannot revoke\n");
		if (blocks.slot != SLOT_NONE && sys_cap_revoke(blocks.slot))
			print("remote: cannot revoke\n");
		break;
	case FAR_ASK_FREE:
		cap_drop_all(pages.root);
		pages.slot = SLOT_NONE;
		break;
	default:
		break;
	}
}

static i64
open_all(u64 count, u32 block_rights)
{
	i64 result = sys_frame_alloc(FRAME_ANY, (u32)count);

	if (result >= 0)
		result = offer_open(&pages, (u32)result, CAP_READ | CAP_WRITE);
	if (!result && block_rights && startup_slot(ROLE_BLOCKS) != SLOT_NONE)
		result = offer_open(&blocks, startup_slot(ROLE_BLOCKS),
				    block_rights);
	if (result)
		return result;
	result = sys_endpoint_open(fabric.fabric_slot, fabric.slot, FAR_SERVICE);
	endpoint = (u32)result;
	return MIN(result, 0);
}

int
serve(int argc, char **argv)
{
	struct fabric_complete complete;
	u32 block_rights = 0;
	u64 count;
	i64 error;

	if (!string_to_u64(argv[2], &count) || count < 1 || count > PAGES_MAX)
		return STATUS_USAGE;
	if (argc > 3)
		block_rights = !strcmp(argv[3], "rw") ? CAP_READ | CAP_WRITE
						      : CAP_READ;
	error = open_all(count, block_rights);
	for (u64 i = 0; i < POSTS && !error; i++)
		error = post(i) ? 0 : -E_STATE;
	if (!error)
		print("remote: serving %lu pages%s\n", count,
		      blocks.slot == SLOT_NONE ? "" : " and the disk");
	while (!error && !(error = fabric_flush(&fabric))) {
		if (!fabric_next(&fabric, &complete, NEVER))
			continue;
		if (complete.op == FABRIC_POST) {
			if (complete.outcome != FABRIC_DONE)
				break;
			answer(&complete);
			if (!post(complete.tag))
				break;
		} else if (complete.outcome != FABRIC_DONE) {
			print("remote: a grant ended: %s\n",
			      far_error_text(far_result(&complete)));
		}
	}
	print("remote: serves no more: %s\n", far_error_text(error));
	return STATUS_FAILED;
}
