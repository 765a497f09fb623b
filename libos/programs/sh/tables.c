// SPDX-License-Identifier: BSD-2-Clause
// The exported tables, for people. Nothing here needs a privilege: every
// environment sees the same (kernel/abi/tables.h). Only capability lists are
// asked of the kernel, and only of the shell and its children.

#include "kernel/base/string.h"
#include "libos/crt/clock.h"
#include "libos/crt/console.h"
#include "libos/crt/errors.h"
#include "libos/crt/start.h"
#include "libos/crt/syscall.h"
#include "libos/image/cpio.h"
#include "libos/mem/frames.h"
#include "libos/mem/mem.h"
#include "libos/programs/sh/sh.h"
#include "libos/text/text.h"

#define STATES (FRAME_LIMBO + 1)

// A name in the env table, copied because it may change.
struct env_name {
	char text[ENV_NAME_SIZE];
};

static struct env_name
name_of(u32 index)
{
	struct env_name name = { "-" };

	if (index >= ENVS_MAX || env_table()[index].id == 0)
		return name;
	for (u32 i = 0; i < ENV_NAME_SIZE; i++)
		name.text[i] = env_table()[index].name[i];
	name.text[ENV_NAME_SIZE - 1] = 0;
	return name;
}

static u64
to_ms(u64 ns)
{
	return ns / NS_PER_MS;
}

static u32
index_of(u32 id)
{
	for (u32 i = 0; i < ENVS_MAX; i++) {
		if (id && env_table()[i].id == id)
			return i;
	}
	return ENVS_MAX;
}

void
show_programs(int argc, char **argv)
{
	struct cpio_walk walk;
	struct cpio_entry entry;

	(void)argc;
	(void)argv;
	cpio_start(&walk, boot_archive.data, boot_archive.len_bytes);
	while (cpio_next(&walk, &entry) == CPIO_ENTRY) {
		if (cpio_is_file(&entry) && entry.name[0] != '.')
			print("  %-12s %7u bytes\n", entry.name, entry.data_len);
	}
}

static const char *
state_name(u32 state)
{
	static const char *const names[] = {
		"free", "new", "runnable", "asleep", "dying", "dead", "calling",
	};

	return state < ARRAY_SIZE(names) ? names[state] : "?";
}

void
show_envs(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	print("   ID PARENT NAME            STATE       CPU ms EXCESS ms "
	      "FRAMES        SLICES RINGS FAULTS\n");
	for (u32 i = 0; i < ENVS_MAX; i++) {
		const volatile struct env_info *e = &env_table()[i];
		struct env_name name = name_of(i);

		if (e->id == 0)
			continue;
		print("%5u %6u %-15s %-9s %8lu %9lu %6u/%-6u %3u/%-3u %2u/%-2u "
		      "%6lu\n",
		      e->id, e->parent, name.text, state_name(e->state),
		      to_ms(e->cpu_ns), to_ms(e->excess_ns),
		      e->used.frames, e->quota.frames, e->used.slices,
		      e->quota.slices, e->used.rings, e->quota.rings, e->faults);
	}
}

static void
show_frame_row(const char *owner, const u32 counts[STATES])
{
	u32 sum = 0;

	for (u32 s = 0; s < STATES; s++)
		sum += counts[s];
	if (sum)
		print("%-15s %8u %8u %8u %8u %8u %8u\n", owner,
		      counts[FRAME_OWNED], counts[FRAME_TABLE],
		      counts[FRAME_LIMBO], counts[FRAME_RESERVED],
		      counts[FRAME_FREE], sum);
}

void
show_frames(int argc, char **argv)
{
	static u32 counts[ENVS_MAX + 1][STATES];
	u64 frame_count = sys_info()->frame_count;

	(void)argc;
	(void)argv;
	memset(counts, 0, sizeof(counts));
	for (u64 i = 0; i < frame_count; i++) {
		u32 owner = MIN((u32)frame_table()[i].owner, ENVS_MAX);
		u32 state = frame_table()[i].state;

		if (state < STATES)
			counts[owner][state]++;
	}
	print("OWNER              OWNED    TABLE    LIMBO RESERVED     FREE"
	      "      ALL\n");
	for (u32 i = 0; i < ENVS_MAX; i++)
		show_frame_row(name_of(i).text, counts[i]);
	show_frame_row("(nobody)", counts[ENVS_MAX]);
	print("%lu of %lu frames free (%lu of %lu KiB)\n",
	      sys_info()->frames_free, frame_count,
	      sys_info()->frames_free * 4, frame_count * 4);
}

