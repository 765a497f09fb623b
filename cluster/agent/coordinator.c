// SPDX-License-Identifier: BSD-2-Clause
// Duties, in one task that looks every LOOK_NS:
//
//	the lowest UUID	of those with a disk, when nobody knows a record: makes the first
//	the coordinator	adds voters one at a time, changes places of instances, and has
//			what lies on one disk copied to a second one
//
// Whoever acts looks at nothing that it could not see wrongly: two that both believe to
// be coordinator meet in the register, and one of them loses.

#include "cluster/agent/coordinator.h"
#include "cluster/agent/events.h"
#include "cluster/agent/membership.h"
#include "cluster/agent/register_host.h"
#include "cluster/agent/status.h"
#include "cluster/agent/task.h"
#include "cluster/deploy/deploy.h"
#include "cluster/place/place.h"
#include "cluster/storage/storage.h"
#include "kernel/base/fmt.h"
#include "libos/crt/clock.h"
#include "libos/crt/syscall.h"

#define LOOK_NS (300 * NS_PER_MS)
#define READ_EVERY_NS NS_PER_SECOND
#define SETTLE_NS AGREE_SEEN_NS		// without a change of membership
// Disks that come one after another, deployments under way: copies wait for them. What
// could not be copied is tried again.
#define COPY_AFTER_NS (5 * NS_PER_SECOND)
#define COPY_AGAIN_NS (60 * NS_PER_SECOND)
#define REFUSED_EVERY_NS (10 * NS_PER_SECOND)

STATIC_ASSERT(PLACE_MEMBERS == MEMBERS_MAX);

static struct place places;
static struct place_member place_member[PLACE_MEMBERS];
static u32 place_members;
static bool placed_once;
static u32 seen_changes;
static u64 settled_ns;		// since when no member changed
static u64 read_ns, refused_ns;
static u64 copy_ns;		// when copies are made; 0: none are wanted

// ---- who

static u8
lowest_alive(void)
{
	u8 slots[MEMBERS_MAX];
	u32 count = members_sorted(membership(), slots);

	for (u32 i = 0; i < count; i++) {
		if (membership()->member[slots[i]].life != MEMBER_DEAD)
			return slots[i];
	}
	return 0;
}

bool
coordinator_is_self(void)
{
	return lowest_alive() == 0 && record_has_majority();
}

static bool
is_settled(u64 now)
{
	if (membership_changes() != seen_changes) {
		seen_changes = membership_changes();
		settled_ns = now;
	}
	return now - settled_ns >= SETTLE_NS;
}

// ---- the first record

// True when this node is to make it: all live members have told of themselves, none
// knows of a cluster, and none with a disk comes before this one.
static bool
knows_cluster(const u8 cluster[16])
{
	static const u8 none[16];

	return memcmp(cluster, none, sizeof(none)) != 0;
}

static bool
is_founder(void)
{
	const struct members *all = membership();
	u8 slots[MEMBERS_MAX];
	u32 count = members_sorted(all, slots);
	bool first = true;

	for (u32 i = 0; i < count; i++) {
		const struct member *m = &all->member[slots[i]];
		struct peer peer = member_peer(m);
		const struct status *s = status_of(&peer);

		if (m->life == MEMBER_DEAD || slots[i] == 0) {
			first &= slots[i] != 0;
			continue;
		}
		if (!s || s->record || knows_cluster(s->cluster) ||
		    (first && s->blocks))
			return false;
	}
	return true;
}

// The label of a disk may name a cluster already: the last attempt's.
static void
found(void)
{
	u8 cluster[16];
	const char *why;

	memcpy(cluster, storage_cluster(), sizeof(cluster));
	if (!knows_cluster(cluster) &&
	    sys_entropy_read(cluster, sizeof(cluster)))
		return;
	why = register_found(cluster);
	if (why)
		event(EVENT_RECORD, "record", "", "not made", "%s", why);
}

// Without a record: what this disk says is read from a majority; or there is none.
static void
without_record(u64 now)
{
	const char *why;

	if (!register_is_blank()) {
		if (now - read_ns < READ_EVERY_NS)
			return;
		read_ns = now;
		why = register_read();
		if (why && now - refused_ns >= REFUSED_EVERY_NS) {
			refused_ns = now;
			event(EVENT_RECORD, "record", "on disk", "not known yet",
			      "%s", why);
		}
		return;
	}
	if (is_settled(now) && storage_state() == STORAGE_READY && is_founder())
		found();
}

// ---- disks and voters

static void
tell_disk(void)
{
	struct status *own = status_own();
	struct storage_status disk;

	storage_status(&disk);
	if (disk.state != STORAGE_READY)
		disk.blocks = disk.blocks_used = 0;
	if (own->blocks != disk.blocks || own->objects != disk.objects ||
	    own->blocks_free != disk.blocks - disk.blocks_used ||
	    (own->objects_fine != disk.objects_fine &&
	     disk.objects_fine == disk.objects))
		status_changed();
	own->blocks = disk.blocks;
	own->blocks_free = disk.blocks - disk.blocks_used;
	own->objects = disk.objects;
	own->objects_fine = disk.objects_fine;
	own->blocks_bad = disk.blocks_bad;
	own->blocks_mended = disk.blocks_mended;
	if (disk.blocks && !own->record)
		memcpy(own->cluster, storage_cluster(), sizeof(own->cluster));
}

static enum record_error
add_voter(void *argument, struct record *record)
{
	return record_add_voter(record, argument);
}

