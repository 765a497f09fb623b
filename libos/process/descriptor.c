// SPDX-License-Identifier: BSD-2-Clause
// Descriptors over pipes and the console.
//
// A pipe's frames lie at their place in the direct window and are told in the uarea,
// so a forked child finds them (memory.c), with the same numbers.
//
// Invariant D1: a number of kind PIPE is held in the pipe's end by this environment.

#include "libos/process/descriptor.h"
#include "kernel/abi/errors.h"
#include "kernel/base/assert.h"
#include "libos/crt/clock.h"
#include "libos/crt/console.h"
#include "libos/crt/start.h"
#include "libos/crt/syscall.h"
#include "libos/mem/layout.h"

#define ARGUMENT_NOBODY 0xffffu		// in the uarea for forks, no number yet

enum kind { CLOSED, CONSOLE, PIPE };

static struct descriptor {
	u8 kind;
	bool writes;
	struct pipe *pipe;
} table[DESCRIPTORS_MAX];

static bool known;

static u64
self(void)
{
	return pipe_holder(self_index(), env_table()[self_index()].id);
}

static bool
is_living(u64 holder)
{
	u32 index = (u32)(holder >> 32);

	return holder && index < ENVS_MAX &&
	       env_table()[index].id == (u32)holder &&
	       env_table()[index].end == END_NONE;
}

static struct pipe_end *
end_of(const struct descriptor *d, bool other)
{
	return d->writes != other ? &d->pipe->writer : &d->pipe->reader;
}

// Holds an end; the places of those that died are free.
static bool
hold(struct pipe_end *end, u64 holder)
{
	if (pipe_hold(end, holder))
		return true;
	for (u32 i = 0; i < PIPE_HOLDERS_MAX; i++) {
		u64 other = __atomic_load_n(&end->holder[i], __ATOMIC_SEQ_CST);

		if (other && !is_living(other))
			pipe_release(end, other);
	}
	return pipe_hold(end, holder);
}

void
descriptors_forked(u32 index, u32 id);

// At each fork (process.c): the child holds what its parent holds.
void
descriptors_forked(u32 index, u32 id)
{
	for (u32 i = 0; i < DESCRIPTORS_MAX; i++) {
		if (table[i].kind == PIPE &&
		    !hold(end_of(&table[i], false), pipe_holder(index, id)))
			print("%s: too many hold a pipe\n", program_name());
	}
}

static void
learn(void)
{
	const struct startup_cap *cap;

	if (known)
		return;
	known = true;
	table[1] = table[2] = (struct descriptor){ .kind = CONSOLE, .writes = true };
	for (u32 i = 0; (cap = startup_find(ROLE_PIPE, i)); i++) {
		u32 fd = cap->argument & 0xff;
		struct frame_run run;

		if (fd >= DESCRIPTORS_MAX || run_of_slot(cap->slot, &run) ||
		    run.count != PIPE_FRAMES ||
		    map_direct(&run, PROT_READ | PROT_WRITE))
			continue;
		table[fd] = (struct descriptor){
			.kind = PIPE,
			.writes = cap->argument & DESCRIPTOR_WRITES,
			.pipe = direct_address(run.frame),
		};
		if (!hold(end_of(&table[fd], false), self()))
			table[fd].kind = CLOSED;
	}
}

static struct descriptor *
find(u32 fd, bool writes)
{
	learn();
	if (fd >= DESCRIPTORS_MAX || table[fd].kind == CLOSED ||
	    table[fd].writes != writes)
		return NULL;
	return &table[fd];
}

// One at a time works on an end. Who died at it is not waited for.
static void
lock(struct pipe_end *end)
{
	u64 me = self();

	for (;;) {
		u64 other = 0;

		if (__atomic_compare_exchange_n(&end->lock, &other, me, false,
						__ATOMIC_SEQ_CST,
						__ATOMIC_SEQ_CST))
			return;
		if (!is_living(other) &&
		    __atomic_compare_exchange_n(&end->lock, &other, me, false,
						__ATOMIC_SEQ_CST,
						__ATOMIC_SEQ_CST))
			return;
		sys_yield(SLOT_NONE);
	}
}

static void
unlock(struct pipe_end *end)
{
	__atomic_store_n(&end->lock, 0, __ATOMIC_SEQ_CST);
}

