// SPDX-License-Identifier: BSD-2-Clause
// One address, whose ports are two environments':
//
//	port ADDRESS PORT	has the address, and a child for the port
//	port take PORT		is the child
//
// The parent binds a ring that receives everything for ADDRESS, narrows it to send ARP
// alone, and grants it to the child to read. With that the child may narrow the parent's
// filter: it binds a ring for UDP from and to PORT, which the parent then neither sees
// nor can send. Both print what comes; the child sends it back, and ends at "bye". Its
// claim ends with it, and the port is the parent's again. Without the parent's ring
// nothing of it is to be had: `port take` by itself is refused.

#include "libos/crt/clock.h"
#include "libos/crt/console.h"
#include "libos/crt/errors.h"
#include "libos/crt/program.h"
#include "libos/crt/start.h"
#include "libos/crt/status.h"
#include "libos/crt/syscall.h"
#include "libos/io/answering.h"
#include "libos/mem/frames.h"
#include "libos/mem/layout.h"
#include "libos/text/text.h"

#define MAC_INDEX 11u
#define CHILD_FRAMES (RING_FRAMES + 100u)
#define TEXT_MAX 64u

#define BYE "bye"

static i64
must(i64 result, const char *what)
{
	if (result >= 0)
		return result;
	print("port: %s: %s\n", what, error_text(result));
	sys_env_exit(STATUS_FAILED);
}

// The text of a datagram, as far as it can be shown; *port is where it went.
static const char *
text_of(const u8 *frame, u32 len, u32 *port)
{
	static char text[TEXT_MAX + 1];
	u32 count = be16_load(frame + 38) - 8u;

	*port = answer_port(frame);
	count = MIN(count, MIN(len - ANSWER_UDP_LEN, TEXT_MAX));
	for (u32 i = 0; i < count; i++) {
		u8 byte = frame[ANSWER_UDP_LEN + i];

		text[i] = (char)(byte >= ' ' && byte < 0x7f ? byte : '.');
	}
	text[count] = 0;
	return text;
}

// The oldest datagram, or NULL; what is none is dropped.
static const u8 *
next_datagram(struct ring *ring, u32 *len)
{
	const u8 *frame;

	while ((*len = ring_peek(ring, &frame))) {
		if (answer_is_udp(frame, *len, be32_load(frame + 30)))
			return frame;
		ring_consume(ring);
	}
	return NULL;
}

static void
bind_port(struct ring *ring, const struct frame_run *page, u32 port)
{
	const struct ring_atom in[] = {
		{ 12, 0xffff0000, 0x08000000 }, { 20, 0xff, 17 },
		{ 36, 0xffff0000, port << 16 },
	};
	const struct ring_atom out[] = { in[0], in[1], { 34, 0xffff0000, port << 16 } };
	struct ring_config config = {
		.nic_slot = startup_slot(ROLE_NIC), .mac_index = MAC_INDEX,
		.narrows = startup_slot(ROLE_RING), .regions = page, .region_count = 1,
		.filter = in, .filter_count = ARRAY_SIZE(in),
		.send = out, .send_count = ARRAY_SIZE(out),
	};

	must(ring_open(ring, &config), "taking the port");
}

static int
take(u32 port)
{
	struct frame_run page;
	struct wait_set set;
	struct ring ring;
	bool ends = false;

	must(frames_take(1, &page), "memory");
	bind_port(&ring, &page, port);
	print("port: %u is taken\n", port);
	while (!ends) {
		u32 len, to;
		const u8 *frame = next_datagram(&ring, &len);

		if (frame) {
			const char *text = text_of(frame, len, &to);

			ends = !strcmp(text, BYE);
			print("port: %u, taken: %s\n", to, text);
			must(answering_send(&ring, direct_address(page.frame), frame, len),
			     "sending");
			ring_consume(&ring);
			continue;
		}
		wait_begin(&set);
		ring_watch(&ring, &set);
		wait_sleep(&set);
	}
	return STATUS_OK;
}

static void
start_child(struct child *child, u32 ring, char *port)
{
	static struct archive boot;
	char *argv[] = { "port", "take", port, NULL };
	struct spawn_grant grants[3] = { {
		.role = ROLE_RING, .slot = ring, .rights = CAP_READ, .count = 1,
	} };
	struct spawn_spec spec = {
		.archive = &boot, .argc = 3, .argv = argv, .slices = 1,
		.grants = grants, .grant_count = ARRAY_SIZE(grants),
		.quota = { .frames = CHILD_FRAMES, .rings = 1 },
		.cpu = env_table()[self_index()].processor,
	};
	struct cap_info info = { 0 };

	must(sys_cap_inspect(CAP_SLOT_SELF, ring, &info), "its ring");
	grants[0].base = info.base;
	must(grant_of_role(ROLE_NIC, CAP_READ | CAP_WRITE, &grants[1]), "the interface");
	must(grant_of_role(ROLE_CONSOLE, CAP_WRITE, &grants[2]), "the console");
	must(archive_open(ROLE_BOOT_ARCHIVE, &boot), "the boot archive");
	must(program_start(&spec, child), "the child");
}

static void
serve(struct ring *ring, struct child *child)
{
	for (;;) {
		struct wait_word word;
		struct wait_set set;
		const u8 *frame;
		u32 len, to;

		while ((frame = next_datagram(ring, &len))) {
			const char *text = text_of(frame, len, &to);

			print("port: %u, untaken: %s\n", to, text);
			ring_consume(ring);
		}
		wait_begin(&set);
		ring_watch(ring, &set);
		if (child->id) {
			word = child_word(child);
			wait_word_add(&set, (const volatile u32 *)word.va, word.expected);
			if (child_is_dead(child)) {
				child_reap(child, NULL);
				print("port: given back\n");
				continue;
			}
		}
		wait_sleep(&set);
	}
}

static void
have(u32 address, char *port)
{
	static const struct ring_atom arp = { 12, 0xffff0000, 0x08060000 };
	static struct answering me;
	struct child child;

	must(answering_open(&me, MAC_INDEX, address, ANSWER_NO_PORT), "the address");
	must(sys_ring_narrow(me.ring.slot, &arp, 1), "sending less");
	start_child(&child, me.ring.slot, port);
	serve(&me.ring, &child);
}

int
main(int argc, char **argv)
{
	const char *text = argc == 3 ? argv[1] : "";
	u32 address;
	u64 port;

	if (argc == 3 && text_to_u64(argv[2], &port) && port > 0 && port <= 0xffff) {
		if (!strcmp(text, "take"))
			return take((u32)port);
		if (text_take_address(&text, &address) && !*text)
			have(address, argv[2]);
	}
	print("usage: port ADDRESS PORT, as in port 10.0.2.18 9\n");
	return STATUS_USAGE;
}
