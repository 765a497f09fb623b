// SPDX-License-Identifier: BSD-2-Clause
// Volumes: the calls, and what operations of block queues come to on one. Who owns a
// block, and in which order things reach the disk, is decided by kernel/volume alone;
// here stand capabilities, memory and programs.
//
// A volume stands on the capability for its extent and on those for its types' programs;
// when one goes, it stops: every queue on it too, and nothing of it reaches the disk any
// more, which is then as after a power cut. While it is open no other queue and no peer
// reaches its extent.
//
// Opening one that is on the disk: whoever opens it reads the block that `wanted` names
// through a queue, into the volume's cache with a copy for the reader, and has it walked
// by a call. Programs it loads and has verified as any other; here they need only be
// byte for byte what the disk holds.
//
// Invariants:
//   W1  the cache's frames, and one more, are FRAME_TABLE, in `used.frames` of the owner
//   W2  extents of volumes that are OPENING or OPEN do not overlap, and no operation is
//       with the device in one but its own
//   W3  `shown` is a block whose bytes the cache holds, from its first slot on, that came
//       from the disk while the volume was OPENING

#include "kernel/sys/volume.h"
#include "kernel/arch/x86_64/memory.h"
#include "kernel/base/assert.h"
#include "kernel/base/scarce.h"
#include "kernel/base/span.h"
#include "kernel/base/string.h"
#include "kernel/sys/call.h"
#include "kernel/sys/program.h"
#include "kernel/sys/queue.h"
#include "kernel/sys/tables.h"
#include "kernel/volume/volume.h"

#define CATALOGUE_FRAMES 1u		// behind the cache: the catalogue on its way to the disk

enum flight_kind {
	FLIGHT_READ,
	FLIGHT_WRITE,
	FLIGHT_FLUSH,
	FLIGHT_LOAD,
	FLIGHT_STORE,
	FLIGHT_SHOW,		// of what is wanted while it is opened
};

struct mounted {
	struct volume core;
	u32 owner;		// index of the environment
	u32 blocks_node;
	u32 shown;		// W3, or VOLUME_NONE
	bool showing;		// a FLIGHT_SHOW is with the device
	const struct program *program[VOLUME_TYPES_MAX];
	u32 program_node[VOLUME_TYPES_MAX];
	u8 mark[VOLUME_BLOCKS_MAX];
};

static struct mounted mounted[VOLUMES_MAX];

static struct volume_info *
info_of(const struct mounted *m)
{
	return &volume_table[m - mounted];
}

static bool
is_live(u32 volume)
{
	u32 stage = volume_table[volume].stage;

	return stage == VOLUME_OPENING || stage == VOLUME_OPEN;
}

bool
volume_covers(u64 block, u64 count)
{
	for (u32 i = 0; i < VOLUMES_MAX; i++) {
		const struct volume_info *info = &volume_table[i];

		if (is_live(i) && span_meets(block, count, info->first, info->count))
			return true;
	}
	return false;
}

bool
volume_flushes(u32 volume)
{
	return mounted[volume].core.flushing;
}

static void
owns(void *host, u32 type, struct volume_context *context, u64 *found)
{
	const struct mounted *m = host;

	ASSERT(m->program[type]);
	*found = program_run(m->program[type], context, NULL);
}

// The exported table says what the core has.
static void
show(const struct mounted *m)
{
	struct volume_info *info = info_of(m);

	memcpy(info->type, m->core.catalogue.type, sizeof(info->type));
	memcpy(info->root, m->core.catalogue.root, sizeof(info->root));
}

static void
stop(struct mounted *m)
{
	info_of(m)->stage = VOLUME_STOPPED;
	queue_volume_gone((u32)(m - mounted));
}

// ---- opening ----

struct open_checked {
	struct volume_spec spec;
	u32 volume;		// free entry
	u32 blocks_node;
	u64 frame;
};

