// SPDX-License-Identifier: BSD-2-Clause
// Deployments of the site, one after another. The view names the newest; its
// manifest is read through the cache like any object, then checked as a whole by its
// id, and becomes current from one request to the next. Responses that had begun go
// on with the version that they began with, whose manifest stays as long as one of
// them needs it; so nothing is ever made of two deployments.
//
// Invariants:
//  S1  current is open; loading is not; both are none or different.
//  S2  A version that is open passed manifest_open(), and its bytes have its id.

#include "cluster/programs/web/job.h"
#include "kernel/base/assert.h"
#include "kernel/base/string.h"
#include "libos/crt/console.h"
#include "libos/mem/frames.h"
#include "libos/mem/layout.h"

#define RETRY_NS (500 * NS_PER_MS)

static u32
manifest_pages(const struct version *v)
{
	return (u32)(ALIGN_UP(v->object.length, PAGE_SIZE) / PAGE_SIZE);
}

static u32
slot_pages(void)
{
	return (u32)(ALIGN_UP(HOT_SLOTS * sizeof(struct catalog_slot), PAGE_SIZE) /
		     PAGE_SIZE);
}

static u8 *
manifest_bytes(const struct version *v)
{
	return direct_address(v->memory.frame);
}

static u16
node_of_member(const struct job *job, u16 member)
{
	return member < job->view.member_count ?
	       nodes_find(job, job->view.member[member].uuid) : CONTENT_NOBODY;
}

static void
place_manifest(const struct job *job, struct version *v)
{
	const struct view_site *site = &job->view.site;

	memcpy(v->object.id, site->manifest, STORE_ID);
	v->object.length = site->bytes;
	for (u32 i = 0; i < CONTENT_COPIES; i++) {
		v->object.first[i] = site->copy[i].block;
		v->object.node[i] = node_of_member(job, site->copy[i].member);
	}
}

static void
place_nodes(const struct job *job, struct version *v)
{
	for (u32 i = 0; i < v->manifest.head->voter_count; i++)
		v->node[i] = nodes_find(job, v->manifest.voter[i]);
}

void
sites_update(struct job *job)
{
	for (u32 i = 0; i < VERSIONS_MAX; i++) {
		if (job->version[i].is_open)
			place_nodes(job, &job->version[i]);
	}
	if (job->loading && job->loading->generation == job->view.site.generation)
		place_manifest(job, job->loading);
	job->retry_ns = 0;
}

void
sites_object(struct job *job, const struct catalog *catalog,
	     const struct manifest_entry *file, struct content_object *object)
{
	const struct version *v = job->version;

	while (&v->catalog != catalog)
		v++;
	ASSERT(v < job->version + VERSIONS_MAX && v->is_open);
	memcpy(object->id, file->id, STORE_ID);
	object->length = file->length;
	for (u32 i = 0; i < CONTENT_COPIES; i++) {
		object->first[i] = file->block[i];
		object->node[i] = file->voter[i] == MANIFEST_NOBODY ?
				  CONTENT_NOBODY : v->node[file->voter[i]];
	}
}

void
sites_free(struct version *v)
{
	ASSERT(!v->wait.list);
	if (v->memory.count)
		frames_give(&v->memory);
	*v = (struct version){ 0 };
}

static void
stop_loading(struct job *job)
{
	content_forget(&job->content, &job->loading->wait);
	sites_free(job->loading);
	job->loading = NULL;
}

static void
fail(struct job *job, u64 now_ns, const char *why)
{
	if (!job->failures++)
		print("web: the site of generation %lu: %s; trying again\n",
		      job->loading->generation, why);
	stop_loading(job);
	job->retry_ns = now_ns + RETRY_NS;
}

// Begins to read the view's site if that is not the current one.
static void
begin(struct job *job, u64 now_ns)
{
	const struct view_site *site = &job->view.site;
	struct version *v = job->version;

	if (!site->generation || now_ns < job->retry_ns ||
	    (job->current && job->current->generation == site->generation))
		return;
	job->retry_ns = 0;
	while (v < job->version + VERSIONS_MAX && v->generation)
		v++;
	if (v == job->version + VERSIONS_MAX)
		return;		// clients_retire() ends who holds the oldest
	v->generation = site->generation;
	job->loading = v;
	store_hash_begin(&v->hash);
	place_manifest(job, v);
	if (site->bytes < sizeof(struct manifest_head) ||
	    site->bytes > MANIFEST_BYTES_MAX)
		fail(job, now_ns, "a manifest cannot be that long");
	else if (frames_take(manifest_pages(v) + slot_pages(), &v->memory))
		fail(job, now_ns, "no memory for its manifest");
}

static void
take_block(struct job *job, struct version *v, u32 block)
{
	const u8 *bytes = content_bytes(&job->content, block);
	u64 at = v->next++ * STORE_BLOCK;

	memcpy(manifest_bytes(v) + at, bytes, STORE_BLOCK);
	store_hash_add(&v->hash, bytes, MIN(v->object.length - at, STORE_BLOCK));
	content_unpin(&job->content, block);
}

// Copies blocks that are here. False: not all are.
static bool
read_manifest(struct job *job, u64 now_ns)
{
	struct version *v = job->loading;
	u64 blocks = object_content_blocks(v->object.length);
	u32 block;

	while (v->next < blocks && !v->wait.list) {
		switch (content_get(&job->content, &v->object, v->next, &v->wait,
				    &block)) {
		case CONTENT_HERE:
			take_block(job, v, block);
			break;
		case CONTENT_LATER:
			return false;
		case CONTENT_FAILED:
			fail(job, now_ns, "no copy of its manifest can be read");
			return false;
		}
	}
	return v->next == blocks;
}

// Checks what was read as a whole. Returns NULL or what is wrong.
static const char *
open_version(const struct job *job, struct version *v, u64 unix_seconds)
{
	struct catalog_slot *slots = (void *)(manifest_bytes(v) +
					      manifest_pages(v) * PAGE_SIZE);
	const char *why;
	u8 id[STORE_ID];

	store_hash_end(&v->hash, id);
	if (memcmp(id, v->object.id, STORE_ID))
		return "its manifest does not have its id";
	why = manifest_open(&v->manifest, manifest_bytes(v), v->object.length);
	if (why)
		return why;
	memset(slots, 0, slot_pages() * PAGE_SIZE);
	catalog_init(&v->catalog, &v->manifest, slots, HOT_SLOTS, unix_seconds);
	v->is_open = true;
	place_nodes(job, v);
	return NULL;
}

bool
sites_run(struct job *job, u64 now_ns, u64 unix_seconds)
{
	const char *why;

	if (job->loading &&
	    job->loading->generation != job->view.site.generation)
		stop_loading(job);
	if (!job->loading)
		begin(job, now_ns);
	if (!job->loading || !read_manifest(job, now_ns))
		return false;
	why = open_version(job, job->loading, unix_seconds);
	if (why) {
		fail(job, now_ns, why);
		return false;
	}
	job->failures = 0;
	job->current = job->loading;
	job->loading = NULL;
	return true;
}

u64
sites_deadline(const struct job *job)
{
	return job->retry_ns ? job->retry_ns : NEVER;
}
