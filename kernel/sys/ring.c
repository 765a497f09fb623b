// SPDX-License-Identifier: BSD-2-Clause
// Binding packet rings, and the end of bindings. Authority is established here,
// once: which frames the ring lies in, what it may be sent from, whose address
// it bears, what it receives. ring_tx.c and ring_rx.c then compare bits.
//
// A binding lasts as long as the capabilities that it was made under: each is
// remembered by its node, and ring_cap_gone() ends what stood on a removed one.
// The ring's own capability stays with its owner, who may find it stopped
// (-E_STATE) and drops it.
//
// Invariants G1..G5: ring_state.h.

#include "kernel/sys/ring.h"
#include "kernel/arch/x86_64/memory.h"
#include "kernel/base/assert.h"
#include "kernel/base/scarce.h"
#include "kernel/base/string.h"
#include "kernel/dev/nic.h"
#include "kernel/fabric/fabric.h"
#include "kernel/sys/ring_state.h"

#define RECEIVE_BUFFERS 256u
#define RECEIVE_BUFFERS_SMALL 128u

STATIC_ASSERT(FABRIC_BUFFERS <= RECEIVE_BUFFERS / 4 * 3);
STATIC_ASSERT(RINGS_MAX <= 16);			// check_mac()

struct ring rings[RINGS_MAX];

// Payload bytes of a ring's frames: the fabric alone sends and takes longer ones.
static u16
ring_mtu(void)
{
	return MIN(nic_facts()->mtu, (u16)(RING_MTU_MAX - NIC_ETHERNET_LEN));
}

static void
interrupt(void)
{
	if (unlikely(ring_tx_sent()))
		ring_tx_collect();
	ring_rx_poll();
	// What others send they have told the device by now.
	if (unlikely(ring_tx_waiting || ring_handler_replies))
		ring_tx_flush();
}

void
ring_init(void)
{
	bool small = frames.count <= SMALL_NODE_FRAMES;

	for (u32 i = 0; i < RINGS_MAX; i++)
		rings[i].info = &ring_table[i];
	ring_claims_init();
	if (!nic_init(interrupt, small ? RECEIVE_BUFFERS_SMALL : RECEIVE_BUFFERS))
		return;

	const struct nic_facts *nic = nic_facts();

	memcpy(sys_info.nic_mac, nic->mac, sizeof(sys_info.nic_mac));
	sys_info.nic_mtu = ring_mtu();
	sys_info.nic_checksum = nic->checksum;
	sys_info.nic_segments = nic->segments;
	sys_info.nic_count = 1;
	ring_tx_init();
}

struct bind_checked {
	struct ring_spec spec;
	u32 index;		// free entry
	struct ring ring;	// that it becomes, as far as capabilities say
	struct ring_claim receive, send;
	u32 rights;		// of the NIC capability
	u8 mac[6];
};

// The interface, the ring's memory, and the regions that it may send from.
static i64
check_memory(const struct env *env, struct bind_checked *c)
{
	const struct ring_spec *s = &c->spec;
	struct ring *ring = &c->ring;
	const struct cap *cap;
	i64 error;

	if (!nic_works())
		return -E_ABSENT;
	error = cap_lookup(&caps, env->index, s->nic_slot, CAP_NIC, 0, &cap);
	if (error)
		return error;
	if (!(cap->rights & (CAP_READ | CAP_WRITE)))
		return -E_RIGHTS;
	c->rights = cap->rights;
	*ring = (struct ring){
		.bound = true,
		.running = true,
		.receives = cap->rights & CAP_READ,
		.sends = cap->rights & CAP_WRITE,
		.owner = env->index,
		.nic_node = cap_node(&caps, cap),
		.memory_frame = s->ring_frame,
	};
	error = check_frames(env, s->ring_slot, CAP_READ | CAP_WRITE,
			     s->ring_frame, RING_FRAMES, &ring->memory_node);
	ring->span_node[0] = ring->memory_node;
	for (u32 i = 0; !error && i < s->region_count; i++) {
		const struct ring_region *r = &s->region[i];

		error = check_frames(env, r->slot, CAP_READ, r->frame, r->count,
				     &ring->span_node[i + 1]);
	}
	return error;
}