// Sleeps until the other side did something or is gone. Returns false when nobody
// else holds it: then nothing will ever come.
static bool
wait_for(const struct pipe_end *other, u32 count, u32 closes)
{
	struct wait_word words[2 + PIPE_HOLDERS_MAX] = {
		{ .va = (u64)&other->count, .expected = count },
		{ .va = (u64)&other->closes, .expected = closes },
	};
	u32 n = 2;

	for (u32 i = 0; i < PIPE_HOLDERS_MAX; i++) {
		u64 holder = __atomic_load_n(&other->holder[i], __ATOMIC_SEQ_CST);

		if (holder == self() || !is_living(holder))
			continue;
		words[n++] = (struct wait_word){
			.va = (u64)&env_table()[holder >> 32].end,
			.expected = END_NONE,
		};
	}
	if (n == 2)
		return false;
	return sys_wait(words, n, NEVER) != -E_ADDRESS;
}

static i64
pipe_read(const struct descriptor *d, void *bytes, u64 len)
{
	struct pipe_end *mine = end_of(d, false);
	struct pipe_end *other = end_of(d, true);

	for (;;) {
		u32 count = __atomic_load_n(&other->count, __ATOMIC_SEQ_CST);
		u32 closes = __atomic_load_n(&other->closes, __ATOMIC_SEQ_CST);
		u32 got;

		lock(mine);
		got = pipe_get(d->pipe, bytes, len);
		unlock(mine);
		if (got == PIPE_BAD)
			return -E_STATE;
		if (got || !len) {
			sys_wake(&mine->count);
			return got;
		}
		// What the last writer wrote before he went is still to be read.
		if (!wait_for(other, count, closes) && !pipe_used(d->pipe))
			return 0;
	}
}

static i64
pipe_write(const struct descriptor *d, const u8 *bytes, u64 len)
{
	struct pipe_end *mine = end_of(d, false);
	struct pipe_end *other = end_of(d, true);

	while (len) {
		u32 count = __atomic_load_n(&other->count, __ATOMIC_SEQ_CST);
		u32 closes = __atomic_load_n(&other->closes, __ATOMIC_SEQ_CST);
		bool readers = false;
		u32 put;

		for (u32 i = 0; i < PIPE_HOLDERS_MAX; i++)
			readers |= is_living(other->holder[i]);
		if (!readers)
			return -E_STATE;
		lock(mine);
		put = pipe_put(d->pipe, bytes, len);
		unlock(mine);
		if (put == PIPE_BAD)
			return -E_STATE;
		bytes += put;
		len -= put;
		if (put)
			sys_wake(&mine->count);
		else if (!wait_for(other, count, closes))
			return -E_STATE;
	}
	return 0;
}

i64
descriptor_read(u32 fd, void *bytes, u64 len)
{
	const struct descriptor *d = find(fd, false);

	// Without a pipe there is nothing to read: the console is its parent's.
	if (!d)
		return fd == 0 && table[0].kind == CLOSED ? 0 : -E_ARGUMENT;
	return pipe_read(d, bytes, len);
}

i64
descriptor_write(u32 fd, const void *bytes, u64 len)
{
	const struct descriptor *d = find(fd, true);

	if (!d)
		return -E_ARGUMENT;
	if (d->kind == PIPE)
		return pipe_write(d, bytes, len);
	console_put_raw(bytes, (u32)len);
	return 0;
}

// print() comes here (console.c), where this file is linked.
void
descriptor_put(const char *text, u32 len)
{
	if (descriptor_write(1, text, len) == -E_STATE)
		sys_env_exit(DESCRIPTOR_STATUS_BROKEN);
}

// Another number of the same end is open.
static bool
is_open_elsewhere(u32 fd)
{
	for (u32 i = 0; i < DESCRIPTORS_MAX; i++) {
		if (i != fd && table[i].kind == PIPE &&
		    table[i].pipe == table[fd].pipe &&
		    table[i].writes == table[fd].writes)
			return true;
	}
	return false;
}

