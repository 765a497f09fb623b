// SPDX-License-Identifier: BSD-2-Clause
// Shows the network: the interface, its rings, and the links to other nodes, from the
// exported tables. The shell's `rings` and `links` show more of each.
//
//	net

#include "libos/crt/clock.h"
#include "libos/programs/tools/tool.h"

static void
show_interface(void)
{
	const volatile struct sys_info *s = sys_info();

	if (!s->nic_count) {
		print("no interface\n");
		return;
	}
	print("interface %02x:%02x:%02x:%02x:%02x:%02x mtu %u received %lu sent %lu "
	      "unclaimed %lu\n",
	      s->nic_mac[0], s->nic_mac[1], s->nic_mac[2], s->nic_mac[3],
	      s->nic_mac[4], s->nic_mac[5], s->nic_mtu, s->nic_rx_frames,
	      s->nic_tx_frames, s->nic_rx_unclaimed);
}

static void
show_rings(void)
{
	for (u32 i = 0; i < RINGS_MAX; i++) {
		const volatile struct ring_info *r = &ring_table()[i];

		if (r->owner)
			print("ring %u of %u: received %lu dropped %lu sent %lu "
			      "refused %lu\n", i, r->owner, r->rx_frames,
			      r->rx_dropped, r->tx_frames, r->tx_refused);
	}
}

static void
show_links(void)
{
	static const char *const names[] = { "free", "down", "up", "lapsed" };
	const volatile struct fabric_info *f = fabric_info();

	if (f->state != FABRIC_ON)
		print("no fabric\n");
	for (u32 i = 0; i < MIN(f->links, FABRIC_LINKS_MAX); i++) {
		const volatile struct fabric_link *l = &link_table()[i];

		print("link %u to %02x:%02x:%02x:%02x:%02x:%02x: %s, rtt %u us\n",
		      i, l->mac[0], l->mac[1], l->mac[2], l->mac[3], l->mac[4],
		      l->mac[5], l->state < ARRAY_SIZE(names) ?
		      names[l->state] : "?", l->rtt_us);
	}
}

int
main(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	show_interface();
	show_rings();
	show_links();
	return STATUS_OK;
}
