// SPDX-License-Identifier: BSD-2-Clause
// The fabric's tables, for people: who is linked, what was counted. They lag behind
// by a tenth of a second.

#include "libos/crt/clock.h"
#include "libos/crt/console.h"
#include "libos/programs/sh/sh.h"
#include "libos/remote/node.h"

static const char *
state_text(u32 state)
{
	switch (state) {
	case FABRIC_OFF:
		return "off: the command line names no cluster";
	case FABRIC_ON:
		return "on";
	case FABRIC_NO_NIC:
		return "off: no interface that takes 1500 bytes";
	case FABRIC_NO_ENTROPY:
		return "off: no source of entropy";
	default:
		return "off";
	}
}

static const char *
link_text(u32 state)
{
	static const char *const names[] = { "free", "down", "up", "lapsed" };

	return state < ARRAY_SIZE(names) ? names[state] : "?";
}

static void
show_link(u32 index)
{
	const volatile struct fabric_link *l = &link_table()[index];
	char uuid[37];

	node_uuid_text(l->uuid, uuid);
	print("%4u %s %02x:%02x:%02x:%02x:%02x:%02x %-6s %016lx %4u %4u %5u "
	      "%5u %7u\n",
	      index, uuid, l->mac[0], l->mac[1], l->mac[2], l->mac[3], l->mac[4],
	      l->mac[5], link_text(l->state), l->incarnation, l->open, l->grant,
	      l->credit, l->carries, l->rtt_us);
}

static void
show_reasons(const char *word, const volatile u64 *counts, const char *const *sentences,
	     u32 count)
{
	for (u32 i = 0; i < count; i++) {
		if (counts[i])
			print("%s %lu: %s\n", word, counts[i], sentences[i]);
	}
}

static void
show_drops(void)
{
	static const char *const sentences[] = {
#define X(name, sentence) sentence,
#include "net/link/drops.def"
#undef X
	};

	show_reasons("dropped", fabric_info()->dropped, sentences,
		     ARRAY_SIZE(sentences));
}

static void
show_strays(void)
{
	static const char *const sentences[] = {
#define X(name, sentence) sentence,
#include "net/rcap/drops.def"
#undef X
	};
	static const char *const lost[] = {
#define X(name, sentence) sentence,
#include "kernel/abi/lost.def"
#undef X
	};

	show_reasons("astray", fabric_info()->strays, sentences,
		     ARRAY_SIZE(sentences));
	show_reasons("lost", fabric_info()->lost, lost, ARRAY_SIZE(lost));
}

static void
show_refusals(void)
{
	static const char *const sentences[] = {
#define X(name, number, sentence) [number] = sentence,
#include "net/wire/codes.def"
#undef X
	};

	for (u32 i = 1; i < ARRAY_SIZE(sentences); i++) {
		if (fabric_info()->refused[i])
			print("refused %lu: %s\n", fabric_info()->refused[i],
			      sentences[i]);
	}
}

// What ran here for others.
static void
show_ran(void)
{
	static const char *const names[] = {
#define X(name, number, type, rights, shortest, longest, repeat, sentence) [number] = #name,
#include "net/wire/ops.def"
#undef X
	};

	show_reasons("ran", fabric_info()->executed, names, ARRAY_SIZE(names));
}

void
show_links(int argc, char **argv)
{
	const volatile struct fabric_info *f = fabric_info();
	char uuid[37];

	(void)argc;
	(void)argv;
	node_uuid_text(f->uuid, uuid);
	print("fabric %s\n", state_text(f->state));
	if (f->state != FABRIC_ON)
		return;
	print("this node: %s, %u of %u capabilities held by others\n", uuid,
	      f->exports, f->exports_max);
	print("LINK %-36s %-17s STATE  INCARNATION      OPEN GIVE  HAVE FRAME  "
	      "RTT us\n", "NODE", "ADDRESS");
	for (u32 i = 0; i < f->links; i++)
		show_link(i);
	print("frames: %lu received, %lu sent; requests: %lu asked again (%lu by "
	      "timer); sessions: %lu, %lu lapsed\n",
	      f->received, f->sent, f->resends, f->timeouts, f->sessions,
	      f->lapses);
	print("operations: %lu done, %lu not done, %lu unknown; answers repeated: "
	      "%lu\n",
	      f->completed[0], f->completed[1], f->completed[2], f->repeated);
	show_ran();
	show_drops();
	show_strays();
	show_refusals();
}
