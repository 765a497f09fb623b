// SPDX-License-Identifier: BSD-2-Clause
// The machine below storage: the kernel's calls, the clock, membership. No decision of
// storage's stands here.

#include "cluster/storage/machine.h"
#include "cluster/agent/membership.h"
#include "cluster/agent/status.h"
#include "libos/crt/clock.h"
#include "libos/crt/start.h"
#include "libos/crt/syscall.h"
#include "libos/io/fabric.h"
#include "libos/remote/far.h"

u64
machine_now(void)
{
	return now_ns();
}

u64
machine_random(void)
{
	u64 word = 0;

	while (sys_entropy_read(&word, sizeof(word)) || !word)
		task_sleep(now_ns() + NS_PER_MS);
	return word;
}

bool
machine_peer(const u8 uuid[16], struct peer *peer)
{
	const struct members *members = membership();
	u8 slot;

	if (!memcmp(uuid, peer_self()->uuid, sizeof(peer->uuid))) {
		*peer = *peer_self();
		return true;
	}
	slot = members_find(members, uuid);
	if (slot == MEMBER_NONE)
		return false;
	*peer = member_peer(&members->member[slot]);
	return true;
}

bool
machine_is_alive(const u8 uuid[16])
{
	return !memcmp(uuid, peer_self()->uuid, sizeof(peer_self()->uuid)) ||
	       member_life_of(uuid) != MEMBER_DEAD;
}

bool
machine_may_pass(i64 result)
{
	enum {
#define X(name, number, sentence) name = number,
#include "net/wire/codes.def"
#undef X
	};
	const i64 code = FAR_CODE(0) - result;

	return result == FAR_UNKNOWN || code == CODE_PEER || code == CODE_SESSION ||
	       code == CODE_WINDOWS;
}

u64
machine_free_blocks(const u8 uuid[16])
{
	const struct status *status;
	struct peer peer;

	if (!machine_peer(uuid, &peer))
		return 0;
	status = status_of(&peer);
	return status ? status->blocks_free : 0;
}

static i64
derive(u32 rights, u64 first, u64 count)
{
	return sys_cap_derive(startup_slot(ROLE_BLOCKS), CAP_SLOT_SELF,
			      rights | CAP_DERIVE, first, count);
}

static i64
grant(const struct message *asker, u32 slot, u32 rights, u64 first, u64 count,
      u64 word)
{
	struct fabric_submit submit = {
		.op = FABRIC_GRANT,
		.slot = slot,
		.node = asker->link,
		.target = {
			.incarnation = asker->from.incarnation,
			.environment = asker->environment,
			.rights = rights,
			.base = first,
			.count = count,
			.word = word,
		},
	};
	struct fabric_complete complete;

	return task_fabric(&submit, &complete, 1);
}

i64
machine_grant(const struct message *asker, u64 first, u64 count, u64 word)
{
	i64 slot = derive(CAP_WRITE, first, count);
	i64 error;

	if (slot < 0)
		return slot;
	error = grant(asker, (u32)slot, CAP_WRITE, first, count, word);
	if (error)
		cap_drop_all((u32)slot);
	return error ? error : slot;
}

i64
machine_lend(const struct message *asker, u64 first, u64 count, u64 word)
{
	static i64 lent = -E_SLOT;

	if (lent < 0)
		lent = derive(CAP_READ, first, count);
	if (lent < 0)
		return lent;
	return grant(asker, (u32)lent, CAP_READ, first, count, word);
}

bool
machine_is_instance(const struct message *asker)
{
	const struct status *status = status_of(&asker->from);

	for (u32 i = 0; status && i < status->instance_count; i++) {
		if (status->instance[i].environment == asker->environment)
			return true;
	}
	return false;
}

void
machine_revoke(u32 slot)
{
	cap_drop_all(slot);
}

void
machine_drop(u32 slot)
{
	cap_drop_all(slot);
}

u64
machine_local(const void *address)
{
	return fabric_local(address);
}