// The address that it asks for; only who may forge chooses one that is not made
// from the node's. Made ones are locally administered; the index changes the upper half
// of the first byte, which leaves the part alone by which nodes of one rack differ.
static i64
check_mac(struct bind_checked *c)
{
	const struct ring_spec *s = &c->spec;

	if (s->mac_index < RINGS_MAX) {
		memcpy(c->mac, nic_facts()->mac, sizeof(c->mac));
		if (s->mac_index)
			c->mac[0] = (u8)(((c->mac[0] ^ s->mac_index << 4) & 0xf0) | 0x02);
		ASSERT((c->mac[0] & 1) == 0);
		return 0;
	}
	if (s->mac_index != RING_MAC_GIVEN || s->mac[0] & 1 ||
	    egress_mac(s->mac) == 0)
		return -E_ARGUMENT;
	if (!(c->rights & CAP_FORGE))
		return -E_RIGHTS;
	memcpy(c->mac, s->mac, sizeof(c->mac));
	return 0;
}

// Does it claim what it sends? Who may forge does not.
static bool
claims_sending(const struct bind_checked *c)
{
	return (c->rights & (CAP_WRITE | CAP_FORGE)) == CAP_WRITE;
}

// What it wants to receive and to send.
static i64
check_claims(const struct env *env, struct bind_checked *c)
{
	const struct ring_spec *s = &c->spec;
	struct claim_wish wish = { .ring = c->index, .mac = egress_mac(c->mac) };
	i64 error;

	c->receive.wish = c->send.wish = wish;
	c->send.wish.sends = true;
	error = ring_claim_check(env, s->narrows, s->filter, s->filter_count,
				 &c->receive);
	if (error && (error != -E_TAKEN || c->rights & CAP_READ))
		return error;
	error = ring_claim_check(env, s->narrows, s->send, s->send_count, &c->send);
	return error == -E_TAKEN && !claims_sending(c) ? 0 : error;
}

i64
check_ring_bind(struct call *call)
{
	struct bind_checked *c = CHECKED(call, struct bind_checked);
	struct ring_spec *s = &c->spec;
	i64 error = user_read(call->env, call->a[0], s, sizeof(*s));

	if (error)
		return error;
	if (s->region_count > RING_REGIONS_MAX)
		return -E_ARGUMENT;
	error = check_memory(call->env, c);
	if (!error)
		error = check_mac(c);
	if (error)
		return error;
	FIND_FIRST(c->index, RINGS_MAX, !rings[c->index].bound);
	if (SCARCE(c->index == RINGS_MAX))
		return -E_TABLE;
	error = check_claims(call->env, c);
	return error ? error : check_ring_room(call);
}

// What the ring may send.
static void
bind_egress(struct ring *ring, const struct bind_checked *c)
{
	const struct ring_spec *s = &c->spec;
	struct egress *e = &ring->egress;

	*e = (struct egress){
		.mac = egress_mac(ring->info->mac),
		.forges = c->rights & CAP_FORGE,
		.checksum = nic_facts()->checksum,
		.segments = nic_facts()->segments,
		.len_max = ring_mtu() + NIC_ETHERNET_LEN,
	};
	egress_narrow(e, &c->send.wish.filter);
	e->span[0] = (struct egress_span){ s->ring_frame, RING_FRAMES };
	for (u32 i = 0; i < s->region_count; i++)
		e->span[i + 1] = (struct egress_span){ s->region[i].frame,
						       s->region[i].count };
}

