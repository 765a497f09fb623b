// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The record: all that a cluster agrees on, as one value of the register
// (cluster/agree). Its id, its nodes and which of them vote, the site, the jobs and
// where their instances run.
//
// In memory it is struct record; on disks and between nodes it is bytes, at most
// RECORD_MAX. record_decode() checks everything: what it accepts keeps the
// invariants below, and so does what each change function leaves. Whoever holds a
// struct record never measures again.
//
// Invariants, walked by record_check():
//	1 every index of a node is below node_count, or RECORD_NONE where that is allowed
//	2 nodes are in order of their UUIDs, each once; one that is no voter is named
//	  by an instance
//	3 copies lie with voters; the first is always there, the second is another voter
//	4 job names and job ids are each used once; ids are below next_job
//	5 it fits RECORD_MAX bytes (checked by record_encode(), which says no)
//
// A change function changes the record or leaves it as it was and says why. The
// version is the register's: cluster/agree counts it on.

#include "kernel/base/types.h"

#define RECORD_MAX 8064u	// with 128 bytes more it fills a slot of the register
#define RECORD_UUID 16u
#define RECORD_NODES 64u
#define RECORD_JOBS 32u
#define RECORD_INSTANCES 64u	// of one counted job
#define RECORD_INSTANCES_ALL 256u	// of all counted jobs: VIEW_INSTANCES_MAX
#define RECORD_NAME_SIZE 24u	// with its end
#define RECORD_ARGUMENTS_SIZE 129u	// with its end
#define RECORD_COPIES 2u
#define RECORD_ID_LEN 32u	// of an object
#define RECORD_RECENT 16u	// newest changes, by their ids
#define RECORD_NONE 0xffu	// no node
#define RECORD_EVERY 0xffffu	// count: one instance on every node

// Where an object lies.
struct record_copy {
	u64 block;		// the first one
	u8 node;		// index in node[], or RECORD_NONE
};

struct record_object {
	u8 id[RECORD_ID_LEN];
	u64 bytes;
	struct record_copy copy[RECORD_COPIES];
};

struct record_site {
	u64 generation;		// counts deployments; 0: no site yet
	u64 content_bytes;	// of all files
	u32 files;
	struct record_object manifest;
};

struct record_job {
	char name[RECORD_NAME_SIZE];	// a-z, 0-9, '-'; begins with a letter
	u32 id;			// of this deployment of it; never used again
	u16 count;		// instances wanted, or RECORD_EVERY
	u16 port;		// 0: none
	u32 frames, slices;	// that each instance gets
	struct record_object image;
	char arguments[RECORD_ARGUMENTS_SIZE];	// words, separated by blanks
	u8 instance[RECORD_INSTANCES];	// below count: a node, or RECORD_NONE
};

struct record_node {
	u8 uuid[RECORD_UUID];
	bool voter;
};

struct record {
	u64 version;
	u8 cluster[RECORD_UUID];	// random id of the cluster; never zero
	u64 recent[RECORD_RECENT];	// ids of the newest changes, newest first
	u32 next_job;		// id of the next deployment
	u32 node_count;
	u32 job_count;
	struct record_node node[RECORD_NODES];
	struct record_site site;
	struct record_job job[RECORD_JOBS];
};

enum record_error {
	RECORD_OK,
#define X(name, sentence) RECORD_##name,
#include "cluster/record/errors.def"
#undef X
	RECORD_ERROR_COUNT
};

// What went wrong, for a person.
const char *
record_sentence(enum record_error error);

// ---- bytes

// What the register must know of a value.
struct record_head {
	u64 version;
	u8 cluster[RECORD_UUID];
	u64 recent[RECORD_RECENT];
	u8 voters;
	u8 voter[RECORD_NODES][RECORD_UUID];
};

// Writes a record that keeps the invariants. RECORD_TOO_LARGE: not even part of it
// was written.
must_check enum record_error
record_encode(const struct record *record, u8 bytes[RECORD_MAX], u32 *len);

// Reads and checks it all. RECORD_BAD: the bytes are none; *record is then undefined.
must_check enum record_error
record_decode(struct record *record, const u8 *bytes, u32 len);

// Only the head, checked. Cheap.
must_check enum record_error
record_decode_head(struct record_head *head, const u8 *bytes, u32 len);

// True when the invariants hold.
must_check bool
record_is_sound(const struct record *record);
void
record_check(const struct record *record);

// ---- looking

// The node of that UUID, or RECORD_NONE.
u8
record_find_node(const struct record *record, const u8 uuid[RECORD_UUID]);

// The job of that name, or NULL.
const struct record_job *
record_find_job(const struct record *record, const char *name);

u32
record_voters(const struct record *record);

// True when the site or an image has one copy only.
must_check bool
record_has_single_copies(const struct record *record);

// Instances of all counted jobs.
u32
record_instances(const struct record *record);

// ---- changes

// The first record of a new cluster: version 1, these voters, nothing else.
must_check enum record_error
record_first(struct record *record, const u8 cluster[RECORD_UUID],
	     const u8 (*voter)[RECORD_UUID], u32 voters);

// A copy as the deployer knows it. `uuid` all zero: there is no second copy.
struct record_place {
	u8 uuid[RECORD_UUID];
	u64 block;
};

struct record_new_object {
	u8 id[RECORD_ID_LEN];
	u64 bytes;
	struct record_place copy[RECORD_COPIES];
};

// A new site. `after` is the generation that the deployer saw: RECORD_OVERTAKEN if
// another deployment came first.
must_check enum record_error
record_deploy_site(struct record *record, u64 after, u64 content_bytes, u32 files,
		   const struct record_new_object *manifest);

// Another place for a copy of the manifest or of an image: a second one where there
// was none, or in place of one that is lost. RECORD_OVERTAKEN: nothing of that id.
must_check enum record_error
record_move_copy(struct record *record, const u8 id[RECORD_ID_LEN], u32 copy,
		 const struct record_place *place);

struct record_new_job {
	const char *name;
	const char *arguments;
	u16 count;		// or RECORD_EVERY
	u16 port;
	u32 frames, slices;
	struct record_new_object image;
};

// A new job, or another version of the job of that name: it gets a new id, and
// keeps the places of its instances.
must_check enum record_error
record_deploy_job(struct record *record, const struct record_new_job *job);

must_check enum record_error
record_scale(struct record *record, const char *name, u16 count);

must_check enum record_error
record_remove(struct record *record, const char *name);

// Puts one instance of a counted job onto a node; `uuid` NULL: onto none.
// RECORD_OVERTAKEN: the job of that id is gone or has fewer instances.
must_check enum record_error
record_place(struct record *record, u32 job, u32 number, const u8 *uuid);

// Voters change by one at a time, or majorities of old and new would not meet.
must_check enum record_error
record_add_voter(struct record *record, const u8 uuid[RECORD_UUID]);

// Not the last one, and none that holds a copy.
must_check enum record_error
record_remove_voter(struct record *record, const u8 uuid[RECORD_UUID]);
