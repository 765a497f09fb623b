// SPDX-License-Identifier: BSD-2-Clause
// A host of net/rcap that has nothing and does nothing, for rigs that are about
// something else: no tree below what they grant, no disk, no endpoints, no programs.
// Each function is weak: a rig defines those that it is about, and is asked for no
// other when the core learns to ask for more.
//
// What is refused here is refused with the code that a kernel without such a thing
// gives, so that a peer's request ends as it would there.

#include "net/rcap/rcap.h"

#define DEFAULT __attribute__((weak))

DEFAULT bool
rcap_host_walk(void *host, u32 node, u32 node_generation, u8 *rights)
{
	(void)host, (void)node, (void)node_generation, (void)rights;
	return true;
}

DEFAULT bool
rcap_host_below(void *host, u32 node, u32 above)
{
	(void)host, (void)node, (void)above;
	return false;
}

DEFAULT enum wire_code
rcap_host_derive(void *host, u32 parent, u32 rights, u64 base, u64 count, u32 *node,
		 u32 *node_generation)
{
	(void)host, (void)parent, (void)rights, (void)base, (void)count;
	*node = *node_generation = 0;
	return CODE_TABLE;
}

DEFAULT void
rcap_host_revoke(void *host, u32 node, bool self)
{
	(void)host, (void)node, (void)self;
}

DEFAULT void
rcap_host_protect(void *host, u32 node, u8 rights)
{
	(void)host, (void)node, (void)rights;
}

DEFAULT enum wire_code
rcap_host_alloc(void *host, u32 parent, const struct wire_alloc *wanted,
		struct rcap_taken *taken)
{
	(void)host, (void)parent, (void)wanted, (void)taken;
	return CODE_FRAMES;
}

DEFAULT enum wire_code
rcap_host_granted(void *host, const struct rcap_remote *remote,
		  const struct wire_grant *grant)
{
	(void)host, (void)remote, (void)grant;
	return CODE_PLACE;
}

DEFAULT void
rcap_host_grant_ended(void *host, u32 entry, u32 node, u32 node_generation,
		      enum wire_code code)
{
	(void)host, (void)entry, (void)node, (void)node_generation, (void)code;
}

DEFAULT void
rcap_host_message(void *host, const struct rcap_message *message)
{
	(void)host, (void)message;
}

DEFAULT enum wire_code
rcap_host_invoke(void *host, const struct rcap_message *message, const u8 *bytes,
		 u64 result[2], u64 *took_ns)
{
	(void)host, (void)message, (void)bytes, (void)result, (void)took_ns;
	return CODE_HANDLER;
}

DEFAULT void
rcap_host_changed(void *host, u64 local, u32 len)
{
	(void)host, (void)local, (void)len;
}

DEFAULT bool
rcap_host_block(void *host, u32 ticket, enum wire_op op, u64 block, u32 count,
		u8 *page)
{
	(void)host, (void)ticket, (void)op, (void)block, (void)count, (void)page;
	return false;
}

DEFAULT bool
rcap_host_able(void *host, enum wire_op op)
{
	(void)host, (void)op;
	return false;
}

DEFAULT bool
rcap_host_cas16(void *host, u64 *at, u64 expected[2], const u64 desired[2])
{
	(void)host, (void)at, (void)expected, (void)desired;
	return false;
}

DEFAULT bool
rcap_host_room(void *host)
{
	(void)host;
	return true;
}

DEFAULT void
rcap_host_shorten(void *host, u32 node, u64 keep)
{
	(void)host, (void)node, (void)keep;
}

DEFAULT void
rcap_host_recalled(void *host, const struct rcap_recalled *recalled)
{
	(void)host, (void)recalled;
}

DEFAULT enum wire_code
rcap_host_asked(void *host, const struct rcap_remote *remote,
		const struct wire_recall *recall, u64 deadline)
{
	(void)host, (void)remote, (void)recall, (void)deadline;
	return CODE_ENTRY;
}

DEFAULT void
rcap_host_leased(void *host, u32 tag)
{
	(void)host, (void)tag;
}

DEFAULT void
rcap_host_lapsed(void *host, u32 tag, enum wire_code code)
{
	(void)host, (void)tag, (void)code;
}