static i64
check_extent(const struct env *env, struct open_checked *c)
{
	const struct volume_spec *s = &c->spec;
	const struct cap *cap;
	i64 error = cap_lookup(&caps, env->index, s->blocks_slot, CAP_BLOCKS,
			       CAP_READ | CAP_WRITE | CAP_DERIVE, &cap);

	if (error)
		return error;
	if (s->flags > VOLUME_FORMAT || s->count <= VOLUME_CATALOGUE_BLOCKS ||
	    s->count > VOLUME_BLOCKS_MAX || s->cache_count < VOLUME_CACHE_MIN ||
	    s->cache_count > VOLUME_CACHE_MAX)
		return -E_ARGUMENT;
	if (!cap_covers(cap, s->first, s->count))
		return -E_RANGE;
	c->blocks_node = cap_node(&caps, cap);
	if (volume_covers(s->first, s->count))
		return -E_TAKEN;
	return queue_works_on(s->first, s->count, false) ? -E_AGAIN : 0;	// W2
}

i64
check_volume_open(struct call *call)
{
	struct open_checked *c = CHECKED(call, struct open_checked);
	i64 error = disk_works() ? user_read(call->env, call->a[0], &c->spec,
					     sizeof(c->spec)) : -E_ABSENT;

	if (!error)
		error = check_extent(call->env, c);
	if (error)
		return error;
	FIND_FIRST(c->volume, VOLUMES_MAX, volume_table[c->volume].stage == VOLUME_CLOSED);
	if (SCARCE(c->volume == VOLUMES_MAX))
		return -E_TABLE;
	return check_new_frames(call, FRAME_ANY, c->spec.cache_count + CATALOGUE_FRAMES,
				&c->frame);
}

static void
prepare(struct mounted *m, const struct open_checked *c, u32 owner)
{
	struct volume *v = &m->core;

	memset(m, 0, sizeof(*m));
	m->owner = owner;
	m->blocks_node = c->blocks_node;
	m->shown = VOLUME_NONE;
	v->block = volume_blocks[c->volume];
	v->mark = m->mark;
	v->cache = frame_memory(c->frame);
	v->cache_count = c->spec.cache_count;
	v->cache_frame = (u32)c->frame;
	v->count = c->spec.count;
	v->owns = owns;
	v->host = m;
	*info_of(m) = (struct volume_info){
		.owner = envs[owner].info->id,
		.stage = VOLUME_OPENING,
		.first = c->spec.first,
		.count = c->spec.count,
		.wanted = c->spec.flags & VOLUME_FORMAT ? VOLUME_NONE : 0,
		.cache_frame = c->frame,
		.cache_count = c->spec.cache_count,
	};
}

i64
do_volume_open(struct call *call)
{
	const struct open_checked *c = CHECKED(call, struct open_checked);
	struct mounted *m = &mounted[c->volume];

	env_take_frames(call->env, c->frame, c->spec.cache_count + CATALOGUE_FRAMES,
			FRAME_TABLE);					// W1
	prepare(m, c, call->env->index);
	if (c->spec.flags & VOLUME_FORMAT) {
		volume_format(&m->core);
		info_of(m)->stage = VOLUME_OPEN;
		show(m);
	}
	return mint(call, CAP_VOLUME, CAP_READ | CAP_WRITE | CAP_DERIVE,
		    c->volume * VOLUME_ROOTS_MAX, VOLUME_ROOTS_MAX);
}

struct checked {
	struct mounted *m;
	u32 root;
	const struct program *program;
	u32 program_node;
	struct volume_update update;
};

// Looks up the volume that the first argument names, and that all of its roots are the
// caller's, or the one that the second argument names.
static i64
check_volume(struct call *call, bool all, struct checked **checked)
{
	struct checked *c = *checked = CHECKED(call, struct checked);
	const struct cap *cap = call->cap;

	c->m = &mounted[cap->base / VOLUME_ROOTS_MAX];
	if (!is_live((u32)(c->m - mounted)))
		return -E_STATE;
	if (all)
		return cap->count == VOLUME_ROOTS_MAX ? 0 : -E_RIGHTS;
	c->root = (u32)call->a[1];
	if (call->a[1] >= VOLUME_ROOTS_MAX ||
	    !cap_covers(cap, cap->base / VOLUME_ROOTS_MAX * VOLUME_ROOTS_MAX + c->root, 1))
		return -E_RANGE;
	return info_of(c->m)->stage == VOLUME_OPEN ? 0 : -E_STATE;
}