void
descriptor_close(u32 fd)
{
	struct descriptor *d;

	learn();
	if (fd >= DESCRIPTORS_MAX || table[fd].kind == CLOSED)
		return;
	d = &table[fd];
	if (d->kind == PIPE && !is_open_elsewhere(fd)) {
		struct pipe_end *end = end_of(d, false);

		pipe_release(end, self());
		sys_wake(&end->closes);
	}
	*d = (struct descriptor){ .kind = CLOSED };
}

i64
descriptor_move(u32 from, u32 to)
{
	learn();
	if (from >= DESCRIPTORS_MAX || to >= DESCRIPTORS_MAX ||
	    table[from].kind == CLOSED)
		return -E_ARGUMENT;
	if (from == to)
		return 0;
	descriptor_close(to);
	table[to] = table[from];
	table[from] = (struct descriptor){ .kind = CLOSED };
	return 0;
}

struct pipe *
descriptor_pipe_of(u32 fd)
{
	learn();
	return fd < DESCRIPTORS_MAX ? table[fd].pipe : NULL;
}

static u32
free_number(u32 from)
{
	while (from < DESCRIPTORS_MAX && table[from].kind != CLOSED)
		from++;
	return from;
}

static bool
is_in_use(struct pipe *pipe)
{
	for (u32 i = 0; i < DESCRIPTORS_MAX; i++) {
		if (table[i].kind == PIPE && table[i].pipe == pipe)
			return true;
	}
	for (u32 i = 0; i < PIPE_HOLDERS_MAX; i++) {
		if (is_living(pipe->reader.holder[i]) ||
		    is_living(pipe->writer.holder[i]))
			return true;
	}
	return false;
}

// Pipes that this process made or inherited and that nobody holds any more go. Not
// sooner: children have theirs from its capability.
static void
collect(struct uarea *u)
{
	u32 kept = 0;

	for (u32 i = 0; i < MIN(u->cap_count, STARTUP_CAPS_MAX); i++) {
		struct startup_cap c = u->cap[i];

		if (c.role == ROLE_PIPE && c.argument == ARGUMENT_NOBODY &&
		    !is_in_use(direct_address(c.base)))
			cap_drop_all(c.slot);
		else
			u->cap[kept++] = c;
	}
	u->cap_count = kept;
}

i64
descriptor_pipe(u32 fd[2])
{
	struct uarea *u = uarea();
	struct frame_run run;
	i64 slot, error;

	learn();
	collect(u);
	fd[0] = free_number(3);
	fd[1] = free_number(fd[0] + 1);
	if (fd[1] >= DESCRIPTORS_MAX || u->cap_count >= STARTUP_CAPS_MAX)
		return -E_TABLE;
	slot = sys_frame_alloc(FRAME_ANY, PIPE_FRAMES);
	if (slot < 0)
		return slot;
	error = run_of_slot((u32)slot, &run);
	if (!error)
		error = map_direct(&run, PROT_READ | PROT_WRITE);
	if (error) {
		cap_drop_all((u32)slot);
		return error;
	}
	u->cap[u->cap_count++] = (struct startup_cap){
		.role = ROLE_PIPE,
		.slot = (u16)slot,
		.base = run.frame,
		.argument = ARGUMENT_NOBODY,
	};
	for (u32 i = 0; i < 2; i++) {
		table[fd[i]] = (struct descriptor){
			.kind = PIPE,
			.writes = i == 1,
			.pipe = direct_address(run.frame),
		};
		// It is new: there is room.
		ASSERT(hold(end_of(&table[fd[i]], false), self()));
	}
	return 0;
}

u32
descriptors_for_exec(struct startup_cap caps[STARTUP_CAPS_MAX])
{
	const struct uarea *u = uarea();
	u32 kept = 0;

	learn();
	for (u32 fd = 0; fd < DESCRIPTORS_MAX; fd++) {
		for (u32 i = 0; i < MIN(u->cap_count, STARTUP_CAPS_MAX); i++) {
			const struct startup_cap *c = &u->cap[i];

			if (table[fd].kind != PIPE || c->role != ROLE_PIPE ||
			    direct_address(c->base) != table[fd].pipe ||
			    kept == STARTUP_CAPS_MAX)
				continue;
			caps[kept] = *c;
			caps[kept++].argument =
				fd | (table[fd].writes ? DESCRIPTOR_WRITES : 0);
			break;
		}
	}
	return kept;
}
