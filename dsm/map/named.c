// SPDX-License-Identifier: BSD-2-Clause
// Instances by the names of their nodes, from a command line. Links are looked up each
// time: a node that comes back may have another one.

#include "dsm/map/named.h"
#include "libos/crt/clock.h"
#include "libos/remote/node.h"
#include "libos/text/text.h"

bool
named_read(struct named *named, char *list, u32 number)
{
	*named = (struct named){ .number = number };
	while (*list) {
		if (named->count == DSM_MEMBERS_MAX)
			return false;
		named->name[named->count++] = list;
		while (*list && *list != ',')
			list++;
		if (*list)
			*list++ = '\0';
	}
	return named->count > number;
}

static bool
is_up(u16 link)
{
	return link != NODE_NONE && link_table()[link].state == FABRIC_LINK_UP;
}

u32
named_find(void *context, struct dsm_peer peer[DSM_MEMBERS_MAX], bool *decides)
{
	const struct named *named = context;
	u32 count = 0;

	for (u32 i = 0; i < named->count; i++) {
		bool here = !strcmp(named->name[i], named->name[named->number]);
		u16 link = here ? FABRIC_NODE_SELF : node_find(named->name[i]);

		if (i == named->number || (!here && !is_up(link)))
			continue;
		peer[count++] = (struct dsm_peer){
			.link = link, .number = (u16)i,
		};
	}
	*decides = (count + 1) * 2 > named->count;
	return count;
}
