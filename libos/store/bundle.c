// SPDX-License-Identifier: BSD-2-Clause
// The parser of an upload.
//
// Invariant: `have` bytes of the part that `stage` names have come, fewer than it
// has; `left` bytes of content are still to come; what an event shows stays until the
// next call.

#include "libos/store/bundle.h"
#include "kernel/base/assert.h"
#include "kernel/base/byteorder.h"
#include "kernel/base/string.h"

enum stage {
	STAGE_HEAD,
	STAGE_LEN,		// the first 16 bytes of a file's part, or the end
	STAGE_FIXED,		// the rest of its fixed part
	STAGE_PATH,
	STAGE_DATA,
	STAGE_DONE,
	STAGE_BAD,
};

void
bundle_begin(struct bundle *bundle)
{
	memset(bundle, 0, sizeof(*bundle));
	bundle->stage = STAGE_HEAD;
}

static enum bundle_event
bad(struct bundle *b, const char *error)
{
	b->stage = STAGE_BAD;
	b->error = error;
	return BUNDLE_BAD;
}

static void
enter(struct bundle *b, enum stage stage)
{
	b->stage = stage;
	b->have = 0;
}

static enum bundle_event
end_head(struct bundle *b)
{
	if (memcmp(b->fixed, BUNDLE_MAGIC, 8))
		return bad(b, "this is not a bundle of deosctl's");
	if (le32_load(b->fixed + 8) != BUNDLE_VERSION || le32_load(b->fixed + 12))
		return bad(b, "this bundle is of another version");
	enter(b, STAGE_LEN);
	return BUNDLE_MORE;
}

static enum bundle_event
end_stream(struct bundle *b)
{
	if (le32_load(b->fixed + 4) != b->files ||
	    le64_load(b->fixed + 8) != b->bytes)
		return bad(b, "the bundle's totals do not fit what came");
	enter(b, STAGE_DONE);
	return BUNDLE_DONE;
}

static enum bundle_event
end_len(struct bundle *b)
{
	b->path_len = le32_load(b->fixed);
	if (!b->path_len)
		return end_stream(b);
	if (b->path_len > MANIFEST_PATH_MAX || le32_load(b->fixed + 4))
		return bad(b, "a path of the bundle is longer than 1024 bytes");
	b->length = le64_load(b->fixed + 8);
	if (b->length > OBJECT_LENGTH_MAX)
		return bad(b, "a file of the bundle is too long");
	if (b->files == MANIFEST_FILES_MAX)
		return bad(b, "the bundle has more than 65536 files");
	b->stage = STAGE_FIXED;	// `have` goes on
	return BUNDLE_MORE;
}

static enum bundle_event
end_fixed(struct bundle *b)
{
	b->mtime = le64_load(b->fixed + 16);
	memcpy(b->id, b->fixed + 24, STORE_ID);
	enter(b, STAGE_PATH);
	return BUNDLE_MORE;
}

static enum bundle_event
end_path(struct bundle *b)
{
	if (!manifest_path_is_good(b->path, b->path_len))
		return bad(b, "a path of the bundle is none that a site can have");
	if (b->files && manifest_path_order(b->last, b->last_len, b->path,
					    b->path_len) >= 0)
		return bad(b, "the bundle's paths do not ascend");
	memcpy(b->last, b->path, b->path_len);
	b->last_len = b->path_len;
	b->files++;
	b->bytes += b->length;
	b->left = b->length;
	enter(b, STAGE_DATA);
	return BUNDLE_FILE;
}

// What a stage gathers, how much of it, and who looks at it then.
struct part {
	void *target;
	u32 len;
	enum bundle_event (*end)(struct bundle *b);
};

static struct part
part_of(struct bundle *b)
{
	switch (b->stage) {
	case STAGE_HEAD:
		return (struct part){ b->fixed, BUNDLE_HEAD, end_head };
	case STAGE_LEN:
		return (struct part){ b->fixed, BUNDLE_END, end_len };
	case STAGE_FIXED:
		return (struct part){ b->fixed, BUNDLE_FILE_FIXED, end_fixed };
	default:
		ASSERT(b->stage == STAGE_PATH);
		return (struct part){ b->path, b->path_len, end_path };
	}
}

static enum bundle_event
gather(struct bundle *b, const u8 *at, u64 len, u64 *taken)
{
	struct part part = part_of(b);
	u32 step = (u32)MIN(len, part.len - b->have);

	memcpy((u8 *)part.target + b->have, at, step);
	b->have += step;
	*taken += step;
	return b->have == part.len ? part.end(b) : BUNDLE_MORE;
}

static enum bundle_event
pass_data(struct bundle *b, const u8 *at, u64 len, u64 *taken)
{
	b->data = at;
	b->data_len = MIN(len, b->left);
	b->left -= b->data_len;
	*taken += b->data_len;
	return BUNDLE_DATA;
}

enum bundle_event
bundle_next(struct bundle *bundle, const void *input, u64 len, u64 *taken)
{
	const u8 *at = input;
	enum bundle_event event = BUNDLE_MORE;

	*taken = 0;
	if (bundle->stage == STAGE_BAD)
		return BUNDLE_BAD;
	if (bundle->stage == STAGE_DATA && !bundle->left) {
		enter(bundle, STAGE_LEN);
		return BUNDLE_FILE_END;
	}
	while (event == BUNDLE_MORE && *taken < len) {
		if (bundle->stage == STAGE_DONE)
			return bad(bundle, "something follows the bundle's end");
		if (bundle->stage == STAGE_DATA)
			return pass_data(bundle, at + *taken, len - *taken, taken);
		event = gather(bundle, at + *taken, len - *taken, taken);
	}
	return event;
}

bool
bundle_is_done(const struct bundle *bundle)
{
	return bundle->stage == STAGE_DONE;
}
