// SPDX-License-Identifier: BSD-2-Clause
// The DHCP client (RFC 2131). States, and what takes each edge:
//
//   SELECTING --offer--> REQUESTING --ack--> BOUND --T1--> RENEWING
//       ^  ^                |  |               ^              | T2
//       |  +----- nak ------+  +-- 4 tries     +---- ack -----+
//       |                                      +--- ack -- REBINDING
//       +------------------- nak, or the lease ends ----------+
//
// An address that is remembered begins with CONFIRMING instead (INIT-REBOOT): it is
// used while any server is asked for it. An ack leads to BOUND; a nak, or ten
// minutes in which nobody says anything, to SELECTING.
//
// Messages that do not carry our transaction and hardware address are ignored,
// and so are answers of another server than the one chosen, except when anybody
// was asked (REBINDING). RENEWING asks the chosen one by its own address, as often
// as RFC 2131, 4.4.5 says. An address is never used beyond its lease. Without an
// answer for a minute a link-local address (RFC 3927) is taken, and asking goes
// on. When the address changes, connections end: they are bound to the old one.
//
// Invariant D1: renew_at <= rebind_at <= expires_at.

#include "kernel/base/assert.h"
#include "kernel/base/byteorder.h"
#include "kernel/base/string.h"
#include "libos/tcp/checksum.h"
#include "libos/tcp/parts.h"

#define BOOTP_LEN 236u
#define MESSAGE_LEN 300u
#define COOKIE 0x63825363u
#define FIRST_WAIT_NS (500 * NS_PER_MS)
#define WAIT_MAX_NS (16 * NS_PER_SECOND)
#define LINK_LOCAL_AFTER_NS (60 * NS_PER_SECOND)
#define REQUEST_TRIES 4u
#define LEASE_MIN_S 60u
#define RENEW_WAIT_MIN_NS (60 * NS_PER_SECOND)
#define ROUTE_WAIT_NS NS_PER_SECOND
#define REMEMBERED_NS (600 * NS_PER_SECOND)

enum dhcp_type {
	DISCOVER = 1,
	OFFER = 2,
	REQUEST = 3,
	ACK = 5,
	NAK = 6,
};

enum dhcp_option {
	OPTION_MASK = 1,
	OPTION_ROUTER = 3,
	OPTION_ADDRESS = 50,
	OPTION_LEASE = 51,
	OPTION_TYPE = 53,
	OPTION_SERVER = 54,
	OPTION_LIST = 55,
	OPTION_T1 = 58,
	OPTION_T2 = 59,
	OPTION_END = 255,
};

struct reply {
	u32 type, mask, router, lease_s, server, t1_s, t2_s;
};

static u8 *
put_option(u8 *at, enum dhcp_option option, u32 value, u32 len)
{
	*at++ = (u8)option;
	*at++ = (u8)len;
	if (len == 1)
		*at = (u8)value;
	else
		be32_store(at, value);
	return at + len;
}

static void
put_options(const struct net *net, u8 *at, enum dhcp_type type)
{
	const struct dhcp *d = &net->dhcp;

	at = put_option(at, OPTION_TYPE, type, 1);
	if (d->state == DHCP_REQUESTING || d->state == DHCP_CONFIRMING)
		at = put_option(at, OPTION_ADDRESS, d->offered, 4);
	if (d->state == DHCP_REQUESTING)
		at = put_option(at, OPTION_SERVER, d->server, 4);
	*at++ = OPTION_LIST;
	*at++ = 3;
	*at++ = OPTION_MASK;
	*at++ = OPTION_ROUTER;
	*at++ = OPTION_LEASE;
	*at = OPTION_END;
}

// To everybody, or with `to_server` to the chosen server alone, whose link
// address is then `mac`.
static void
send_message(struct net *net, enum dhcp_type type, const u8 mac[6],
	     bool to_server)
{
	u32 target = to_server ? net->dhcp.server : 0xffffffff;
	u8 frame[ETHERNET_LEN + IPV4_LEN + 8 + MESSAGE_LEN] = { 0 };
	u8 *udp = frame + ETHERNET_LEN + IPV4_LEN;
	u8 *m = udp + 8;
	bool keeps = net->dhcp.state == DHCP_RENEWING ||
		     net->dhcp.state == DHCP_REBINDING;
	u32 source = keeps ? net->address : 0;	// none until there is a lease
	u64 sum;

	m[0] = 1;			// request
	m[1] = 1;			// Ethernet
	m[2] = 6;
	be32_store(m + 4, net->dhcp.xid);
	be16_store(m + 8, (u16)((net->now_ns - net->dhcp.started_at) / NS_PER_SECOND));
	be16_store(m + 10, keeps ? 0 : 0x8000);	// else answer by broadcast
	be32_store(m + 12, source);
	memcpy(m + 28, net->config.mac, 6);
	be32_store(m + BOOTP_LEN, COOKIE);
	put_options(net, m + BOOTP_LEN + 4, type);
	be16_store(udp, 68);
	be16_store(udp + 2, 67);
	be16_store(udp + 4, 8 + MESSAGE_LEN);
	ip_header(net, frame, mac, source, target, IPPROTO_UDP, 8 + MESSAGE_LEN);
	sum = checksum_pseudo(source, target, IPPROTO_UDP, 8 + MESSAGE_LEN);
	sum = checksum_add(sum, udp, 8 + MESSAGE_LEN);
	be16_store(udp + 6, checksum_finish(sum) ? checksum_finish(sum) : 0xffff);
	(void)control_put(net, frame, sizeof(frame));
}

