// SPDX-License-Identifier: BSD-2-Clause
// The manifest that the record names, in memory, and what of it this node holds.
//
// Invariant: a site that anybody holds stays as it is; the newest one is held by this
// file until the next comes.

#include "cluster/storage/state.h"
#include "kernel/base/assert.h"
#include "libos/mem/mem.h"

static struct stored_site *newest;

struct stored_site *
site_hold(void)
{
	if (newest)
		newest->holders++;
	return newest;
}

void
site_give(struct stored_site *site)
{
	if (!site)
		return;
	ASSERT(site->holders > 0);
	if (--site->holders)
		return;
	mem_free(site->bytes);
	mem_free(site);
}

u64
site_generation(void)
{
	return newest ? newest->generation : 0;
}

struct record_new_object
storage_object_of(const struct record *record, const struct record_object *object)
{
	struct record_new_object of = { .bytes = object->bytes };

	memcpy(of.id, object->id, STORE_ID);
	for (u32 i = 0; i < RECORD_COPIES; i++) {
		u8 node = object->copy[i].node;

		if (node == RECORD_NONE)
			continue;
		ASSERT(node < record->node_count);
		memcpy(of.copy[i].uuid, record->node[node].uuid, STORE_UUID);
		of.copy[i].block = object->copy[i].block;
	}
	return of;
}

static const char *
read_site(struct stored_site *site)
{
	const char *error = storage_fetch(&site->object, site->bytes);

	if (error)
		return error;
	return manifest_open(&site->manifest, site->bytes, site->object.bytes);
}

const char *
site_load(const struct record *record)
{
	struct stored_site *site;
	const char *error;

	if (!record->site.generation || record->site.generation == site_generation())
		return NULL;
	if (record->site.manifest.bytes > MANIFEST_BYTES_MAX)
		return "the manifest is too long";
	site = mem_alloc_zeroed(sizeof(*site));
	if (!site)
		return "there is no memory for the manifest";
	site->holders = 1;
	site->generation = record->site.generation;
	site->object = storage_object_of(record, &record->site.manifest);
	site->bytes = mem_alloc(site->object.bytes);
	error = site->bytes ? read_site(site) : "there is no memory for the manifest";
	if (error) {
		site_give(site);
		return error;
	}
	site_give(newest);
	newest = site;
	return NULL;
}

// ---- what this node holds

static bool
own_copy(struct holding *holding)
{
	for (u32 i = 0; i < RECORD_COPIES; i++) {
		if (copy_exists(&holding->object, i) &&
		    !memcmp(holding->object.copy[i].uuid, peer_self()->uuid,
			    STORE_UUID)) {
			holding->own = i;
			return true;
		}
	}
	return false;
}

struct record_new_object
site_file(const struct stored_site *site, u32 number)
{
	const struct manifest *manifest = &site->manifest;
	const struct manifest_entry *file = &manifest->file[number];
	struct record_new_object of = { .bytes = file->length };

	ASSERT(number < manifest->head->file_count);
	memcpy(of.id, file->id, STORE_ID);
	for (u32 i = 0; i < RECORD_COPIES; i++) {
		if (file->voter[i] == MANIFEST_NOBODY)
			continue;
		memcpy(of.copy[i].uuid, manifest->voter[file->voter[i]], STORE_UUID);
		of.copy[i].block = file->block[i];
	}
	return of;
}

// The object at a position: the manifest, the jobs' images, the files. False: past
// the end.
static bool
object_at(const struct record *record, const struct stored_site *site, u64 at,
	  struct record_new_object *object)
{
	u64 files = site ? site->manifest.head->file_count : 0;

	if (!at) {
		*object = site ? site->object : (struct record_new_object){ 0 };
		return true;
	}
	at--;
	if (at < record->job_count) {
		*object = storage_object_of(record, &record->job[at].image);
		return true;
	}
	at -= record->job_count;
	if (at < files)
		*object = site_file(site, (u32)at);
	return at < files;
}

bool
holding_next(const struct record *record, const struct stored_site *site, u64 *at,
	     struct holding *holding)
{
	while (object_at(record, site, (*at)++, &holding->object)) {
		if (own_copy(holding))
			return true;
	}
	return false;
}
