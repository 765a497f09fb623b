// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The view: what a node's agent knows of the cluster, in VIEW_PAGES frames that it
// shares, read-only, with every program that it starts (ROLE_VIEW). Instances of a
// job find one another here, `front` finds whom to send frames to, the web server
// finds the site.
//
// The agent writes it in place. `version` is odd meanwhile and counts on by two with
// each change; view_copy() takes a copy that fits together, and whoever waits for
// changes waits for that word. Counts and indices in a copy are within their bounds:
// view_copy() checks them, although a program trusts its agent anyway.

#include "kernel/base/types.h"

#define VIEW_MEMBERS_MAX 64u
#define VIEW_INSTANCES_MAX 256u
#define VIEW_JOBS_MAX 32u
#define VIEW_NAME_SIZE 24u	// with its end
#define VIEW_ID_LEN 32u		// of an object: libos/store
#define VIEW_COPIES 2u
#define VIEW_PAGES 4u
#define VIEW_LINK_SELF 0xffffu
#define VIEW_NONE 0xffffu
#define VIEW_AGENT_MAC 1u	// mac_index of an agent's ring; those of jobs are above

enum view_life {
	VIEW_ALIVE = 1,
	VIEW_SUSPECT,		// still counted as alive by everybody but the accuser
	VIEW_DEAD,
};

// One life of one node. Members are in order of their UUIDs.
struct view_member {
	u8 uuid[16];
	u64 incarnation;
	u64 blocks;		// of its disk that are the cluster's; 0: no disk
	u32 address;		// IPv4, host order; 0: none yet
	u32 agent;		// environment of its agent
	u16 link;		// in the kernel's table of links here, or VIEW_LINK_SELF
	u8 mac[6];		// of its interface
	u8 life;		// enum view_life
	u8 is_voter;
	u8 has_majority;	// it reaches one, as its own status says
	u8 reserved[5];
};

struct view_job {
	char name[VIEW_NAME_SIZE];
	u32 id;			// never reused
	u16 port;		// TCP port that its instances serve; 0: none
	u16 count;		// instances wanted; VIEW_NONE: one on every node
	u64 changes;		// counts changes of who its instances are
};

enum view_state {
	VIEW_STARTING = 1,
	VIEW_RUNNING,
	VIEW_DRAINING,		// gets no new connections
};

// An instance that runs. Those of one job are in order of `number`.
struct view_instance {
	u16 job;		// index in job[]
	u16 number;		// 0.. within its job
	u16 member;		// index in member[]
	u8 mac_index;		// of its ring: the node's MAC with this makes its own
	u8 state;		// enum view_state
	u32 environment;	// id there
	u32 reserved;
};

struct view_copy_place {
	u16 member;		// index in member[], or VIEW_NONE: not known now
	u16 reserved[3];
	u64 block;		// first one on its disk
};

struct view_site {
	u64 generation;		// 0: no site
	u64 bytes;		// of the manifest
	u8 manifest[VIEW_ID_LEN];
	struct view_copy_place copy[VIEW_COPIES];
};

struct view {
	u32 version;
	u32 self;		// index in member[]
	u8 cluster[16];		// random id of the cluster; zero before the first record
	u8 hash_key[16];	// for the tables of cluster/balance
	u64 epoch;		// counts changes of who is alive, on this node
	u64 record;		// version of the record
	u8 has_majority;
	u8 virtual_mac[6];
	u8 reserved;
	u32 virtual_address;	// host order; 0: none yet
	u32 virtual_mask;
	u32 gateway;
	u32 mask;		// of the node's address
	u16 holder;		// of the virtual address: index in member[], VIEW_NONE
	u16 api_port;
	u32 member_count;
	u32 job_count;
	u32 instance_count;
	struct view_site site;
	struct view_member member[VIEW_MEMBERS_MAX];
	struct view_job job[VIEW_JOBS_MAX];
	struct view_instance instance[VIEW_INSTANCES_MAX];
};

STATIC_ASSERT(sizeof(struct view) <= VIEW_PAGES * 4096);

// Copies a view that fits together. Returns false when it kept changing, or its
// counts are out of bounds: wait for the word and try again.
must_check bool
view_copy(struct view *copy, const volatile struct view *shared);

// The writer's two ends of a change.
void
view_write_begin(volatile struct view *shared);
void
view_write_end(volatile struct view *shared);

// The instance of a job with that number, or VIEW_NONE.
u16
view_find(const struct view *view, u16 job, u16 number);

// Who holds the virtual address, as far as this node can tell: of the living the one with
// the lowest UUID that knows the address (`knows`: those, by their place in the view).
// Who has just started learns it with the state of the holder, its instances among it: a
// holder that knows of no instance would refuse what clients have open. Before anybody
// knows it: the lowest that lives. A suspect counts as live, and this node does.
u16
view_holder(const struct view *view, u64 knows);

// Who proposes placements and voters: the live member with the lowest UUID that
// reaches a majority of the voters; VIEW_NONE if none does.
u16
view_coordinator(const struct view *view);
