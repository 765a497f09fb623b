// SPDX-License-Identifier: BSD-2-Clause
// What becomes of a child: watching it through the exported env table, and
// taking back what it held (spawn.h).

#include "kernel/base/assert.h"
#include "kernel/base/fmt.h"
#include "libos/crt/clock.h"
#include "libos/crt/spawn.h"
#include "libos/crt/syscall.h"
#include "libos/crt/upcall.h"

static const volatile struct env_info *
entry_of(const struct child *child)
{
	ASSERT(child->id != 0 && child->index < ENVS_MAX);
	return &env_table()[child->index];
}

bool
child_is_dead(const struct child *child)
{
	return entry_of(child)->state == ENV_DEAD;
}

// While it lives, `end` is the word that does not change with each sleep;
// between its end and the last of its resources, `state` is the one that will.
struct wait_word
child_word(const struct child *child)
{
	const volatile struct env_info *entry = entry_of(child);
	u32 state = entry->state;

	if (entry->end == END_NONE)
		return (struct wait_word){
			.va = (u64)&entry->end,
			.expected = END_NONE,
		};
	return (struct wait_word){
		.va = (u64)&entry->state,
		.expected = state,
	};
}

i64
child_wait(const struct child *child, u64 deadline_ns)
{
	for (;;) {
		struct wait_word word = child_word(child);
		i64 result;

		if (child_is_dead(child))
			return 0;
		result = sys_wait(&word, 1, deadline_ns);
		if (result == -E_TIMEOUT)
			return result;
		ASSERT(result == 0 || result == -E_AGAIN);
	}
}

static struct child_end
end_of(const struct child *child)
{
	const volatile struct env_info *entry = entry_of(child);

	if (entry->state != ENV_DEAD)
		return (struct child_end){ .how = END_DESTROYED };
	return (struct child_end){
		.how = (enum env_end)entry->end,
		.status = entry->end_status,
		.vector = entry->fault_vector,
		.rip = entry->fault_rip,
		.address = entry->fault_address,
	};
}

// It may still run on another processor when its capability has gone; its quota
// comes back with its entry.
static void
wait_until_gone(const struct child *child)
{
	const volatile struct env_info *entry = entry_of(child);
	struct wait_word word = {
		.va = (u64)&entry->id,
		.expected = child->id,
	};

	while (entry->id == child->id) {
		i64 result = sys_wait(&word, 1, NEVER);

		ASSERT(result == 0 || result == -E_AGAIN);
	}
}

// The environment goes first: then nobody runs in its slices or memory.
void
child_reap(struct child *child, struct child_end *end)
{
	if (end)
		*end = end_of(child);
	if (child->env != SLOT_NONE) {
		cap_drop_all(child->env);
		if (child->id)
			wait_until_gone(child);
	}
	for (u32 i = 0; i < child->slice_count; i++)
		cap_drop_all(child->slices[i]);
	if (child->memory != SLOT_NONE)
		cap_drop_all(child->memory);
	*child = (struct child){ .env = SLOT_NONE, .memory = SLOT_NONE };
}

size_t
child_end_text(const struct child_end *end, char *buffer, size_t size)
{
	switch (end->how) {
	case END_NONE:
		return fmt_into(buffer, size, "has not ended");
	case END_EXIT:
		return fmt_into(buffer, size, "exited with status %u",
				end->status);
	case END_DESTROYED:
		return fmt_into(buffer, size, "was ended");
	case END_FAULT:
		return fmt_into(buffer, size,
				"died of a fault: %s (vector %u), rip 0x%lx, "
				"address 0x%lx", vector_name(end->vector),
				end->vector, end->rip, end->address);
	case END_UPCALL:
		return fmt_into(buffer, size,
				"died: its upcall stack could not take a %s "
				"(vector %u), rip 0x%lx, address 0x%lx",
				vector_name(end->vector), end->vector, end->rip,
				end->address);
	}
	return fmt_into(buffer, size, "ended in an unknown way");
}