// A member that lives, has a disk of this cluster, and knows the record.
static bool
can_vote(const struct member *m)
{
	const struct record *record = record_now();
	struct peer peer = member_peer(m);
	const struct status *s = status_of(&peer);
	u8 node = record_find_node(record, m->id.uuid);

	return m->life == MEMBER_ALIVE && s && s->blocks && s->record &&
	       !memcmp(s->cluster, record->cluster, sizeof(s->cluster)) &&
	       (node == RECORD_NONE || !record->node[node].voter);
}

static void
look_for_voters(void)
{
	const struct members *all = membership();
	u8 uuid[16];

	for (u32 i = 0; i < MEMBERS_MAX; i++) {
		if (!all->member[i].used || !can_vote(&all->member[i]))
			continue;
		memcpy(uuid, all->member[i].id.uuid, sizeof(uuid));
		if (record_change(add_voter, uuid))
			return;		// another look comes
	}
}

// ---- copies

static u32
voters_alive(void)
{
	const struct record *record = record_now();
	const struct members *all = membership();
	u32 alive = 0;

	for (u32 i = 0; i < MEMBERS_MAX; i++) {
		const struct member *m = &all->member[i];
		u8 node = m->used ? record_find_node(record, m->id.uuid) : RECORD_NONE;

		alive += node != RECORD_NONE && record->node[node].voter &&
			 m->life == MEMBER_ALIVE;
	}
	return alive;
}

static void
look_for_single_copies(u64 now)
{
	if (!record_has_single_copies(record_now()) || voters_alive() < 2) {
		copy_ns = 0;
		return;
	}
	if (!copy_ns)
		copy_ns = now + COPY_AFTER_NS;
	// Another deployment is under way when this one is refused: the next look.
	if (now >= copy_ns && !deploy_begin_copies())
		copy_ns = now + COPY_AGAIN_NS;
}

// ---- places

// False: somebody has not told yet what it has.
static bool
collect_members(void)
{
	const struct members *all = membership();

	place_members = 0;
	for (u32 i = 0; i < MEMBERS_MAX; i++) {
		const struct member *m = &all->member[i];
		struct place_member *p = &place_member[place_members];
		struct peer peer = member_peer(m);
		const struct status *s = status_of(&peer);

		if (!m->used)
			continue;
		*p = (struct place_member){ .dead = m->life == MEMBER_DEAD };
		memcpy(p->uuid, m->id.uuid, sizeof(p->uuid));
		place_members++;
		if (p->dead)
			continue;
		if (!s)
			return false;
		p->frames = s->frames_free + s->frames_jobs;
		p->slices = (u32)(s->slices_free + s->slices_jobs);
	}
	return true;
}

static enum record_error
apply(void *argument, struct record *record)
{
	return place_apply(argument, place_member, place_members, record);
}

static void
tell_homeless(void)
{
	const struct record *record = record_now();

	for (u32 i = 0; i < places.job_count && i < record->job_count; i++) {
		const struct place_job *p = &places.job[i];

		if (p->reason != PLACE_FINE && record->job[i].id == p->id)
			event_quiet(EVENT_JOB, record->job[i].name, "",
				    "not placed", "%s",
				    place_sentence((enum place_reason)p->reason));
	}
}

// Every node knows where instances should be, and why one cannot; one of them acts. The
// first places after a start wait until the others had time to be seen.
static bool
know_places(u64 now)
{
	if (!collect_members() || (!placed_once && !is_settled(now)))
		return false;
	placed_once = true;
	place_jobs(&places, record_now(), place_member, place_members);
	return true;
}

static void
look_for_places(u64 now)
{
	u32 changes = places.changes;

	if (!know_places(now) || !places.changes)
		return;
	if (record_change(apply, &places) == NULL || changes != places.changes)
		tell_homeless();
}

// A node that should run an instance of that job and says why it does not.
static const char *
why_not_there(u32 job, char text[COORDINATOR_WHY])
{
	for (u32 i = 0; i < MEMBERS_MAX; i++) {
		const struct member *m = &membership()->member[i];
		struct peer peer = member_peer(m);
		const struct status *s = m->used ? status_of(&peer) : NULL;
		char name[9];

		if (!s || m->life == MEMBER_DEAD || s->failing_job != job)
			continue;
		event_node_name(m->id.uuid, name);
		fmt_into(text, COORDINATOR_WHY, "on %s: %s", name, s->failing_why);
		return text;
	}
	return NULL;
}

const char *
coordinator_why(const char *name, char text[COORDINATOR_WHY])
{
	const struct record *record = record_now();
	const struct record_job *job = record ? record_find_job(record, name) : NULL;

	if (!job)
		return NULL;
	for (u32 i = 0; placed_once && i < places.job_count; i++) {
		if (places.job[i].id == job->id &&
		    places.job[i].reason != PLACE_FINE)
			return place_sentence(
				(enum place_reason)places.job[i].reason);
	}
	return why_not_there(job->id, text);
}

// ---- the task

static void
look(u64 now)
{
	tell_disk();
	is_settled(now);
	if (!record_now()) {
		without_record(now);
		return;
	}
	if (!coordinator_is_self()) {
		know_places(now);
		return;
	}
	look_for_voters();
	look_for_single_copies(now);
	look_for_places(now);
}

static void
coordinate(void *argument)
{
	(void)argument;
	settled_ns = now_ns();
	for (;;) {
		look(now_ns());
		task_sleep(now_ns() + LOOK_NS);
	}
}

bool
coordinator_start(void)
{
	return task_start(coordinate, NULL);
}
