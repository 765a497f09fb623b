// SPDX-License-Identifier: BSD-2-Clause
// Names of nodes, looked up in the exported table of links.

#include "libos/remote/node.h"
#include "kernel/base/fmt.h"
#include "kernel/base/string.h"
#include "libos/crt/clock.h"
#include "libos/io/wait.h"
#include "libos/text/text.h"

#define MAC_TEXT 18u

void
node_uuid_text(const volatile u8 uuid[16], char text[37])
{
	u32 at = 0;

	for (u32 i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			text[at++] = '-';
		at += (u32)fmt_into(text + at, 37 - at, "%02x", uuid[i]);
	}
	text[at] = 0;
}

static bool
fits(u16 link, const char *name)
{
	const volatile struct fabric_link *l = &link_table()[link];
	char uuid[37], mac[MAC_TEXT];

	node_uuid_text(l->uuid, uuid);
	fmt_into(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", l->mac[0],
		 l->mac[1], l->mac[2], l->mac[3], l->mac[4], l->mac[5]);
	return string_starts(uuid, name) || !strcmp(mac, name);
}

u16
node_find(const char *name)
{
	u16 found = NODE_NONE;
	u64 index;

	// A number below the table's size is an index; longer ones begin a UUID.
	if (text_to_u64(name, &index) && strlen(name) <= 3)
		return index < fabric_info()->links ? (u16)index : NODE_NONE;
	for (u16 i = 0; i < fabric_info()->links; i++) {
		if (!*name || !fits(i, name))
			continue;
		if (found != NODE_NONE)
			return NODE_NONE;
		found = i;
	}
	return found;
}

u16
node_wait(const char *name, u64 deadline_ns)
{
	for (;;) {
		u32 changes = fabric_info()->changes;
		u16 node = node_find(name);
		struct wait_set set;

		if (node != NODE_NONE &&
		    link_table()[node].state == FABRIC_LINK_UP)
			return node;
		if (now_ns() >= deadline_ns)
			return NODE_NONE;
		wait_begin(&set);
		wait_word_add(&set, &fabric_info()->changes, changes);
		wait_until(&set, deadline_ns);
		wait_sleep(&set);
	}
}
