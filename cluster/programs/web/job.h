// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The web server as a job of a cluster: where its content comes from. The view
// (cluster/view) names the site's manifest; sites.c reads it and switches from one
// deployment to the next; nodes.c keeps the right to read other nodes' disks;
// job.c watches the view and the fabric queue. Content lies in a cache of blocks
// (libos/content) in frames that are sent from.

#include "cluster/view/view.h"
#include "libos/content/reader.h"
#include "libos/http/catalog.h"
#include "libos/store/hash.h"

#define NODES_MAX CONTENT_NODES_MAX
#define VERSIONS_MAX 3u		// now, next, and one that responses still need
#define JOB_MESSAGE_PAGES 1u		// of the region, in front
#define HOT_SLOTS 512u		// of a catalogue

// What is known of a node that may hold copies.
enum node_life {
	NODE_FREE,
	NODE_GONE,		// dead, or without a link: nothing is read from it
	NODE_SELF,
	NODE_ASKING,
	NODE_REFUSING,		// did not answer; asked again later
	NODE_OPEN,
};

struct node {
	u8 uuid[16];
	u64 incarnation;
	u64 word;		// that its grant will show
	u64 deadline_ns;	// of ASKING and REFUSING
	u16 link;
	u8 life;		// enum node_life
	u8 asked;		// times in a row
};

// One deployment of the site.
struct version {
	u64 generation;		// 0: free
	struct frame_run memory;	// of the manifest and the catalogue's slots
	struct content_object object;	// the manifest
	struct content_wait wait;
	u64 next;		// block of it to be read
	struct store_hash hash;	// of those before
	bool is_open;
	u16 node[MANIFEST_VOTERS_MAX];	// of the manifest's table
	struct manifest manifest;
	struct catalog catalog;
};

struct directory;

struct job {
	u32 id;
	u16 number;		// of this instance
	const volatile struct view *shared;
	u32 view_seen;		// version of the copy
	u32 links_seen;		// changes of the kernel's links
	struct view view;
	struct frame_run region;	// a page for messages, then the cache's blocks
	struct frame_run table;	// the cache's
	struct fabric_queue fabric;
	bool has_fabric;
	bool accepting;		// a place for a capability is ready
	struct content content;
	struct reader reader;
	struct directory *directory;
	struct node node[NODES_MAX];
	struct version version[VERSIONS_MAX];
	struct version *current, *loading;
	u64 retry_ns;		// when loading goes on after a failure
	u64 failures;		// of loading, in a row
};

// job.c: takes the memory and opens the queues. A failure ends the program.
void
job_open(struct job *job);

// Takes completions; when the view has changed, the new copy. True: it has.
must_check bool
job_run(struct job *job, u64 now_ns);

// Starts the reads that became necessary.
void
job_flush(struct job *job);

void
job_watch(const struct job *job, struct wait_set *set);

// A capability came to a place of this program's. Whoever it is for takes it.
void
job_granted(struct job *job, const struct fabric_complete *complete);

// nodes.c: brings the table in line with the view.
void
nodes_update(struct job *job);

// Asks whom is to be asked.
void
nodes_run(struct job *job, u64 now_ns);

// True when the capability that came is a node's answer: it is kept.
must_check bool
nodes_take(struct job *job, const struct fabric_complete *complete);

// True when the completion was of a question or of a place.
must_check bool
nodes_complete(struct job *job, const struct fabric_complete *complete);

// Nodes whose capability is good no more.
void
nodes_refused(struct job *job, u64 refused);

u64
nodes_deadline(const struct job *job);

u16
nodes_find(const struct job *job, const u8 uuid[16]);

// sites.c: goes on reading the manifest of the view's site. True: there is a new
// current version.
must_check bool
sites_run(struct job *job, u64 now_ns, u64 unix_seconds);

// The view or the nodes have changed.
void
sites_update(struct job *job);

// The object of a file of a catalogue.
void
sites_object(struct job *job, const struct catalog *catalog,
	     const struct manifest_entry *file, struct content_object *object);

// Gives back a version that is neither current nor loading.
void
sites_free(struct version *version);

u64
sites_deadline(const struct job *job);
