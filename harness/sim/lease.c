// SPDX-License-Identifier: BSD-2-Clause
// Leases of copies: what the holder's host does. Bytes are not copied: whether a copy may
// be read is what counts. What is copied may have been taken back, given up or never been
// readable; then its lease must not begin.

#include "harness/sim/lease.h"
#include "harness/sim/node.h"
#include "kernel/base/assert.h"

void
lease_boot(struct sim_node *node)
{
	for (u32 i = 0; i < LEASES; i++)
		node->lease[i].used = false;
}

static void
end(struct sim_node *node, struct sim_lease *lease)
{
	rcap_lease_end(node->rcap, lease->name);
	lease->used = false;
	sim.result->copies_given++;
}

void
lease_env_ends(struct sim_node *node, u32 env)
{
	for (u32 i = 0; i < LEASES; i++) {
		if (node->lease[i].used && node->lease[i].env == node->env[env].id)
			end(node, &node->lease[i]);
	}
}

static const struct held *
any_held(const struct sim_env *env)
{
	u32 start = (u32)sim_below(HELD_MAX), i = 0;

	while (i < HELD_MAX - 1 && !env->held[(start + i) % HELD_MAX].used)
		i++;
	return &env->held[(start + i) % HELD_MAX];
}

static void
begin(struct sim_node *node, u32 env, u32 place)
{
	const struct held *held = any_held(&node->env[env]);
	struct rcap_lease_terms terms = {
		.remote = held->remote,
		.offset = (u64)held->count * UNIT - 1,
		.environment = node->env[env].id,
		.tag = place,
	};
	u32 name;

	if (!held->used)
		return;
	name = rcap_lease(node->rcap, &terms);
	if (name == RCAP_NONE)
		return;
	node->lease[place] = (struct sim_lease){
		.used = true, .name = name, .env = terms.environment, .row = held->row,
	};
	TRACE(node_index(node), "environment %lu copies row %lu", terms.environment,
	      held->row);
}

void
lease_act(struct sim_node *node, u32 env)
{
	u32 place = (u32)sim_below(LEASES);

	if (!node->lease[place].used)
		begin(node, env, place);
	else if (sim_below(8) == 0)
		end(node, &node->lease[place]);
}

static void
judge(const struct sim_node *node, const struct sim_lease *lease)
{
	u64 now = sim.trace.now;

	if (now > RCAP_LEASE_NS && !authority_holds(&sim.model.authority, lease->row,
						     now - RCAP_LEASE_NS))
		sim_failed(node_index(node), "a copy outlives its capability");
}

void
lease_check(const struct sim_node *node)
{
	for (u32 i = 0; i < LEASES; i++) {
		if (node->lease[i].used && node->lease[i].proven)
			judge(node, &node->lease[i]);
	}
}

void
rcap_host_leased(void *host, u32 tag)
{
	struct sim_node *node = host;
	struct sim_lease *lease = &node->lease[tag];
	const struct authority_cap *row = &sim.model.authority.cap[lease->row];

	ASSERT(tag < LEASES && lease->used && !lease->proven);
	TRACE(node_index(node), "the copy of row %lu is under a lease", lease->row);
	if (row->store != STORE_PAGES || !(row->rights & CAP_READ))
		sim_failed(node_index(node), "a copy of what may not be read");
	lease->proven = true;
	sim.result->copies++;
	judge(node, lease);
}

void
rcap_host_lapsed(void *host, u32 tag, enum wire_code code)
{
	struct sim_node *node = host;
	struct sim_lease *lease = &node->lease[tag];

	ASSERT(tag < LEASES && lease->used);
	TRACE(node_index(node), "the lease of row %lu is over, code %lu", lease->row, code);
	lease->used = false;
	if (lease->proven && code == CODE_NONE)
		sim.result->copies_timed++;
	else if (lease->proven)
		sim.result->copies_refused++;
}
