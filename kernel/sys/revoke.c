// SPDX-License-Identifier: BSD-2-Clause
// Revocation with a deadline: asking, settling, taking.
//
// Who may ask is a matter of authority, not of policy: with WRITE on an
// environment, for units of its quota, which go to its parent; with a capability,
// for units of what was derived from it. What is asked for out of the quota, and
// not in use, changes hands at once; the rest as the environment gives it up
// (revoke_settle), or at the deadline (revoke_work): one capability a round, by the
// order of kernel/cap/demand.h, and when an environment's own does not suffice, its
// children, the newest first, since their quotas are a part of its own.
//
// Invariants:
//   K1  what a request for quota took is in the parent's quota, unit for unit
//   K2  nothing is taken of one kind before the deadline, nor more than is owed
//   K3  revoke_due_ns is not later than any open request's deadline
//   K4  what is taken is recorded in the uarea, or counted there

#include "kernel/sys/revoke.h"
#include "kernel/arch/x86_64/clock.h"
#include "kernel/base/assert.h"
#include "kernel/base/scarce.h"
#include "kernel/base/string.h"
#include "kernel/fabric/fabric.h"
#include "kernel/sys/call.h"
#include "kernel/sys/removal.h"
#include "kernel/sys/sched.h"
#include "kernel/sys/tables.h"
#include "kernel/sys/wait.h"

// The requests for units of the quota: one a kind. Capabilities' follow.
#define KINDS 3u
#define CHILD_PAUSE_NS (100 * NS_PER_US)	// while one is being reaped

u64 revoke_due_ns = NEVER;

// By kind of quota: the type of capability, and what is never taken.
static const struct {
	u32 type, keeps;
} kinds[KINDS] = {
	[QUOTA_FRAMES] = { CAP_FRAMES, REVOKE_KEEPS_FRAMES },
	[QUOTA_SLICES] = { CAP_SLICES, REVOKE_KEEPS_SLICES },
	[QUOTA_RINGS] = { CAP_RING, REVOKE_KEEPS_RINGS },
};

static u32
kind_of(u64 type)
{
	u32 kind;

	FIND_FIRST(kind, KINDS, kinds[kind].type == type);
	return kind;
}

// Something is new in the uarea: for a sleeper on its words, and for the upcall.
static void
tell(struct env *env)
{
	struct uarea *uarea = env->uarea;

	__atomic_fetch_add(&uarea->revoke.serial, 1, __ATOMIC_RELEASE);
	env->told |= 1u << UPCALL_REVOKE;
	env_hint(env->index);
	if (env->running_on != CPU_NONE)
		sched_kick(env->running_on);
	wait_hint_table(env->info, sizeof(*env->info));
}

// Where the range of a capability begins, as the environment is told.
static u64
base_of(const struct cap *cap)
{
	return cap->type == CAP_REMOTE ? remote_base(cap->base) : cap->base;
}

static void
show(const struct env *env, u32 index, u64 owed)
{
	const struct demand *d = &env->demand[index];
	struct revoke_request r = { 0 };

	if (d->type != CAP_NONE) {
		r = (struct revoke_request){
			.from = index < KINDS ? REVOKE_QUOTA
				: d->itself ? REVOKE_OWNER : REVOKE_CAPABILITY,
			.type = d->type,
			.owed = owed,
			.deadline_ns = d->deadline_ns -
				       (d->itself ? REVOKE_FAR_NS : 0),
		};
	}
	if (index >= KINDS && d->type != CAP_NONE) {
		r.base = base_of(&caps.pool[d->node]);
		r.count = caps.pool[d->node].count;
	}
	if (d->itself)
		r.slot = caps.pool[d->node].slot;
	env->uarea->revoke.request[index] = r;
}

static void
close_demand(struct env *env, u32 index)
{
	env->demand[index] = (struct demand){ 0 };
	env->info->requests--;
	show(env, index, 0);
}

// What a request for a capability's units still wants.
static u64
still_owed(const struct env *env, const struct demand *d)
{
	u64 held;

	if (!cap_is_live(&caps, d->node, d->generation))
		return 0;
	held = demand_held(&caps, env->index, d);
	return held > d->allowed ? held - d->allowed : 0;
}

// Moves what is owed and not in use (K1). Returns whether anything changed.
static bool
settle_quota(struct env *env, u32 kind)
{
	struct demand *d = &env->demand[kind];
	struct env_info *info = env->info;
	u32 kept = kinds[kind].keeps + (kind == QUOTA_FRAMES ? env->tables : 0);
	u32 busy = MAX(info->used.of[kind], kept), quota = info->quota.of[kind];
	u32 moved = quota > busy ? (u32)MIN(d->owed, quota - busy) : 0;

	ASSERT(env->parent != env->index);
	info->quota.of[kind] -= moved;
	envs[env->parent].info->quota.of[kind] += moved;
	d->owed -= moved;
	info->owed.of[kind] = (u32)d->owed;
	if (d->owed == 0)
		close_demand(env, kind);
	else
		show(env, kind, d->owed);
	return moved > 0;
}