// The walk has seen the block that was shown, or an error in it.
static i64
walked(struct mounted *m, i64 error)
{
	struct volume_info *info = info_of(m);

	m->shown = VOLUME_NONE;
	show(m);
	if (error) {
		stop(m);
		return error;
	}
	info->wanted = volume_wanted(&m->core);
	if (info->wanted == VOLUME_NONE)
		info->stage = VOLUME_OPEN;
	return info->wanted == VOLUME_NONE ? 0 : -E_AGAIN;
}

// Is the block at hand that comes next, and a program or not?
static bool
is_shown(const struct mounted *m, bool program)
{
	return info_of(m)->stage == VOLUME_OPENING && m->shown != VOLUME_NONE &&
	       (m->core.block[m->shown].state == VOLUME_PROGRAM) == program;
}

i64
check_volume_walk(struct call *call)
{
	struct checked *c;
	i64 error = check_volume(call, true, &c);

	return error || is_shown(c->m, false) ? error : -E_STATE;
}

i64
do_volume_walk(struct call *call)
{
	struct mounted *m = CHECKED(call, struct checked)->m;
	const u8 *bytes = m->core.cache;

	return walked(m, m->shown ? volume_walk(&m->core, m->shown, bytes)
				  : volume_mount(&m->core, bytes, bytes + BLOCK_SIZE));
}

// While it is opened: is it what the disk holds?
static i64
check_old_type(const struct mounted *m, u64 type, u64 shift, const struct program *program)
{
	const struct volume_type *t = &m->core.catalogue.type[type % VOLUME_TYPES_MAX];
	const struct code_insn *text;
	u32 count;

	if (!is_shown(m, true))
		return -E_STATE;
	text = program_text(program, &count);
	return type < VOLUME_TYPES_MAX && t->block == m->shown && t->shift == shift &&
	       t->insn_count == count &&
	       !memcmp(m->core.cache, text, count * sizeof(*text)) ? 0 : -E_ARGUMENT;
}

i64
check_volume_type(struct call *call)
{
	struct checked *c;
	u32 count;
	i64 error = check_volume(call, true, &c);

	if (error)
		return error;
	if (call->a[2] < VOLUME_SHIFT_MIN || call->a[2] > VOLUME_SHIFT_MAX ||
	    call->a[1] >= VOLUME_TYPES_MAX || call->a[4] > VOLUME_BLOCKS_MAX)
		return -E_ARGUMENT;
	error = check_program(call->env->index, call->a[3], PROGRAM_OWNS_64 +
			      (enum program_type)(call->a[2] - VOLUME_SHIFT_MIN),
			      &c->program, &c->program_node);
	if (error)
		return error;
	if (info_of(c->m)->stage == VOLUME_OPENING)
		return check_old_type(c->m, call->a[1], call->a[2], c->program);
	program_text(c->program, &count);
	return volume_type_check(&c->m->core, (u32)call->a[1], (u32)call->a[2], count,
				 (u32)call->a[4]);
}

i64
do_volume_type(struct call *call)
{
	const struct checked *c = CHECKED(call, struct checked);
	struct mounted *m = c->m;
	u32 type = (u32)call->a[1], count;
	const struct code_insn *text = program_text(c->program, &count);
	i64 error;

	m->program[type] = c->program;
	m->program_node[type] = c->program_node;
	if (info_of(m)->stage == VOLUME_OPENING)
		return walked(m, volume_walk(&m->core, m->shown, m->core.cache));
	error = volume_type_add(&m->core, type, (u32)call->a[2], text, count,
				(u32)call->a[4]);
	if (error)
		m->program[type] = NULL;
	show(m);
	return error;
}

// ---- roots and metadata ----