i64
do_ring_bind(struct call *call)
{
	const struct bind_checked *c = CHECKED(call, struct bind_checked);
	const struct ring_spec *s = &c->spec;
	struct ring *ring = &rings[c->index];
	struct ring_info *info = ring->info;

	ASSERT(!ring->bound && info->owner == 0);
	*info = (struct ring_info){ .mac_index = s->mac_index };
	memcpy(info->mac, c->mac, sizeof(info->mac));
	*ring = c->ring;
	ring->info = info;
	ring->control = frame_memory(s->ring_frame);
	ring->tx = frame_memory(s->ring_frame + 1);
	ring->buffers = frame_memory(s->ring_frame + RING_CONTROL_FRAMES);
	bind_egress(ring, c);
	if (ring->receives)
		ring_claim_let_in(&c->receive, 0);
	if (claims_sending(c))
		ring_claim_let_in(&c->send, CLAIM_SEND);
	memset(ring->control, 0, sizeof(*ring->control));
	memcpy(ring->control->mac, info->mac, sizeof(info->mac));
	info->owner = call->env->info->id;
	ring_rx_list();
	return mint_ring(call, CAP_RING,
			 (c->rights & (CAP_READ | CAP_WRITE)) | CAP_DERIVE, c->index);
}

i64
check_ring_kick(struct call *call)
{
	u32 *head = CHECKED(call, u32);
	const struct ring *ring = &rings[call->cap->base];

	ASSERT(ring->bound);
	if (!ring->running)
		return -E_STATE;
	if (!nic_works())
		return -E_DEVICE;
	*head = ring->tx_taken;
	if (call->cap->rights & CAP_WRITE)
		*head = shared_load(&ring->control->tx_head);
	return ring_tx_plausible(ring, *head) ? 0 : -E_ARGUMENT;
}

i64
do_ring_kick(struct call *call)
{
	ring_tx_collect();
	ring_tx_send(&rings[call->cap->base], *CHECKED(call, u32));
	ring_tx_flush();
	if (nic_receive_waiting())
		ring_rx_poll();
	return 0;
}

void
ring_destroy(u32 index)
{
	ASSERT(index < RINGS_MAX && rings[index].bound);

	struct ring *ring = &rings[index];

	ring_tx_forget(index);
	ring_claims_end(index);
	quota_return_ring(&envs[ring->owner]);
	*ring->info = (struct ring_info){ 0 };
	*ring = (struct ring){ .info = ring->info };
	ring_rx_list();
}

void
ring_cap_gone(u32 cap_node, u64 from)
{
	bool stopped = false;

	for (u32 i = 0; i < RINGS_MAX; i++) {
		struct ring *ring = &rings[i];

		if (!ring->bound)
			continue;
		ring_handler_cap_gone(ring, cap_node, from);
		for (u32 s = 0; s < EGRESS_SPANS_MAX; s++) {
			struct egress_span *span = &ring->egress.span[s];

			if (ring->span_node[s] == cap_node &&
			    span->first + span->count > from)
				span->count = 0;			// G2
		}
		if (ring->running &&
		    (ring->nic_node == cap_node ||
		     (ring->memory_node == cap_node &&
		      ring->memory_frame + RING_FRAMES > from))) {
			ring->running = false;				// G1
			ring->stalled = false;
			ring_claims_end(i);				// G4
			stopped = true;
			env_hint(ring->owner);
		}
	}
	if (stopped)
		ring_rx_list();
}

void
ring_watched(u64 frame, u32 offset)
{
	bool found = false;

	if (offset != offsetof(struct ring_control, tx_done))
		return;
	for (u32 i = 0; i < RINGS_MAX; i++) {
		struct ring *ring = &rings[i];

		if (ring->running && ring->memory_frame == frame &&
		    ring->in_flight > 0) {
			ring->watched = ring_tx_waiting = true;
			found = true;
		}
	}
	if (found) {
		ring_tx_collect();
		ring_tx_flush();
	}
}

void
ring_idle(void)
{
	if (ring_tx_sent())
		interrupt();
}