static bool
settle_one(struct env *env, u32 index)
{
	struct demand *d = &env->demand[index];
	u64 owed;

	if (d->type == CAP_NONE)
		return false;
	if (index < KINDS)
		return settle_quota(env, index);
	owed = still_owed(env, d);
	if (owed)
		show(env, index, owed);
	else
		close_demand(env, index);
	return owed == 0;
}

void
revoke_settle(struct env *env)
{
	bool changed = false;

	for (u32 i = 0; env->info->requests && i < REVOKE_REQUESTS_MAX; i++)
		changed |= settle_one(env, i);
	if (changed)
		wait_hint_table(env->info, sizeof(*env->info));
}

// K4. The tail is the environment's: it may say anything.
static void
record(struct env *env, u32 request, u32 slot, const struct cap *cap, u64 keep,
       u64 units)
{
	struct revocation *r = &env->uarea->revoke;
	u32 tail = __atomic_load_n(&r->taken_tail, __ATOMIC_RELAXED);
	u32 head = env->taken_head;

	env->info->taken++;
	if (head - tail >= REVOKE_TAKEN_MAX) {
		r->taken_missed = ++env->taken_missed;
		r->units_missed = env->units_missed += units;
		return;
	}
	r->taken[head % REVOKE_TAKEN_MAX] = (struct revoke_taken){
		.slot = slot,
		.type = cap->type,
		.request = (u16)request,
		.base = base_of(cap) + keep,
		.count = cap->count - keep,
	};
	env->taken_head = head + 1;
	__atomic_store_n(&r->taken_head, head + 1, __ATOMIC_RELEASE);
}

// Both ways may take rounds (taking_done()).
static void
take(struct env *env, u32 request, u32 slot, u64 keep, u64 units)
{
	const struct cap *cap = cap_at(&caps, env->index, slot);
	u32 node = cap_node(&caps, cap), generation = cap->generation;
	bool done;

	ASSERT(keep < cap->count);
	record(env, request, slot, cap, keep, units);
	done = keep ? removal_trim(env->index, slot, keep)
		    : removal_run(env->index, slot, true);
	if (!done && !keep) {
		env->taking_node = node;
		env->taking_generation = generation;
	}
}

// The slot of a root capability of that type, or SLOT_NONE; of children the youngest
// that lives. Sets how many there are.
static u32
find_root(const struct env *env, enum cap_type type, u32 *count)
{
	u32 found = SLOT_NONE, newest = 0;

	*count = 0;
	for (u32 slot = 1; slot < CAP_LIST_SLOTS; slot++) {
		const struct cap *cap = cap_at(&caps, env->index, slot);
		u32 id = 1;

		if (!cap || cap->type != type || cap->depth > 0)
			continue;
		++*count;
		if (type == CAP_ENV)
			id = env_table[cap->base].id;
		if (id > newest) {
			newest = id;
			found = slot;
		}
	}
	return found;
}

// Its own does not suffice: a program goes, or a volume, whose frames are the kernel's, a
// child, or the rest is forgiven. A child that is being reaped may have enough: no other
// goes before it has been.
static void
take_child(struct env *env, u32 kind, u64 now_ns)
{
	u32 programs, volumes, children;
	u32 program = find_root(env, CAP_PROGRAM, &programs);
	u32 volume = find_root(env, CAP_VOLUME, &volumes);
	u32 child = find_root(env, CAP_ENV, &children);

	if (kind == QUOTA_FRAMES && (programs || volumes)) {
		take(env, kind, programs ? program : volume, 0, 1);
	} else if (children < env->info->used.envs) {
		env->demand[kind].deadline_ns = now_ns + CHILD_PAUSE_NS;
	} else if (children) {
		take(env, kind, child, 0, 1);
	} else {
		env->info->owed.of[kind] = 0;
		close_demand(env, kind);
	}
}

// Units that may be taken now.
static u64
overdue(struct env *env, u32 index)
{
	const struct demand *d = &env->demand[index];
	u64 held;

	if (index >= KINDS)
		return still_owed(env, d);
	held = demand_held(&caps, env->index, d);
	return MIN(d->owed, held > kinds[index].keeps ? held - kinds[index].keeps : 0);
}