i64
check_volume_root(struct call *call)
{
	struct checked *c;
	i64 error = check_volume(call, false, &c);

	if (error)
		return error;
	return call->a[2] >= VOLUME_TYPES_MAX || call->a[3] > VOLUME_BLOCKS_MAX ||
	       call->a[4] > 1 ? -E_ARGUMENT : 0;
}

i64
do_volume_root(struct call *call)
{
	const struct checked *c = CHECKED(call, struct checked);
	struct volume *v = &c->m->core;
	u32 block = (u32)call->a[3];
	i64 error = block ? volume_root_add(v, c->root, (u32)call->a[2], block, call->a[4])
			  : volume_root_drop(v, c->root);

	show(c->m);
	return error;
}

i64
check_volume_limit(struct call *call)
{
	struct checked *c;
	i64 error = check_volume(call, true, &c);

	if (!error)
		error = check_volume(call, false, &c);
	return error ? error : call->a[2] > VOLUME_BLOCKS_MAX ? -E_ARGUMENT : 0;
}

i64
do_volume_limit(struct call *call)
{
	const struct checked *c = CHECKED(call, struct checked);
	i64 error = volume_limit(&c->m->core, c->root, (u32)call->a[2]);

	show(c->m);
	return error;
}

i64
check_volume_update(struct call *call)
{
	struct checked *c;
	i64 error = check_volume(call, false, &c);

	return error ? error : user_read(call->env, call->a[2], &c->update,
					 sizeof(c->update));
}

i64
do_volume_update(struct call *call)
{
	const struct checked *c = CHECKED(call, struct checked);

	return volume_update(&c->m->core, c->root, &c->update);
}

// ---- operations ----

i64
volume_extent(u32 volume, u64 *first, u64 *count)
{
	*first = volume_table[volume].first;
	*count = volume_table[volume].count;
	return is_live(volume) ? 0 : -E_STATE;
}

static u64
cache_physical(const struct mounted *m, u32 slot)
{
	return ((u64)m->core.cache_frame + slot) << PAGE_SHIFT;
}

static void
copy_out(const struct mounted *m, u32 slot, u32 frame, u32 count)
{
	memcpy(frame_memory(frame), m->core.cache + (size_t)slot * BLOCK_SIZE,
	       (size_t)count * BLOCK_SIZE);
}

// Reads what is wanted, into the first slots: nothing else uses the cache so early.
static i64
start_show(struct mounted *m, struct volume_flight *f, struct disk_op *op)
{
	u32 count = f->block ? 1 : VOLUME_CATALOGUE_BLOCKS;

	if (op->kind != QUEUE_READ || m->showing)
		return -E_STATE;
	if (f->block != info_of(m)->wanted || f->count != count)
		return -E_RANGE;
	m->showing = true;
	m->shown = VOLUME_NONE;
	f->kind = FLIGHT_SHOW;
	op->physical = cache_physical(m, 0);
	return 0;
}

// Metadata is read into the cache and copied from there.
static i64
start_load(struct mounted *m, struct volume_flight *f, struct disk_op *op)
{
	u32 slot;
	i64 error = f->count == 1 ? volume_load(&m->core, f->root, f->block, &slot)
				  : -E_RANGE;

	if (error)
		return error;
	if (slot == VOLUME_NONE) {
		copy_out(m, m->core.block[f->block].frame - m->core.cache_frame, f->frame, 1);
		return 1;
	}
	f->kind = FLIGHT_LOAD;
	f->slot = slot;
	op->physical = cache_physical(m, slot);
	return 0;
}

static i64
start_store(struct mounted *m, struct volume_flight *f, struct disk_op *op)
{
	u32 slot, target;
	i64 error = volume_store(&m->core, f->root, f->block, &slot, &target);

	if (error)
		return error;
	if (slot == VOLUME_NONE) {
		slot = m->core.cache_count;
		volume_catalogue(&m->core, m->core.cache + (size_t)slot * BLOCK_SIZE);
	}
	f->kind = FLIGHT_STORE;
	op->kind = QUEUE_WRITE;
	op->block = info_of(m)->first + target;
	op->physical = cache_physical(m, slot);
	return 0;
}

