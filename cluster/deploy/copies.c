// SPDX-License-Identifier: BSD-2-Clause
// What has one copy gets two. A cluster of one disk has one copy of everything; when a
// second disk comes, images and the site are read, put on two disks as if somebody had
// deployed them again, and the record names the new places.
//
// All in one change of the record: until then, and if anything goes wrong, everything
// lies where it lay.

#include "cluster/deploy/work.h"
#include "cluster/agent/register.h"
#include "kernel/base/assert.h"
#include "libos/mem/mem.h"

static struct record_new_object moved[RECORD_JOBS];
static u32 moved_count;
static bool has_site;

static bool
is_moved(const u8 id[STORE_ID])
{
	for (u32 i = 0; i < moved_count; i++) {
		if (!memcmp(moved[i].id, id, STORE_ID))
			return true;
	}
	return false;
}

static const char *
copy_image(const struct record_new_object *object)
{
	u8 *image = mem_alloc(object->bytes);
	const char *error;

	if (!image)
		return "this node has no memory for an image";
	ASSERT(moved_count < RECORD_JOBS);
	error = storage_fetch(object, image);
	if (!error)
		error = put_bytes(object->bytes, image, &moved[moved_count]);
	mem_free(image);
	moved_count += !error;
	return error ? error : pairs_keep();
}

// Each time from the beginning: the record may have changed meanwhile.
static bool
next_image(struct record_new_object *object)
{
	const struct record *record = record_now();

	for (u32 i = 0; record && i < record->job_count; i++) {
		const struct record_object *image = &record->job[i].image;

		if (image->copy[1].node != RECORD_NONE || is_moved(image->id))
			continue;
		*object = storage_object_of(record, image);
		return true;
	}
	return false;
}

static enum record_error
move(struct record *record, const struct record_new_object *object)
{
	enum record_error error = RECORD_OK;

	for (u32 i = 0; i < RECORD_COPIES && error == RECORD_OK; i++)
		error = record_move_copy(record, object->id, i, &object->copy[i]);
	return error;
}

static enum record_error
change(void *argument, struct record *record)
{
	(void)argument;
	for (u32 i = 0; i < moved_count; i++) {
		enum record_error error = move(record, &moved[i]);

		// Its job may be gone.
		if (error != RECORD_OK && error != RECORD_OVERTAKEN)
			return error;
	}
	return has_site ? site_change(NULL, record) : RECORD_OK;
}

const char *
deploy_copies(void)
{
	const struct record *record = record_now();
	struct record_new_object object;
	const char *error = NULL;

	moved_count = 0;
	has_site = record && record->site.generation &&
		   record->site.manifest.copy[1].node == RECORD_NONE;
	while (!error && moved_count < RECORD_JOBS && next_image(&object))
		error = copy_image(&object);
	if (!error && has_site)
		error = site_store_again();
	return error ? error : deploy_commit(change, NULL);
}
