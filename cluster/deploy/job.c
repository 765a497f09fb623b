// SPDX-License-Identifier: BSD-2-Clause
// A job: its image is one object, held in memory until it is whole, because the sums
// of its blocks are made under its id.

#include "cluster/deploy/work.h"
#include "libos/mem/mem.h"

#define IMAGE_MAX (8 * MIB)

struct change {
	struct record_new_job job;
};

static const char *
take_image(u8 *image, u64 bytes)
{
	const char *error = NULL;
	bool ended = false;
	u64 have = 0;

	while (!error && !ended) {
		const u8 *at;
		u64 len = feed_look(&at);

		if (!len) {
			error = feed_wait(&ended);
			continue;
		}
		if (len > bytes - have)
			return fault("the image is longer than was said");
		memcpy(image + have, at, len);
		have += len;
		deploy_now.bytes = have;
		feed_take(len);
	}
	if (!error && have != bytes)
		return fault("the upload ended before the image did");
	return error;
}

static enum record_error
change(void *argument, struct record *record)
{
	const struct change *c = argument;
	enum record_error error = record_deploy_job(record, &c->job);
	const struct record_job *made;

	if (error)
		return error;
	made = record_find_job(record, c->job.name);
	deploy_now.job = made ? made->id : 0;
	return RECORD_OK;
}

const char *
deploy_job(const struct record_new_job *job, u64 bytes)
{
	static struct change c;
	const char *error;
	u8 *image;

	if (!bytes || bytes > IMAGE_MAX)
		return fault("a job's image has 1 byte to 8 MiB");
	image = mem_alloc(bytes);
	if (!image)
		return "this node has no memory for the image";
	c.job = *job;
	error = take_image(image, bytes);
	if (!error)
		error = put_bytes(bytes, image, &c.job.image);
	mem_free(image);
	return error ? error : deploy_commit(change, &c);
}