// One processor's vector, neighbours with the same environment joined.
static void
show_slice_row(u32 cpu)
{
	const volatile struct slice_info *vector =
		slice_table() + cpu * SLICES_PER_CPU;

	print("processor %u:", cpu);
	for (u32 i = 0, next; i < SLICES_PER_CPU; i = next) {
		u32 env = vector[i].env;

		for (next = i + 1; next < SLICES_PER_CPU; next++) {
			if (vector[next].env != env)
				break;
		}
		if (next == i + 1)
			print(" %u=%s", i, name_of(env).text);
		else
			print(" %u-%u=%s", i, next - 1, name_of(env).text);
	}
	print("\n");
}

void
show_slices(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	for (u32 cpu = 0; cpu < sys_info()->cpu_count; cpu++)
		show_slice_row(cpu);
}

void
show_rings(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	print("RING OWNER           ADDRESS         FILTERS RECEIVED  DROPPED"
	      "     SENT  REFUSED\n");
	for (u32 i = 0; i < RINGS_MAX; i++) {
		const volatile struct ring_info *r = &ring_table()[i];

		if (r->owner == 0)
			continue;
		print("%4u %-15s %02x:%02x:%02x:%02x:%02x:%02x %5u %8lu %8lu "
		      "%8lu %8lu\n",
		      i, name_of(index_of(r->owner)).text, r->mac[0], r->mac[1],
		      r->mac[2], r->mac[3], r->mac[4], r->mac[5],
		      r->filter_count, r->rx_frames, r->rx_dropped,
		      r->tx_frames, r->tx_refused);
	}
	print("interface: %lu frames received, %lu of them unclaimed and %lu "
	      "too long for a ring, %lu sent\n",
	      sys_info()->nic_rx_frames, sys_info()->nic_rx_unclaimed,
	      sys_info()->nic_rx_too_long, sys_info()->nic_tx_frames);
}

static const char *
type_name(u32 type)
{
	switch (type) {
#define X(name, word, range) \
	case name: \
		return word;
#include "kernel/abi/caps.def"
#undef X
	}
	return "?";
}

void
show_caps(int argc, char **argv)
{
	u64 id = 0;
	u32 env = CAP_SLOT_SELF;

	if (argc > 1) {
		if (!text_to_u64(argv[1], &id) || id > ~0u ||
		    job_slot((u32)id) == SLOT_NONE) {
			print("caps: %s is no program started here\n", argv[1]);
			return;
		}
		env = job_slot((u32)id);
	}
	print("SLOT TYPE     RIGHTS       BASE      COUNT DEPTH CHILDREN\n");
	for (u32 slot = 0; slot < CAP_LIST_SLOTS; slot++) {
		struct cap_info c;
		i64 error = sys_cap_inspect(env, slot, &c);

		if (error) {
			print("caps: %s\n", error_text(error));
			return;
		}
		if (c.type == CAP_NONE)
			continue;
		if (c.type == CAP_REMOTE)
			c.base = REMOTE_UNIT(c.base);
		print("%4u %-8s %c%c%c%c%c %10lu %10lu %5u %8u\n", slot,
		      type_name(c.type), c.rights & CAP_READ ? 'r' : '-',
		      c.rights & CAP_WRITE ? 'w' : '-',
		      c.rights & CAP_EXECUTE ? 'x' : '-',
		      c.rights & CAP_DERIVE ? 'd' : '-',
		      c.rights & CAP_FORGE ? 'f' : '-', c.base, c.count, c.depth,
		      c.children);
	}
}

void
show_memory(int argc, char **argv)
{
	const volatile struct env_info *self = &env_table()[self_index()];

	(void)argc;
	(void)argv;
	print("node:  %lu KiB, %lu KiB free\n", sys_info()->frame_count * 4,
	      sys_info()->frames_free * 4);
	print("shell: %u of %u frames used; pool %lu held, %lu in use; heap "
	      "%lu pages\n",
	      self->used.frames, self->quota.frames, frames_held(),
	      frames_in_use(), mem_pages());
}

void
show_uptime(int argc, char **argv)
{
	u64 now_ms = to_ms(now_ns());

	(void)argc;
	(void)argv;
	print("up %lu.%03lu s, %u processor%s, incarnation %016lx\n",
	      now_ms / 1000, now_ms % 1000,
	      sys_info()->cpu_count, sys_info()->cpu_count == 1 ? "" : "s",
	      sys_info()->incarnation);
}
