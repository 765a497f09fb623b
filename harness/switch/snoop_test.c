// SPDX-License-Identifier: BSD-2-Clause
// links: harness/switch/snoop.c harness/switch/mac.c
// links: harness/testing/host_assert.c
//
// Tests of learning IPv4 addresses by watching: who is believed, and that no
// frame, however short or odd, is read beyond its end. Each frame is given in
// a heap block of exactly its length, so that the sanitizer sees one byte too
// far.

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/switch/mac.h"
#include "harness/switch/snoop.h"
#include "kernel/base/byteorder.h"
#include "kernel/base/prng.h"

#define STATION 0x525400000001ull
#define ARP_FRAME_LEN 42u
#define DHCP_AT 42u
#define DHCP_FRAME_LEN 300u

static struct snoop snoop;

static void
look(const u8 *frame, u32 len, u64 now_ns)
{
	u8 *exact = malloc(len ? len : 1);

	memcpy(exact, frame, len);
	snoop_frame(&snoop, exact, len, now_ns);
	free(exact);
}

static void
store_mac(u8 *at, u64 mac)
{
	be16_store(at, (u16)(mac >> 32));
	be32_store(at + 2, (u32)mac);
}

static void
make_arp(u8 *frame, u64 mac, u32 ip)
{
	memset(frame, 0, ARP_FRAME_LEN);
	memset(frame, 0xff, 6);
	store_mac(frame + 6, mac);
	be16_store(frame + 12, 0x0806);
	be16_store(frame + 14, 1);
	be16_store(frame + 16, 0x0800);
	frame[18] = 6;
	frame[19] = 4;
	be16_store(frame + 20, 1);
	store_mac(frame + 22, mac);
	be32_store(frame + 28, ip);
}

// A DHCP answer whose only option is its message type, behind two pads.
static void
make_dhcp(u8 *frame, u64 mac, u32 ip, u8 type)
{
	u8 *bootp = frame + DHCP_AT;

	memset(frame, 0, DHCP_FRAME_LEN);
	be16_store(frame + 12, 0x0800);
	frame[14] = 0x45;
	frame[23] = 17;
	be16_store(frame + 34, 67);
	be16_store(frame + 36, 68);
	bootp[0] = 2;
	bootp[1] = 1;
	bootp[2] = 6;
	be32_store(bootp + 16, ip);
	store_mac(bootp + 28, mac);
	be32_store(bootp + 236, 0x63825363);
	bootp[242] = 53;
	bootp[243] = 1;
	bootp[244] = type;
	bootp[245] = 255;
}

static void
must_know(u64 mac, u32 ip, enum snoop_source source)
{
	const struct snoop_entry *entry = snoop_find(&snoop, mac);

	assert_non_null(entry);
	assert_int_equal(entry->ip, ip);
	assert_int_equal(entry->source, source);
}

static int
set_up(void **state)
{
	(void)state;
	memset(&snoop, 0, sizeof(snoop));
	return 0;
}

static void
arp_names_its_sender(void **state)
{
	u8 frame[ARP_FRAME_LEN];

	(void)state;
	make_arp(frame, STATION, 0x0a4d000a);
	look(frame, sizeof(frame), 0);
	must_know(STATION, 0x0a4d000a, SNOOP_ARP);
	make_arp(frame, STATION, 0x0a4d000b);
	look(frame, sizeof(frame), 1);
	must_know(STATION, 0x0a4d000b, SNOOP_ARP);
	make_arp(frame, STATION, 0); // a probe (RFC 5227) claims nothing
	look(frame, sizeof(frame), 2);
	must_know(STATION, 0x0a4d000b, SNOOP_ARP);
}

static void
lease_is_believed_over_arp(void **state)
{
	u8 arp[ARP_FRAME_LEN];
	u8 dhcp[DHCP_FRAME_LEN];

	(void)state;
	make_arp(arp, STATION, 1);
	make_dhcp(dhcp, STATION, 2, 5);
	look(arp, sizeof(arp), 0);
	look(dhcp, sizeof(dhcp), 1);
	must_know(STATION, 2, SNOOP_DHCP);
	look(arp, sizeof(arp), 2);
	must_know(STATION, 2, SNOOP_DHCP);
	make_dhcp(dhcp, STATION, 3, 5);
	look(dhcp, sizeof(dhcp), 3);
	must_know(STATION, 3, SNOOP_DHCP);
	snoop_forget(&snoop, STATION);
	assert_null(snoop_find(&snoop, STATION));
	look(arp, sizeof(arp), 4);
	must_know(STATION, 1, SNOOP_ARP);
}

