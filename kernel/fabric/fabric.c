// SPDX-License-Identifier: BSD-2-Clause
// The fabric's start, and its turns: frames and time go in, answers, frames and
// completions come out. No decision of the protocol stands here.
//
// A turn runs in whoever holds the kernel lock: after a batch of received frames,
// a kick, a disk's interrupt, or when the boot processor's timer says that
// something is due. Its work is bounded by the receive buffers, the pool of
// operations and the pool of transmit buffers.

#include "kernel/fabric/fabric.h"
#include "kernel/arch/x86_64/clock.h"
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/arch/x86_64/memory.h"
#include "kernel/base/assert.h"
#include "kernel/base/string.h"
#include "kernel/dev/disk.h"
#include "kernel/dev/nic.h"
#include "kernel/fabric/key.h"
#include "kernel/fabric/state.h"
#include "kernel/main/entropy.h"
#include "kernel/main/kprintf.h"
#include "kernel/main/words.h"
#include "kernel/sys/queue.h"
#include "kernel/sys/sched.h"
#include "kernel/sys/tables.h"
#include "kernel/sys/wait.h"

#define BUFFER_NARROW 2048u	// for frames of an MTU of 1500
#define TRANSMIT_BUFFERS 128u	// what one peer may ask for at a time, and more
#define TRANSMIT_BUFFERS_SMALL 32u
#define PEERS_SMALL 128u
#define WINDOWS 128u		// peers that are talked to at a time, each 4 KiB
#define WINDOWS_SMALL 16u
#define HANDSHAKES 32u
#define STAGING_SMALL 16u
#define KEY_AGREEMENTS 64u	// a second, about 1 ms each
#define DROPS_ROOM 16u		// operations of the kernel's own
#define REQUESTS_SMALL 48u	// three frames for each of fifteen peers
#define ANSWERS_SMALL 24u
#define GRANTS_MAX 64u
#define RECALLS_MAX 64u
#define BUSY_NS (10 * NS_PER_MS)
#define STARVED_NS NS_PER_MS

STATIC_ASSERT(NIC_HEADROOM + WIRE_ETHERNET + WIRE_MTU_MIN <= BUFFER_NARROW);
STATIC_ASSERT(WIRE_WHOLE_MTU <= NIC_MTU_MAX);

struct fabric fabric = { .due = NEVER };

// What names the node for good: the firmware's UUID, else its address.
static void
node_uuid(u8 uuid[16])
{
	static const u8 zero[16];

	memcpy(uuid, sys_info.node_uuid, 16);
	if (!memcmp(uuid, zero, 16))
		memcpy(uuid + 10, sys_info.nic_mac, 6);
}