static void
send_to_all(struct net *net, enum dhcp_type type)
{
	static const u8 broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

	send_message(net, type, broadcast, false);
}

static void
set_address(struct net *net, u32 address, u32 mask, u32 gateway)
{
	const struct net_own own = { .address = address };
	bool other = address != net->address;

	own_set(net, &own, address != 0, mask, gateway);
	if (other && address)
		arp_announce(net);
}

static void
select_again(struct net *net)
{
	struct dhcp *d = &net->dhcp;

	d->state = DHCP_SELECTING;
	d->xid = (u32)prng_u64(&net->prng);
	d->tries = 0;
	d->next_at = net->now_ns;
}

void
dhcp_start(struct net *net)
{
	net->dhcp.started_at = net->now_ns;
	select_again(net);
}

void
dhcp_confirm(struct net *net)
{
	struct dhcp *d = &net->dhcp;

	ASSERT(net->address);
	d->state = DHCP_CONFIRMING;
	d->xid = (u32)prng_u64(&net->prng);
	d->offered = net->address;
	d->started_at = d->next_at = net->now_ns;
	d->expires_at = net->now_ns + REMEMBERED_NS;
}

// Doubling waits with a jitter of a quarter (RFC 2131, 4.1).
static u64
next_wait(struct net *net)
{
	struct dhcp *d = &net->dhcp;
	u64 wait = MIN(FIRST_WAIT_NS << MIN(d->tries, 8u), WAIT_MAX_NS);

	d->tries++;
	return wait - wait / 8 + prng_below(&net->prng, wait / 4);
}

static void
take_link_local(struct net *net)
{
	u32 host = 0x100 + (u32)prng_below(&net->prng, 0xfd00);

	set_address(net, 0xa9fe0000 | host, 0xffff0000, 0);	// 169.254/16
}

static void
lose_address(struct net *net)
{
	set_address(net, 0, 0, 0);
	dhcp_start(net);
}

// Half of what is left until `end`, a minute at least, but never beyond it.
static u64
halfway(const struct net *net, u64 end)
{
	u64 left = end - net->now_ns;

	return net->now_ns + MIN(MAX(left / 2, RENEW_WAIT_MIN_NS), left);
}

// Asks for more time: the server that gave the lease, later any.
static void
extend(struct net *net)
{
	struct dhcp *d = &net->dhcp;
	u8 mac[6];

	if (net->now_ns >= d->expires_at) {
		lose_address(net);
		return;
	}
	if (net->now_ns >= d->rebind_at) {
		d->state = DHCP_REBINDING;
		send_to_all(net, REQUEST);
		d->next_at = halfway(net, d->expires_at);
		return;
	}
	d->state = DHCP_RENEWING;
	if (!ip_route(net, d->server, mac)) {
		// ARP asks: a few tries a second apart, then a long wait.
		d->next_at = d->tries++ % REQUEST_TRIES ?
			     MIN(net->now_ns + ROUTE_WAIT_NS, d->rebind_at) :
			     halfway(net, d->rebind_at);
		return;
	}
	send_message(net, REQUEST, mac, true);
	d->next_at = halfway(net, d->rebind_at);
}

static void
due(struct net *net)
{
	struct dhcp *d = &net->dhcp;

	switch (d->state) {
	case DHCP_OFF:
		return;
	case DHCP_CONFIRMING:
		if (net->now_ns >= d->expires_at) {
			lose_address(net);
			return;
		}
		send_to_all(net, REQUEST);
		d->next_at = MIN(net->now_ns + next_wait(net), d->expires_at);
		return;
	case DHCP_SELECTING:
		if (!net->address &&
		    net->now_ns - d->started_at > LINK_LOCAL_AFTER_NS)
			take_link_local(net);
		send_to_all(net, DISCOVER);
		break;
	case DHCP_REQUESTING:
		if (d->tries >= REQUEST_TRIES) {
			select_again(net);
			return;
		}
		send_to_all(net, REQUEST);
		break;
	case DHCP_BOUND:
	case DHCP_RENEWING:
	case DHCP_REBINDING:
		extend(net);
		return;
	}
	d->next_at = net->now_ns + next_wait(net);
}