static void
only_an_ack_from_a_server_counts(void **state)
{
	u8 frame[DHCP_FRAME_LEN];

	for (u8 type = 1; type <= 8; type++) {
		set_up(state);
		make_dhcp(frame, STATION, 9, type);
		look(frame, sizeof(frame), 0);
		assert_int_equal(snoop_find(&snoop, STATION) != NULL,
				 type == 5);
	}
	set_up(state);
	make_dhcp(frame, STATION, 9, 5);
	be16_store(frame + 34, 68); // not from the server's port
	look(frame, sizeof(frame), 0);
	make_dhcp(frame, STATION, 9, 5);
	frame[DHCP_AT] = 1; // a request
	look(frame, sizeof(frame), 0);
	make_dhcp(frame, STATION, 9, 5);
	be16_store(frame + 20, 1); // a later fragment
	look(frame, sizeof(frame), 0);
	make_dhcp(frame, STATION, 9, 5);
	frame[DHCP_AT + 236] = 0; // no cookie
	look(frame, sizeof(frame), 0);
	make_dhcp(frame, STATION, 9, 5);
	frame[23] = 6; // TCP
	look(frame, sizeof(frame), 0);
	assert_null(snoop_find(&snoop, STATION));
}

static void
truncated_frames_teach_nothing_and_harm_nothing(void **state)
{
	u8 dhcp[DHCP_FRAME_LEN];
	u8 arp[ARP_FRAME_LEN];

	(void)state;
	make_dhcp(dhcp, STATION, 9, 5);
	// The message type's byte is at DHCP_AT + 244.
	for (u32 len = 0; len <= DHCP_AT + 244; len++) {
		look(dhcp, len, 0);
		assert_null(snoop_find(&snoop, STATION));
	}
	look(dhcp, DHCP_AT + 245, 0);
	must_know(STATION, 9, SNOOP_DHCP);
	set_up(state);
	make_arp(arp, STATION, 9);
	for (u32 len = 0; len < ARP_FRAME_LEN; len++) {
		look(arp, len, 0);
		assert_null(snoop_find(&snoop, STATION));
	}
}

static void
random_bytes_behind_good_starts_harm_nothing(void **state)
{
	const char *text = getenv("SEED");
	u64 seed = text ? strtoull(text, NULL, 0) : 1;
	struct prng prng;
	u8 frame[DHCP_FRAME_LEN];

	(void)state;
	printf("SEED=%llu\n", (unsigned long long)seed);
	prng_seed(&prng, seed);
	for (u32 i = 0; i < 50000; i++) {
		u32 from = (u32)prng_below(&prng, DHCP_FRAME_LEN);

		if (i % 2)
			make_arp(frame, STATION, 9);
		else
			make_dhcp(frame, STATION, 9, 5);
		for (u32 b = from; b < DHCP_FRAME_LEN; b++)
			frame[b] = (u8)prng_u64(&prng);
		look(frame, (u32)prng_below(&prng, DHCP_FRAME_LEN + 1), i);
	}
}

static void
full_table_forgets_the_oldest(void **state)
{
	u8 frame[ARP_FRAME_LEN];

	(void)state;
	for (u32 i = 0; i < SNOOP_ENTRIES + 1; i++) {
		make_arp(frame, STATION + i, 100 + i);
		look(frame, sizeof(frame), i);
	}
	assert_null(snoop_find(&snoop, STATION));
	must_know(STATION + 1, 101, SNOOP_ARP);
	must_know(STATION + SNOOP_ENTRIES, 100 + SNOOP_ENTRIES, SNOOP_ARP);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(arp_names_its_sender, set_up),
		cmocka_unit_test_setup(lease_is_believed_over_arp, set_up),
		cmocka_unit_test_setup(only_an_ack_from_a_server_counts,
				       set_up),
		cmocka_unit_test_setup(
			truncated_frames_teach_nothing_and_harm_nothing,
			set_up),
		cmocka_unit_test_setup(
			random_bytes_behind_good_starts_harm_nothing, set_up),
		cmocka_unit_test_setup(full_table_forgets_the_oldest, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
