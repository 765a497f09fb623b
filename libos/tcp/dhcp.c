// SPDX-License-Identifier: BSD-2-Clause
// The DHCP client (RFC 2131). States, and what takes each edge:
//
//   SELECTING --offer--> REQUESTING --ack--> BOUND --T1--> RENEWING
//       ^  ^                |  |               ^              | T2
//       |  +----- nak ------+  +-- 4 tries     +---- ack -----+
//       |                                      +--- ack -- REBINDING
//       +------------------- nak, or the lease ends ----------+
//
// Messages that do not carry our transaction and hardware address are ignored.
// Without an answer for a minute a link-local address (RFC 3927) is taken, and
// asking goes on.

#include "kernel/base/assert.h"
#include "kernel/base/byteorder.h"
#include "kernel/base/string.h"
#include "libos/tcp/checksum.h"
#include "libos/tcp/state.h"

#define BOOTP_LEN 236u
#define MESSAGE_LEN 300u
#define COOKIE 0x63825363u
#define FIRST_WAIT_NS (500 * NS_PER_MS)
#define WAIT_MAX_NS (16 * NS_PER_SECOND)
#define LINK_LOCAL_AFTER_NS (60 * NS_PER_SECOND)
#define REQUEST_TRIES 4u
#define LEASE_MIN_S 60u

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
	if (d->state == DHCP_REQUESTING) {
		at = put_option(at, OPTION_ADDRESS, d->offered, 4);
		at = put_option(at, OPTION_SERVER, d->server, 4);
	}
	*at++ = OPTION_LIST;
	*at++ = 3;
	*at++ = OPTION_MASK;
	*at++ = OPTION_ROUTER;
	*at++ = OPTION_LEASE;
	*at = OPTION_END;
}

static void
send_message(struct net *net, enum dhcp_type type)
{
	static const u8 broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	u8 frame[ETHERNET_LEN + IPV4_LEN + 8 + MESSAGE_LEN] = { 0 };
	u8 *udp = frame + ETHERNET_LEN + IPV4_LEN;
	u8 *m = udp + 8;
	bool keeps = net->dhcp.state == DHCP_RENEWING ||
		     net->dhcp.state == DHCP_REBINDING;
	u32 own = net->address;
	u64 sum;

	m[0] = 1;			// request
	m[1] = 1;			// Ethernet
	m[2] = 6;
	be32_store(m + 4, net->dhcp.xid);
	be16_store(m + 8, (u16)((net->now_ns - net->dhcp.started_at) / NS_PER_SECOND));
	be16_store(m + 10, keeps ? 0 : 0x8000);	// else answer by broadcast
	be32_store(m + 12, keeps ? own : 0);
	memcpy(m + 28, net->config.mac, 6);
	be32_store(m + BOOTP_LEN, COOKIE);
	put_options(net, m + BOOTP_LEN + 4, type);
	be16_store(udp, 68);
	be16_store(udp + 2, 67);
	be16_store(udp + 4, 8 + MESSAGE_LEN);
	net->address = keeps ? own : 0;	// the source until there is a lease
	ip_header(net, frame, broadcast, 0xffffffff, IPPROTO_UDP, 8 + MESSAGE_LEN);
	sum = checksum_pseudo(net->address, 0xffffffff, IPPROTO_UDP, 8 + MESSAGE_LEN);
	net->address = own;
	sum = checksum_add(sum, udp, 8 + MESSAGE_LEN);
	be16_store(udp + 6, checksum_finish(sum) ? checksum_finish(sum) : 0xffff);
	(void)control_put(net, frame, sizeof(frame));
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

	net->address = 0xa9fe0000 | host;	// 169.254/16
	net->mask = 0xffff0000;
	net->gateway = 0;
	arp_announce(net);
}

static void
lose_address(struct net *net)
{
	net->address = net->mask = net->gateway = 0;
	dhcp_start(net);
}

void
dhcp_tick(struct net *net)
{
	struct dhcp *d = &net->dhcp;

	if (net->now_ns < dhcp_deadline(net))
		return;
	switch (d->state) {
	case DHCP_OFF:
		return;
	case DHCP_SELECTING:
		if (!net->address &&
		    net->now_ns - d->started_at > LINK_LOCAL_AFTER_NS)
			take_link_local(net);
		send_message(net, DISCOVER);
		break;
	case DHCP_REQUESTING:
		if (d->tries >= REQUEST_TRIES) {
			select_again(net);
			return;
		}
		send_message(net, REQUEST);
		break;
	case DHCP_BOUND:
		d->state = DHCP_RENEWING;
		d->tries = 2;
		send_message(net, REQUEST);
		break;
	case DHCP_RENEWING:
	case DHCP_REBINDING:
		if (net->now_ns >= d->expires_at) {
			lose_address(net);
			return;
		}
		if (net->now_ns >= d->rebind_at)
			d->state = DHCP_REBINDING;
		send_message(net, REQUEST);
		break;
	}
	d->next_at = net->now_ns + next_wait(net);
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

static bool
sensible(u32 address)
{
	return address != 0 && address >> 24 != 127 && address >> 28 < 14;
}

static void
bind_lease(struct net *net, u32 address, const struct reply *r)
{
	struct dhcp *d = &net->dhcp;
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
	net->mask = r->mask ? r->mask : 0xffffff00;
	net->gateway = r->router;
	if (net->address != address) {
		net->address = address;
		arp_announce(net);
	}
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
		if (r.type != OFFER || !sensible(address) || !r.server)
			return;
		d->state = DHCP_REQUESTING;
		d->offered = address;
		d->server = r.server;
		d->tries = 0;
		d->next_at = net->now_ns;
		return;
	}
	if (r.type == NAK) {
		lose_address(net);
	} else if (r.type == ACK && sensible(address) &&
		   (d->state != DHCP_REQUESTING || address == d->offered)) {
		bind_lease(net, address, &r);
	}
}