static bool
start(const u8 key[32], bool small, u8 cover)
{
	struct links_config lc = {
		.incarnation = sys_info.incarnation,
		.mtu = nic_facts()->mtu,
		.peers_max = small ? PEERS_SMALL : FABRIC_LINKS_MAX,
		.windows_max = small ? WINDOWS_SMALL : WINDOWS,
		.handshakes_max = HANDSHAKES,
		.key_agreements_max = KEY_AGREEMENTS,
		.grant_pool = (u16)(small ? REQUESTS_SMALL : FABRIC_REQUEST_BUFFERS),
		.landing_pool = (u16)(small ? ANSWERS_SMALL : FABRIC_ANSWER_BUFFERS),
		.cover = cover,
	};
	struct rcap_config rc = {
		.memory = direct(0),
		.staging_count = small ? STAGING_SMALL : STAGING_MAX,
		.exports_max = EXPORTS_MAX,
		.ops_max = PENDING_MAX + DROPS_ROOM,
		.grants_max = GRANTS_MAX,
		.endpoints_max = ENDPOINTS_MAX,
		.buffers_max = PENDING_MAX,
		.services_max = ENDPOINTS_MAX,
		.recalls_max = RECALLS_MAX,
		.leases_max = LEASES_MAX,
	};
	u64 links_size, rcap_size;

	rc.lease_byte = physical_of(boot_frames(1));
	if (!disk_facts())
		rc.staging_count = 0;
	node_uuid(lc.uuid);
	memcpy(lc.mac, nic_facts()->mac, 6);
	memcpy(lc.cluster_key, key, 32);
	if (!entropy_fill(lc.secret_key, 32) || !entropy_fill(lc.entropy, 32))
		return false;
	observe_init(&lc, &rc, small);
	links_size = links_memory_needed(&lc);
	rcap_size = rcap_memory_needed(&rc, &lc);
	if (rc.staging_count)
		rc.staging = boot_frames(rc.staging_count);
	fabric.links = links_init(boot_frames(ALIGN_UP(links_size, PAGE_SIZE) /
					      PAGE_SIZE),
				  links_size, &lc, clock_ns());
	ASSERT(fabric.links);
	fabric.rcap = rcap_init(boot_frames(ALIGN_UP(rcap_size, PAGE_SIZE) /
					    PAGE_SIZE),
				rcap_size, &rc, &lc, fabric.links, NULL);
	ASSERT(fabric.rcap);
	transmit_init(small ? TRANSMIT_BUFFERS_SMALL : TRANSMIT_BUFFERS,
		      nic_facts()->mtu < WIRE_WHOLE_MTU
			      ? BUFFER_NARROW
			      : ALIGN_UP((u32)WIRE_FRAME_MAX + NIC_HEADROOM, 64u));
	memcpy(fabric_info.uuid, lc.uuid, 16);
	memset(&lc, 0, sizeof(lc));
	return true;
}

// `look=N`: a processor with nothing to do looks for frames that come soon, for N
// microseconds at most, before it halts (look.h).
static u64
look_bound_ns(void)
{
	const char *at = boot_word("look=");
	u32 us = 0;

	if (!at)
		return 0;
	for (; *at >= '0' && *at <= '9' && us <= LOOK_MOST_US; at++)
		us = 10 * us + (u32)(*at - '0');
	if ((!*at || *at == ' ') && us <= LOOK_MOST_US)
		return us * NS_PER_US;
	kprintf("fabric: look= is not a number of microseconds up to %u\n",
		LOOK_MOST_US);
	return 0;
}

void
fabric_init(char *cmdline, bool small)
{
	u8 key[32], cover;

	if (!key_take(cmdline, key) || !key_cover(cmdline, &cover))
		return;
	if (!nic_facts() || nic_facts()->mtu < WIRE_MTU_MIN) {
		fabric_info.state = FABRIC_NO_NIC;
		kprintf("fabric: no interface that takes %u bytes: this node "
			"joins no cluster\n", WIRE_MTU_MIN);
		return;
	}
	if (!sys_info.incarnation || !start(key, small, cover)) {
		fabric_info.state = FABRIC_NO_ENTROPY;
		kprintf("fabric: no source of entropy: this node joins no "
			"cluster\n");
		return;
	}
	pending_init();
	exports_init();
	fabric_info.state = FABRIC_ON;
	fabric.on = true;
	fabric.look.bound_ns = look_bound_ns();
	fabric.due = 0;
}

bool
fabric_on(void)
{
	return fabric.on;
}

// What a frame or a submission has brought may be more than the frames that went out
// for it: something ended, or time plays a part. Then a turn is due.
static void
note_due(u64 wants)
{
	fabric.due = MIN(fabric.due, wants);
	fabric.due = min_u64(fabric.due, show_due());
}

// The boot processor's timer keeps the time.
static void
keep_time(void)
{
	if (fabric.due < cpus[0].timer_at_ns)
		sched_kick(0);
}

