// SPDX-License-Identifier: BSD-2-Clause
// Making the view. It is made anew when membership, a status, the record or an
// instance here has changed, and written only when it differs from the one before:
// readers sleep on its version.
//
// Instances of others come from their statuses, those of members that are not dead.
// The record says which jobs there are; an instance of a job that it does not name is
// left out.
//
// Invariant: made.version is the shared version, and even, between runs.

#include "cluster/agent/publish.h"
#include "cluster/agent/loop.h"
#include "cluster/agent/membership.h"
#include "cluster/agent/message.h"
#include "cluster/agent/register_host.h"
#include "cluster/agent/status.h"
#include "kernel/base/assert.h"
#include "libos/crt/clock.h"
#include "libos/crt/start.h"
#include "libos/crt/syscall.h"
#include "libos/mem/layout.h"
#include "libos/mem/map.h"

#define API_PORT 7077u
#define LOOK_NS (200 * NS_PER_MS)	// links come and go without telling

STATIC_ASSERT(VIEW_MEMBERS_MAX == MEMBERS_MAX);
STATIC_ASSERT(VIEW_JOBS_MAX == RECORD_JOBS && VIEW_NAME_SIZE == RECORD_NAME_SIZE);
STATIC_ASSERT(VIEW_ID_LEN == RECORD_ID_LEN && VIEW_NONE == RECORD_EVERY);
STATIC_ASSERT(VIEW_ALIVE == (int)MEMBER_ALIVE && VIEW_DEAD == (int)MEMBER_DEAD);

static volatile struct view *shared;
static struct frame_run frames;
static struct view made;
static u32 seen[3];
static u64 look_at;

const struct view *
view_now(void)
{
	return &made;
}

struct spawn_grant
publish_grant(void)
{
	return (struct spawn_grant){
		.role = ROLE_VIEW,
		.slot = frames.slot,
		.rights = CAP_READ,
		.base = frames.frame,
		.count = VIEW_PAGES,
	};
}

// ---- members

static void
add_member(struct view *v, u8 slot, const struct record *record)
{
	const struct member *m = &membership()->member[slot];
	struct view_member *to = &v->member[v->member_count++];
	struct peer peer = member_peer(m);
	const struct status *s = status_of(&peer);
	u8 node = record ? record_find_node(record, m->id.uuid) : RECORD_NONE;

	memcpy(to->uuid, m->id.uuid, sizeof(to->uuid));
	to->incarnation = m->id.incarnation;
	to->life = m->life;
	to->is_voter = node != RECORD_NONE && record->node[node].voter;
	to->link = message_link(&peer);
	to->agent = message_environment(&peer);
	if (slot == 0) {
		v->self = v->member_count - 1;
		to->link = VIEW_LINK_SELF;
		to->agent = env_table()[self_index()].id;
	}
	if (!s)
		return;
	to->blocks = s->blocks;
	to->address = s->address;
	memcpy(to->mac, s->mac, sizeof(to->mac));
}

// A voter that no life of is known is a member too: dead, for as long as nobody hears
// of it. So places of copies always have a member.
static void
add_absent(struct view *v, const struct record_node *node)
{
	u32 at = v->member_count;

	for (u32 i = 0; i < v->member_count; i++) {
		if (!memcmp(v->member[i].uuid, node->uuid, sizeof(node->uuid)))
			return;
	}
	if (v->member_count == VIEW_MEMBERS_MAX)
		return;
	while (at > 0 && memcmp(v->member[at - 1].uuid, node->uuid,
				sizeof(node->uuid)) > 0) {
		v->member[at] = v->member[at - 1];
		at--;
	}
	v->member[at] = (struct view_member){
		.life = VIEW_DEAD, .is_voter = node->voter, .link = VIEW_NONE,
	};
	memcpy(v->member[at].uuid, node->uuid, sizeof(node->uuid));
	v->member_count++;
	v->self += v->self >= at;
}

static void
add_members(struct view *v, const struct record *record)
{
	u8 slots[MEMBERS_MAX];
	u32 count = members_sorted(membership(), slots);

	for (u32 i = 0; i < count; i++)
		add_member(v, slots[i], record);
	for (u32 i = 0; record && i < record->node_count; i++)
		add_absent(v, &record->node[i]);
}