i64
volume_start(u32 volume, const struct queue_submit *s, struct disk_op *op,
	     struct volume_flight *f)
{
	struct mounted *m = &mounted[volume];
	u16 block = s->op == QUEUE_FLUSH ? 0 : (u16)s->block;

	ASSERT(is_live(volume) && block + s->count <= m->core.count);
	*f = (struct volume_flight){
		.volume = (u8)volume, .root = s->root, .block = block,
		.count = s->count, .frame = s->frame,
	};
	if (info_of(m)->stage == VOLUME_OPENING)
		return start_show(m, f, op);
	if (s->op == QUEUE_STORE)
		return start_store(m, f, op);
	if (s->op == QUEUE_FLUSH) {
		f->kind = FLIGHT_FLUSH;
		return volume_flush(&m->core);
	}
	if (s->op == QUEUE_READ && m->core.block[block].type != VOLUME_DATA)
		return start_load(m, f, op);
	f->kind = s->op == QUEUE_WRITE ? FLIGHT_WRITE : FLIGHT_READ;
	return volume_begin(&m->core, s->root, s->op == QUEUE_WRITE, block, s->count);
}

void
volume_finish(const struct volume_flight *f, bool succeeded, bool owned)
{
	struct mounted *m = &mounted[f->volume % VOLUMES_MAX];
	struct volume *v = &m->core;

	if (f->volume == VOLUME_RAW)
		return;
	ASSERT(is_live(f->volume));
	switch ((enum flight_kind)f->kind) {
	case FLIGHT_READ:
	case FLIGHT_WRITE:
		volume_done(v, f->kind == FLIGHT_WRITE, f->block, f->count, succeeded);
		return;
	case FLIGHT_FLUSH:
		volume_flushed(v, succeeded);
		return;
	case FLIGHT_STORE:
		volume_stored(v, f->block, succeeded);
		return;
	case FLIGHT_LOAD:
		volume_loaded(v, f->block, succeeded);
		break;
	case FLIGHT_SHOW:
		m->showing = false;
		m->shown = succeeded ? f->block : VOLUME_NONE;
		break;
	}
	if (succeeded && owned)
		copy_out(m, f->slot, f->frame, f->count);
}

void
volume_audit(void)
{
	for (u32 i = 0; i < VOLUMES_MAX; i++) {
		static u16 tally[2 * VOLUME_BLOCKS_MAX];
		struct mounted *m = &mounted[i];
		const struct volume_info *info = &volume_table[i];
		u64 busy = 0;

		if (!is_live(i))
			continue;
		volume_check(&m->core, tally);
		for (u32 b = 0; b < info->count; b++)
			busy += m->core.block[b].busy;
		ASSERT(info->stage == VOLUME_OPENING || busy == queue_volume_busy(i));
		ASSERT(cap_covers(&caps.pool[m->blocks_node], info->first, info->count));
		for (u32 j = 0; j < i; j++)					// W2
			ASSERT(!is_live(j) || !span_meets(info->first, info->count,
				volume_table[j].first, volume_table[j].count));
	}
}

// ---- the end ----

void
volume_cap_gone(u32 cap_node, u64 from)
{
	for (u32 i = 0; i < VOLUMES_MAX; i++) {
		struct mounted *m = &mounted[i];
		bool gone = m->blocks_node == cap_node &&
			    info_of(m)->first + info_of(m)->count > from;

		for (u32 t = 0; t < VOLUME_TYPES_MAX; t++)
			gone |= m->program[t] && m->program_node[t] == cap_node;
		if (gone && is_live(i))
			stop(m);
	}
}

void
volume_destroy(u32 root)
{
	u32 volume = root / VOLUME_ROOTS_MAX;
	struct mounted *m = &mounted[volume];
	struct volume_info *info = info_of(m);

	queue_volume_gone(volume);
	env_return_frames(&envs[m->owner], info->cache_frame,
			  info->cache_count + CATALOGUE_FRAMES);
	memset(m->core.block, 0, m->core.count * sizeof(*m->core.block));
	*info = (struct volume_info){ .stage = VOLUME_CLOSED };
}