static void
completed(const struct rcap_completion *c, u64 now)
{
	struct pending *p;

	if (c->tag >= PENDING_MAX) {
		remote_told((u32)(c->tag - PENDING_MAX), c, now);
		return;
	}
	p = &pendings[c->tag];
	ASSERT(p->kind == PENDING_OPERATION);
	held_count(p, c, now);
	pending_end(p, &(struct fabric_complete){
		.outcome = c->outcome,
		.code = c->code,
		.clause = c->clause,
		.length = c->length,
		.old = { c->old[0], c->old[1] },
		.queue_ns = c->queue_ns,
		.wire_ns = c->wire_ns,
		.remote_ns = c->remote_ns,
	});
}

// Tells environments what has ended. What that makes room for waits for a turn.
static void
complete_all(u64 now)
{
	filled_ struct rcap_completion c;

	while (rcap_completion(fabric.rcap, &c))
		completed(&c, now);
}

u64
fabric_look_until(void)
{
	u64 now;

	if (likely(!fabric.look.bound_ns))
		return 0;
	now = clock_ns();
	return fabric_expects(now) ? look_until(&fabric.look, now) : 0;
}

void
fabric_input(const u8 *frame, u32 len)
{
	u64 now;

	if (!fabric.on) {
		fabric_info.lost[FABRIC_LOST_OFF]++;
		return;
	}
	now = clock_ns();
	if (len > WIRE_BODY_AT && (frame[WIRE_ETHERNET + 1] == WIRE_REQUEST ||
				   frame[WIRE_ETHERNET + 1] == WIRE_RESPONSE)) {
		fabric.busy_until = now + BUSY_NS;
		look_frame(&fabric.look, now);
	}
	rcap_input(fabric.rcap, now, frame, len);
	fabric.heard_at = now;
}

void
fabric_input_end(void)
{
	u64 now = fabric.heard_at, wants;

	if (!now)
		return;
	fabric.heard_at = 0;
	rcap_flush(fabric.rcap, now);
	transmit_push();
	wants = rcap_wants(fabric.rcap);
	if (!wants) {
		complete_all(now);
		wants = rcap_wants(fabric.rcap);
	}
	note_due(wants);
	if (fabric.due > now)		// else a turn follows
		keep_time();
}

void
fabric_submitted(u64 now)
{
	rcap_flush(fabric.rcap, now);
	note_due(rcap_wants(fabric.rcap));
	if (fabric.due <= now) {
		fabric_work(now);
		return;
	}
	transmit_push();
	keep_time();
}

bool
fabric_expects(u64 now)
{
	return fabric.on && now < fabric.busy_until;
}

static void
output(u64 now)
{
	u8 *buffer;
	u32 len;

	do {
		if (rcap_wants(fabric.rcap) > now)
			return;
		buffer = rcap_host_buffer(NULL);
		if (!buffer)
			return;
		len = rcap_output(fabric.rcap, now, buffer);
		rcap_host_send(NULL, buffer, len);
	} while (len);
}

void
fabric_work(u64 now)
{
	u64 blocks_due, tell_due;
	bool more;

	if (!fabric.on)
		return;
	blocks_due = blocks_settle(now);
	rcap_tick(fabric.rcap, now);
	complete_all(now);
	queues_resume();
	more = exports_sweep_step();
	tell_due = remotes_tell(now);
	output(now);
	transmit_push();
	queue_push();
	// What was submitted in this turn may have ended in it.
	fabric.due = more ? 0 : rcap_wants(fabric.rcap);
	if (transmit_starved())
		fabric.due = MAX(fabric.due, now + STARVED_NS);
	fabric.due = min_u64(min_u64(fabric.due, blocks_due), tell_due);
	fabric.due = min_u64(fabric.due, show_links(now));
	keep_time();
}

u64
fabric_deadline(void)
{
	return fabric.due;
}

void
rcap_host_changed(void *host, u64 local, u32 len)
{
	(void)host;
	wait_hint_memory(local, len);
}

bool
rcap_host_cas16(void *host, u64 *at, u64 expected[2], const u64 desired[2])
{
	(void)host;
	return cmpxchg16(at, expected, desired);
}