void
dhcp_tick(struct net *net)
{
	// Ends: at the latest a message moves the deadline past now.
	while (net->now_ns >= dhcp_deadline(net))
		due(net);
}

u64
dhcp_deadline(const struct net *net)
{
	const struct dhcp *d = &net->dhcp;

	switch (d->state) {
	case DHCP_OFF:
		return NEVER_NS;
	case DHCP_BOUND:
		return d->renew_at;
	default:
		return d->next_at;
	}
}

static void
read_option(struct reply *r, u8 option, const u8 *at, u8 len)
{
	u32 value = len >= 4 ? be32_load(at) : 0;

	switch (option) {
	case OPTION_TYPE:
		r->type = len >= 1 ? at[0] : 0;
		break;
	case OPTION_MASK:
		r->mask = value;
		break;
	case OPTION_ROUTER:
		r->router = value;
		break;
	case OPTION_LEASE:
		r->lease_s = value;
		break;
	case OPTION_SERVER:
		r->server = value;
		break;
	case OPTION_T1:
		r->t1_s = value;
		break;
	case OPTION_T2:
		r->t2_s = value;
		break;
	}
}

static void
read_options(const u8 *at, const u8 *end, struct reply *r)
{
	*r = (struct reply){ 0 };
	while (at < end && *at != OPTION_END) {
		u8 option = *at++;

		if (option == 0)
			continue;
		if (at == end || *at > end - at - 1)
			return;
		read_option(r, option, at + 1, *at);
		at += 1 + *at;
	}
}

// A mask of ones and then zeros; none means the usual 24.
static u32
mask_of(const struct reply *r)
{
	u32 host = ~r->mask;

	return r->mask && !(host & (host + 1)) ? r->mask : 0xffffff00;
}

static bool
sensible(u32 address, u32 mask)
{
	u32 host = address & ~mask;

	return address >> 24 != 0 && address >> 24 != 127 &&
	       address >> 28 < 14 && (~mask < 2 || (host != 0 && host != ~mask));
}

static void
bind_lease(struct net *net, u32 address, const struct reply *r)
{
	struct dhcp *d = &net->dhcp;
	u32 mask = mask_of(r);
	u64 lease = MAX(r->lease_s, LEASE_MIN_S) * NS_PER_SECOND;
	u64 t1 = r->t1_s ? r->t1_s * NS_PER_SECOND : lease / 2;
	u64 t2 = r->t2_s ? r->t2_s * NS_PER_SECOND : lease / 8 * 7;

	t2 = MIN(t2, lease);
	t1 = MIN(t1, t2);
	d->state = DHCP_BOUND;
	d->server = r->server ? r->server : d->server;
	d->renew_at = net->now_ns + t1;
	d->rebind_at = net->now_ns + t2;
	d->expires_at = net->now_ns + lease;
	d->tries = 1;
	ASSERT(d->renew_at <= d->rebind_at && d->rebind_at <= d->expires_at);
	// A gateway that is not on the link cannot be asked for by ARP.
	set_address(net, address, mask,
		    ((r->router ^ address) & mask) ? 0 : r->router);
}

static void
take_offer(struct net *net, u32 address, const struct reply *r)
{
	struct dhcp *d = &net->dhcp;

	if (r->type != OFFER || !r->server || !sensible(address, mask_of(r)))
		return;
	d->state = DHCP_REQUESTING;
	d->offered = address;
	d->server = r->server;
	d->tries = 0;
	d->next_at = net->now_ns;
}

void
dhcp_input(struct net *net, const u8 *m, u32 len)
{
	struct dhcp *d = &net->dhcp;
	struct reply r;
	u32 address;

	if (len < BOOTP_LEN + 4 || m[0] != 2 ||
	    be32_load(m + BOOTP_LEN) != COOKIE) {
		drop(net, NET_DROP_SHORT);
		return;
	}
	if (d->state == DHCP_OFF || d->state == DHCP_BOUND ||
	    be32_load(m + 4) != d->xid || memcmp(m + 28, net->config.mac, 6))
		return;
	read_options(m + BOOTP_LEN + 4, m + len, &r);
	address = be32_load(m + 16);
	if (d->state == DHCP_SELECTING) {
		take_offer(net, address, &r);
		return;
	}
	if (d->state != DHCP_REBINDING && d->state != DHCP_CONFIRMING &&
	    r.server && r.server != d->server)
		return;
	if (r.type == NAK) {
		lose_address(net);
	} else if (r.type == ACK && sensible(address, mask_of(&r)) &&
		   (d->state == DHCP_RENEWING || d->state == DHCP_REBINDING ||
		    address == d->offered)) {
		bind_lease(net, address, &r);
	}
}