// One round of one overdue request.
static void
take_one(struct env *env, u32 index, u64 now_ns)
{
	const struct revocation *r = &env->uarea->revoke;
	struct revoke_declared declared[REVOKE_DECLARED_MAX];
	u32 count = __atomic_load_n(&r->declared_count, __ATOMIC_RELAXED);
	struct demand *d = &env->demand[index];
	struct demand_choice choice;
	u64 units;

	settle_one(env, index);
	if (d->type == CAP_NONE)
		return;
	units = overdue(env, index);
	if (!units) {
		ASSERT(index < KINDS);
		take_child(env, index, now_ns);
		return;
	}
	memcpy(declared, r->declared, sizeof(declared));
	choice = demand_choose(&caps, env->index, d, units, declared,
			       MIN(count, REVOKE_DECLARED_MAX));
	ASSERT(choice.slot != SLOT_NONE && choice.units <= units);
	take(env, index, choice.slot, choice.keep, choice.units);
	settle_one(env, index);
}

// Goes on with what an earlier round, or the environment, began to take away. Returns
// false when more is left.
static bool
taking_done(struct env *env)
{
	const struct cap *cap;

	if (!removal_trim(env->index, SLOT_NONE, 0))
		return false;
	if (!env->taking_generation)
		return true;
	cap = &caps.pool[env->taking_node];
	if (cap->type != CAP_NONE && cap->generation == env->taking_generation &&
	    !removal_run(cap->list, cap->slot, true))
		return false;
	env->taking_generation = 0;
	return true;
}

// A copy of what another node lent, whose lease is over: it goes as a whole.
static void
take_lapsed(void)
{
	u32 node = fabric_lapsed();
	const struct cap *cap;
	struct env *env;

	if (node == CAP_NIL)
		return;
	cap = &caps.pool[node];
	env = &envs[cap->list];
	if (env_lives(env) && cap_is_live(&caps, node, cap->generation)) {
		record(env, REVOKE_LEASE, cap->slot, cap, 0, cap->count);
		tell(env);
	}
	if (!removal_run(cap->list, cap->slot, true))
		ASSERT(fabric_lapsed() == node);	// goes on at the next round
}

static u32
earliest(const struct env *env)
{
	u32 found = 0;

	for (u32 i = 1; i < REVOKE_REQUESTS_MAX; i++) {
		const struct demand *d = &env->demand[i];

		if (d->type != CAP_NONE &&
		    (env->demand[found].type == CAP_NONE ||
		     d->deadline_ns < env->demand[found].deadline_ns))
			found = i;
	}
	return found;
}

// When an environment is to be worked on. One that is ending gives all anyway.
static u64
due_of(const struct env *env)
{
	if ((!env->info->requests && !env->taking_generation) ||
	    !env_lives(env))
		return NEVER;
	return env->taking_generation ? 0
				      : env->demand[earliest(env)].deadline_ns;
}

// A round for one environment, another one first each time.
void
revoke_work(u64 now_ns)
{
	static u32 turn;
	u32 i = 0;

	take_lapsed();
	while (i < ENVS_MAX && due_of(&envs[(turn + i) % ENVS_MAX]) > now_ns)
		i++;
	if (i < ENVS_MAX) {
		struct env *env = &envs[(turn + i) % ENVS_MAX];

		turn = env->index + 1;
		if (taking_done(env) && env->info->requests)
			take_one(env, earliest(env), now_ns);
		tell(env);
	}
	revoke_due_ns = fabric_lapsed() == CAP_NIL ? NEVER : 0;
	for (i = 0; i < ENVS_MAX; i++)
		revoke_due_ns = MIN(revoke_due_ns, due_of(&envs[i]));
}

struct ask {
	struct env *env;
	u32 index;		// of the request
	struct demand demand;	// as it begins
};

// The open request that this one adds to, or a free place.
static i64
find_place(struct ask *a)
{
	const struct demand *wanted = &a->demand;
	bool quota = wanted->node == CAP_NIL;
	u32 from = quota ? kind_of(wanted->type) : KINDS;
	u32 end = quota ? from + 1 : REVOKE_REQUESTS_MAX;

	a->index = REVOKE_REQUESTS_MAX;
	for (u32 i = from; i < end; i++) {
		const struct demand *d = &a->env->demand[i];

		if (d->type != CAP_NONE && d->node == wanted->node &&
		    d->itself == wanted->itself && d->generation == wanted->generation) {
			a->index = i;
			return 0;
		}
		if (d->type == CAP_NONE && a->index == REVOKE_REQUESTS_MAX)
			a->index = i;
	}
	return SCARCE(a->index >= REVOKE_REQUESTS_MAX) ? -E_TABLE : 0;
}