static u16
find_member(const struct view *v, const u8 uuid[16])
{
	for (u16 i = 0; i < v->member_count; i++) {
		if (!memcmp(v->member[i].uuid, uuid, 16))
			return i;
	}
	return VIEW_NONE;
}

// ---- what is agreed

static void
add_site(struct view *v, const struct record *record)
{
	const struct record_object *manifest = &record->site.manifest;

	if (!record->site.generation)
		return;
	v->site.generation = record->site.generation;
	v->site.bytes = manifest->bytes;
	memcpy(v->site.manifest, manifest->id, sizeof(v->site.manifest));
	for (u32 i = 0; i < VIEW_COPIES; i++) {
		const struct record_copy *copy = &manifest->copy[i];

		v->site.copy[i].member =
			copy->node == RECORD_NONE ? VIEW_NONE :
			find_member(v, record->node[copy->node].uuid);
		v->site.copy[i].block = copy->block;
	}
}

static void
add_job(struct view *v, const struct record_job *job)
{
	struct view_job *to = &v->job[v->job_count++];

	memcpy(to->name, job->name, sizeof(to->name));
	to->id = job->id;
	to->port = job->port;
	to->count = job->count;
}

static void
add_record(struct view *v, const struct record *record)
{
	memcpy(v->cluster, record->cluster, sizeof(v->cluster));
	for (u32 i = 0; i < sizeof(v->hash_key); i++)
		v->hash_key[i] = record->cluster[i] ^ 0x5a;
	// Locally administered, and the same on every node.
	v->virtual_mac[0] = 0x06;
	memcpy(v->virtual_mac + 1, record->cluster, 5);
	v->record = record->version;
	v->has_majority = record_has_majority();
	add_site(v, record);
	for (u32 i = 0; i < record->job_count; i++)
		add_job(v, &record->job[i]);
}

// ---- instances

static bool
comes_before(const struct view_instance *a, const struct view_instance *b)
{
	if (a->job != b->job)
		return a->job < b->job;
	if (a->number != b->number)
		return a->number < b->number;
	return a->member < b->member;
}

static void
add_instance(struct view *v, u16 member, const struct status_instance *s)
{
	struct view_instance new = {
		.number = s->number, .member = member,
		.mac_index = s->mac_index, .state = s->state,
		.environment = s->environment,
	};
	u32 at = v->instance_count;

	while (new.job < v->job_count && v->job[new.job].id != s->job)
		new.job++;
	if (new.job == v->job_count || at == VIEW_INSTANCES_MAX)
		return;
	for (; at > 0 && comes_before(&new, &v->instance[at - 1]); at--)
		v->instance[at] = v->instance[at - 1];
	v->instance[at] = new;
	v->instance_count++;
}

static const struct status *
status_of_member(const struct view *v, u16 index)
{
	struct peer peer = { .incarnation = v->member[index].incarnation };

	memcpy(peer.uuid, v->member[index].uuid, sizeof(peer.uuid));
	return status_of(&peer);
}

static void
add_instances(struct view *v)
{
	for (u16 i = 0; i < v->member_count; i++) {
		const struct status *s = status_of_member(v, i);

		if (!s || v->member[i].life == VIEW_DEAD)
			continue;
		for (u32 j = 0; j < s->instance_count; j++)
			add_instance(v, i, &s->instance[j]);
	}
}

static bool
same_instance(const struct view_instance *a, const struct view_member *am,
	      const struct view_instance *b, const struct view_member *bm)
{
	return a->number == b->number && a->environment == b->environment &&
	       a->state == b->state && am->incarnation == bm->incarnation &&
	       !memcmp(am->uuid, bm->uuid, sizeof(am->uuid));
}

// The range of a job's instances.
static u32
first_of(const struct view *v, u16 job, u32 *count)
{
	u32 first = 0;

	while (first < v->instance_count && v->instance[first].job < job)
		first++;
	*count = 0;
	while (first + *count < v->instance_count &&
	       v->instance[first + *count].job == job)
		++*count;
	return first;
}

