// SPDX-License-Identifier: BSD-2-Clause
// Gratuitous ARP for the virtual address, as a request and as a reply: there are
// hosts that heed one kind only. The schedule is FreeBSD's, with an end that never
// comes: a switch that forgets the MAC address before a router forgets the ARP entry
// makes a black hole.

#include "cluster/programs/front/front.h"
#include "kernel/base/byteorder.h"
#include "kernel/base/string.h"

#define ETHERTYPE_ARP 0x0806
#define ETHERTYPE_IPV4 0x0800
#define FRAME_LEN 42u
#define REQUEST 1
#define REPLY 2
#define BURST 5u
#define STEPS 5u			// 1, 2, 4, 8, 16 s
#define NO_ROOM_NS (10 * NS_PER_MS)
#define STEADY_NS (60 * NS_PER_SECOND)

void
announce_start(struct announce *announce, u64 now_ns)
{
	*announce = (struct announce){ .next_ns = now_ns };
}

static bool
say(struct port *port, u16 operation)
{
	u32 address = net_address(port->net);
	u8 frame[FRAME_LEN], *arp = frame + 14;

	memset(frame, 0xff, 6);
	memcpy(frame + 6, port->mac, 6);
	be16_store(frame + 12, ETHERTYPE_ARP);
	be16_store(arp, 1);
	be16_store(arp + 2, ETHERTYPE_IPV4);
	arp[4] = 6;
	arp[5] = 4;
	be16_store(arp + 6, operation);
	memcpy(arp + 8, port->mac, 6);
	be32_store(arp + 14, address);
	memset(arp + 18, operation == REPLY ? 0xff : 0, 6);
	be32_store(arp + 24, address);
	return port_put(port, frame, sizeof(frame));
}

void
announce_run(struct announce *announce, struct port *port, u64 now_ns)
{
	u32 times = announce->step == 0 ? BURST : 1;

	if (now_ns < announce->next_ns)
		return;
	if (!net_address(port->net)) {		// DHCP has not answered
		announce->next_ns = NEVER;
		return;
	}
	for (u32 i = 0; i < times; i++) {
		if (!say(port, REQUEST) || !say(port, REPLY)) {
			announce->next_ns = now_ns + NO_ROOM_NS;
			return;
		}
	}
	announce->next_ns = now_ns + (announce->step < STEPS ?
		NS_PER_SECOND << announce->step : STEADY_NS);
	announce->step = MIN(announce->step + 1, STEPS);
}