static i64
check_source(const struct call *call, struct ask *a)
{
	const struct cap *source;

	a->demand = (struct demand){
		.type = (u8)call->a[2], .node = CAP_NIL, .deadline_ns = NEVER,
	};
	if (call->a[1] == SLOT_NONE) {
		if (kind_of(call->a[2]) == KINDS)
			return -E_ARGUMENT;
		return a->env->parent == a->env->index ? -E_STATE : 0;
	}
	source = live_cap(call, call->a[1]);
	if (!source)
		return -E_SLOT;
	a->demand.node = cap_node(&caps, source);
	a->demand.generation = source->generation;
	return source->type == call->a[2] ? 0 : -E_TYPE;
}

i64
check_revoke_ask(struct call *call)
{
	struct ask *a = CHECKED(call, struct ask);
	i64 error;

	if (call->a[1] == SLOT_NONE && !(call->cap->rights & CAP_WRITE))
		return -E_RIGHTS;
	if (call->a[2] >= CAP_TYPE_COUNT || call->a[3] == 0)
		return -E_ARGUMENT;
	if (call->a[4] > clock_ns() + REVOKE_DELAY_MAX_NS)
		return -E_ARGUMENT;
	a->env = &envs[call->cap->base];
	if (!env_lives(a->env))
		return -E_STATE;
	error = check_source(call, a);
	return error ? error : find_place(a);
}

static struct demand *
open_demand(const struct ask *a)
{
	struct demand *d = &a->env->demand[a->index];

	if (d->type != CAP_NONE)
		return d;
	*d = a->demand;
	if (d->node != CAP_NIL)
		d->allowed = demand_held(&caps, a->env->index, d);
	a->env->info->requests++;
	return d;
}

// More is wanted than before, and the earlier deadline holds. Returns what is owed.
static u64
press(const struct ask *a, u64 deadline_ns)
{
	struct demand *d = &a->env->demand[a->index];

	d->deadline_ns = MIN(d->deadline_ns, deadline_ns);
	settle_one(a->env, a->index);
	tell(a->env);
	if (d->type == CAP_NONE)
		return 0;
	revoke_due_ns = MIN(revoke_due_ns, d->deadline_ns);		// K3
	sched_kick(0);
	return d->node == CAP_NIL ? d->owed : still_owed(a->env, d);
}

// A second request adds to the first.
i64
do_revoke_ask(struct call *call)
{
	const struct ask *a = CHECKED(call, struct ask);
	struct demand *d = open_demand(a);
	u64 count = call->a[3];

	if (d->node == CAP_NIL)
		d->owed = MIN(d->owed + MIN(count, ~0u), ~0u);
	else
		d->allowed -= MIN(count, d->allowed);
	return (i64)press(a, call->a[4]);
}

static struct ask
ask_of(u32 node)
{
	const struct cap *cap = &caps.pool[node];

	ASSERT(cap->type == CAP_REMOTE && cap->depth == 0 && cap->list < ENVS_MAX);
	return (struct ask){
		.env = &envs[cap->list],
		.demand = { .type = CAP_REMOTE, .itself = true, .node = node,
			    .generation = cap->generation, .deadline_ns = NEVER },
	};
}

bool
revoke_remote(u32 node, u64 keep, u64 deadline_ns)
{
	struct ask a = ask_of(node);
	struct demand *d;

	if (!env_lives(a.env) || find_place(&a))
		return false;
	d = open_demand(&a);
	d->allowed = MIN(d->allowed, keep);
	press(&a, deadline_ns);
	return true;
}

void
revoke_lost(u32 node, u64 keep, u64 left)
{
	struct ask a = ask_of(node);
	struct cap was = caps.pool[node];

	ASSERT(keep < left && left <= was.count);
	if (!env_lives(a.env))
		return;
	if (!find_place(&a) && a.env->demand[a.index].type != CAP_NONE &&
	    revoke_remote(node, keep, clock_ns()))
		return;
	was.count = left;
	record(a.env, REVOKE_UNASKED, was.slot, &was, keep, left - keep);
	tell(a.env);
}

i64
check_cap_trim(struct call *call)
{
	const struct cap *cap = live_cap(call, call->a[0]);

	if (!cap)
		return -E_SLOT;
	if (!demand_divides(cap->type))
		return -E_TYPE;
	return call->a[1] && call->a[1] <= cap->count ? 0 : -E_ARGUMENT;
}

i64
do_cap_trim(struct call *call)
{
	bool done = removal_trim(call->env->index, (u32)call->a[0], call->a[1]);

	revoke_settle(call->env);
	return done ? 0 : -E_AGAIN;
}