static bool
job_changed(const struct view *a, u16 ajob, const struct view *b, u16 bjob)
{
	u32 acount, bcount;
	u32 afirst = first_of(a, ajob, &acount), bfirst = first_of(b, bjob, &bcount);

	if (acount != bcount)
		return true;
	for (u32 i = 0; i < acount; i++) {
		const struct view_instance *ai = &a->instance[afirst + i];
		const struct view_instance *bi = &b->instance[bfirst + i];

		if (!same_instance(ai, &a->member[ai->member], bi,
				   &b->member[bi->member]))
			return true;
	}
	return false;
}

static void
count_changes(struct view *v)
{
	for (u16 i = 0; i < v->job_count; i++) {
		for (u16 j = 0; j < made.job_count; j++) {
			if (made.job[j].id != v->job[i].id)
				continue;
			v->job[i].changes = made.job[j].changes +
					    job_changed(v, i, &made, j);
		}
	}
}

// ---- addresses

static void
remember(struct status *own, const struct status *s)
{
	own->virtual_address = s->virtual_address;
	own->virtual_mask = s->virtual_mask;
	own->virtual_gateway = s->virtual_gateway;
}

// Those of whom it is heard that they know the virtual address.
static u64
who_knows(const struct view *v)
{
	u64 knows = 0;

	for (u16 i = 0; i < v->member_count; i++) {
		const struct status *s = status_of_member(v, i);

		if (s && s->virtual_address)
			knows |= 1ull << i;
	}
	return knows;
}

// The virtual address as its holder tells it, or, before a new holder has one, as
// anybody last knew it: the new one takes it over.
static void
add_addresses(struct view *v)
{
	struct status *own = status_own();
	const struct status *s;

	v->api_port = API_PORT;
	v->mask = own->mask;
	v->gateway = own->gateway;
	v->holder = view_holder(v, who_knows(v));
	s = status_of_member(v, v->holder);
	if (s && s != own && s->virtual_address)
		remember(own, s);
	for (u16 i = 0; i < v->member_count && !own->virtual_address; i++) {
		s = status_of_member(v, i);
		if (s && s->virtual_address)
			remember(own, s);
	}
	v->virtual_address = own->virtual_address;
	v->virtual_mask = own->virtual_mask;
	if (own->virtual_gateway)
		v->gateway = own->virtual_gateway;
}

// ---- the loop's part

static void
make(struct view *v)
{
	const struct record *record = record_now();

	memset(v, 0, sizeof(*v));
	add_members(v, record);
	if (record)
		add_record(v, record);
	v->epoch = membership()->epoch;
	add_instances(v);
	add_addresses(v);
	count_changes(v);
}

static void
write(const struct view *v)
{
	const u64 *from = (const u64 *)v;
	volatile u64 *to = (volatile u64 *)shared;
	u32 version;

	view_write_begin(shared);
	// The first word holds the version, which is view_write_end()'s to change.
	shared->self = v->self;
	for (u32 i = 1; i < sizeof(*v) / sizeof(*to); i++)
		to[i] = from[i];
	view_write_end(shared);
	made = *v;
	version = shared->version;
	made.version = version;
	sys_wake((const u32 *)&shared->version);
}

static bool
is_due(u64 now)
{
	const u32 next[3] = {
		membership_changes(), status_changes(), register_news(),
	};

	if (!memcmp(next, seen, sizeof(seen)) && now < look_at)
		return false;
	memcpy(seen, next, sizeof(seen));
	look_at = now + LOOK_NS;
	return true;
}

static void
run(u64 now)
{
	static struct view next;

	if (!is_due(now))
		return;
	make(&next);
	next.version = made.version;
	if (memcmp(&next, &made, sizeof(next)))
		write(&next);
}

static void
watch(struct wait_set *set)
{
	wait_until(set, look_at);
}

STATIC_ASSERT(offsetof(struct view, self) == 4 && sizeof(struct view) % 8 == 0);

i64
publish_open(void)
{
	static const struct loop_part part = { .run = run, .watch = watch };
	u32 slot = startup_slot(ROLE_VIEW);
	i64 error = slot == SLOT_NONE ? -E_ABSENT : run_of_slot(slot, &frames);

	if (!error && frames.count < VIEW_PAGES)
		error = -E_RANGE;
	if (!error)
		error = map_direct(&frames, PROT_READ | PROT_WRITE);
	if (error)
		return error;
	shared = (volatile struct view *)direct_address(frames.frame);
	made.version = shared->version & ~1u;
	shared->version = made.version;
	loop_add(&part);
	return 0;
}
