// SPDX-License-Identifier: BSD-2-Clause
// A site: files become objects, and a manifest of where they lie: those of a bundle, or
// those of the site that there is, when it has one copy only.
//
// The manifest grows in two pieces of memory, entries and paths, each doubled when it
// is full: 10,000 files cost about 1.3 MB, and for a moment half as much again.

#include "cluster/deploy/work.h"
#include "kernel/base/assert.h"
#include "libos/mem/mem.h"
#include "libos/store/bundle.h"

#define FILES_FIRST 256u
#define PATHS_FIRST (16u * (u32)KIB)

static struct bundle bundle;
static struct manifest_builder builder;
static struct manifest_entry entry;
static struct put put;

// ---- memory of the manifest

static void *
grown(void *old, u64 len, u64 room)
{
	void *fresh = mem_alloc(room);

	if (fresh && len)
		memcpy(fresh, old, len);
	if (fresh)
		mem_free(old);
	return fresh;
}

static bool
grow(void)
{
	u32 files = builder.head.file_count, paths = builder.head.paths_len;
	void *fresh;

	if (files == builder.file_room) {
		u32 room = MAX(2 * files, FILES_FIRST);

		fresh = grown(builder.file, files * sizeof(*builder.file),
			      room * sizeof(*builder.file));
		if (!fresh)
			return false;
		builder.file = fresh;
		builder.file_room = room;
	}
	if (builder.paths_room - paths < MANIFEST_PATH_MAX) {
		u32 room = MAX(2 * builder.paths_room, PATHS_FIRST);

		fresh = grown(builder.paths, paths, room);
		if (!fresh)
			return false;
		builder.paths = fresh;
		builder.paths_room = room;
	}
	return true;
}

static const char *
add_entry(const char *path, u32 path_len)
{
	enum manifest_added added = manifest_add(&builder, &entry, path, path_len);

	if (added == MANIFEST_FULL) {
		if (!grow())
			return "this node has no memory for so many files";
		added = manifest_add(&builder, &entry, path, path_len);
	}
	ASSERT(added != MANIFEST_FULL);
	if (added == MANIFEST_TOO_MANY)
		return fault("the site has too many files, or too long paths");
	ASSERT(added != MANIFEST_ORDER);	// a bundle's parser, a manifest's saw to that
	return NULL;
}

// ---- files

static const char *
begin_file(const u8 id[STORE_ID], u64 length, u64 mtime)
{
	const char *error = put_begin(&put, id, length);

	if (error)
		return error;
	entry = (struct manifest_entry){
		.length = length, .mtime = mtime,
		.voter = { MANIFEST_NOBODY, MANIFEST_NOBODY },
	};
	memcpy(entry.id, id, STORE_ID);
	for (u32 i = 0; i < writer_pair.lanes; i++) {
		entry.voter[i] = manifest_add_voter(
			&builder, writer_pair.lane[i].candidate->uuid);
		entry.block[i] = put_block(&put, i);
		ASSERT(entry.voter[i] != MANIFEST_NOBODY);
	}
	return NULL;
}

static const char *
end_file(const char *path, u32 path_len)
{
	bool fine;
	const char *error = put_end(&put, &fine);

	if (error)
		return error;
	if (!fine)
		return fault(sentence("%.*s changed while it was sent: its content is "
				      "not what its id says",
				      (int)MIN(path_len, 120u), path));
	deploy_now.files++;
	return add_entry(path, path_len);
}

static const char *
take_data(void *argument, const u8 *data, u64 len)
{
	(void)argument;
	deploy_now.bytes += len;
	return put_data(&put, data, len);
}

static const char *
take_event(enum bundle_event event)
{
	switch (event) {
	case BUNDLE_FILE:
		return begin_file(bundle.id, bundle.length, bundle.mtime);
	case BUNDLE_DATA:
		return take_data(NULL, bundle.data, bundle.data_len);
	case BUNDLE_FILE_END:
		return end_file(bundle.path, bundle.path_len);
	case BUNDLE_BAD:
		return fault(bundle.error);
	default:
		return NULL;
	}
}

// All of the stream, to its end and no further.
static const char *
take_bundle(void)
{
	enum bundle_event event = BUNDLE_MORE;
	const char *error = NULL;
	bool ended = false;

	while (!error && !ended) {
		const u8 *bytes;
		u64 taken, len = feed_look(&bytes);

		if (!len && event != BUNDLE_DATA && event != BUNDLE_FILE) {
			error = feed_wait(&ended);
			event = BUNDLE_MORE;
			continue;
		}
		event = bundle_next(&bundle, bytes, len, &taken);
		error = take_event(event);
		feed_take(taken);
		if (!error)
			error = deploy_trouble();
		if (!error)
			error = pairs_keep();
	}
	if (!error && !bundle_is_done(&bundle))
		return fault("the upload ended before the bundle did");
	return error;
}

// ---- the site that there is

static const char *
take_file(const struct stored_site *site, u32 number)
{
	const struct manifest_entry *file = &site->manifest.file[number];
	const struct record_new_object object = site_file(site, number);
	const char *error = begin_file(file->id, file->length, file->mtime);

	if (!error)
		error = storage_read(&object, take_data, NULL);
	if (!error)
		error = end_file(manifest_path(&site->manifest, file), file->path_len);
	return error ? error : pairs_keep();
}

static const char *
take_site(void)
{
	struct stored_site *site = site_hold();
	const char *error = NULL;

	if (!site || site->generation != pairs_generation())
		error = "the newest site is not known here yet";
	for (u32 i = 0; !error && i < site->manifest.head->file_count; i++)
		error = take_file(site, i);
	site_give(site);
	return error;
}

// ---- the end

static void
read_manifest(void *from, u64 offset, void *target, u64 len)
{
	manifest_copy(from, offset, target, len);
}

static struct record_new_object manifest_object_;

enum record_error
site_change(void *argument, struct record *record)
{
	enum record_error error;

	(void)argument;
	error = record_deploy_site(record, pairs_generation(),
				   builder.head.content_bytes,
				   builder.head.file_count, &manifest_object_);
	if (!error)
		deploy_now.generation = record->site.generation;
	return error;
}

// All files, from the bundle or from the disks, and the manifest behind them.
static const char *
store(const char *(*take_files)(void))
{
	const char *error;

	manifest_begin(&builder);
	error = take_files();
	if (!error) {
		deploy_now.sentence = "the manifest is written";
		error = put_whole(manifest_len(&builder), read_manifest, &builder,
				  &manifest_object_);
	}
	mem_free(builder.file);
	mem_free(builder.paths);
	builder.file = NULL;
	builder.paths = NULL;
	return error;
}

const char *
deploy_site(void)
{
	const char *error;

	bundle_begin(&bundle);
	error = store(take_bundle);
	return error ? error : deploy_commit(site_change, NULL);
}

const char *
site_store_again(void)
{
	return store(take_site);
}
