// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Between content.c (blocks, pins, waiters) and load.c (reads).

#include "libos/content/content.h"

#define HEADER_BIT (1ull << 63)		// of content_block.index: a header's number

// content.c
void
content_list_add(struct content_list *list, struct content_wait *wait);

// The block of that name, or CONTENT_NONE.
u32
content_find(const struct content *content, const u8 id[STORE_ID], u64 index);

// A block of that name in state LOADING, or CONTENT_NONE: no memory now.
must_check u32
content_take(struct content *content, const u8 id[STORE_ID], u64 index);

void
content_pin(struct content *content, u32 block);

// Takes back a pin of which nothing came.
void
content_release(struct content *content, u32 block);

// A block that was loading is here, or cannot be had.
void
content_settle(struct content *content, u32 block, bool here);

// Something that starved waiters may wait for has happened.
void
content_relieve(struct content *content);

// load.c: begins to load a content block, and its header if that is not here.
// False: no memory or no room now.
must_check bool
content_load(struct content *content, const struct content_object *object,
	     u64 index, bool ahead);
