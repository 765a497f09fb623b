// SPDX-License-Identifier: BSD-2-Clause
// The newc walk: a 110-byte header of hexadecimal fields, the name padded to
// four bytes, the data padded to four bytes, until the member "TRAILER!!!".
//
// Invariant C1: walk.offset <= walk.len, and each call either advances it or
// ends the walk.

#include "libos/image/cpio.h"
#include "kernel/base/assert.h"
#include "kernel/base/string.h"
#include "libos/text/text.h"

#define HEADER_LEN 110u
#define FIELD_LEN 8u
#define MODE_TYPE 0170000u
#define MODE_FILE 0100000u

// Order of the eight-digit fields after the six-byte magic.
enum field {
	FIELD_MODE = 1,
	FIELD_MTIME = 5,
	FIELD_FILESIZE = 6,
	FIELD_NAMESIZE = 11,
};

static bool
hex_field(const u8 *header, enum field field, u32 *value)
{
	const u8 *at = header + 6 + (size_t)field * FIELD_LEN;
	u32 v = 0;

	for (u32 i = 0; i < FIELD_LEN; i++) {
		u32 digit = text_digit((char)at[i]);

		if (digit > 15)
			return false;
		v = v << 4 | digit;
	}
	*value = v;
	return true;
}

void
cpio_start(struct cpio_walk *walk, const void *archive, u64 len)
{
	*walk = (struct cpio_walk){ archive, len, 0 };
}

static enum cpio_result
stop(struct cpio_walk *walk, enum cpio_result why)
{
	walk->offset = walk->len;
	return why;
}

static void
strip_prefix(struct cpio_entry *entry)
{
	while (entry->name_len) {
		u32 skip = 0;

		if (entry->name[0] == '/')
			skip = 1;
		else if (string_starts(entry->name, "./"))
			skip = 2;
		if (!skip)
			return;
		entry->name += skip;
		entry->name_len -= skip;
	}
}

enum cpio_result
cpio_next(struct cpio_walk *walk, struct cpio_entry *entry)
{
	const u8 *header = walk->archive + walk->offset;
	u32 name_size;

	ASSERT(walk->offset <= walk->len);
	if (walk->len - walk->offset == 0)
		return CPIO_END;
	if (walk->len - walk->offset < HEADER_LEN ||
	    (memcmp(header, "070701", 6) && memcmp(header, "070702", 6)))
		return stop(walk, CPIO_BAD);
	if (!hex_field(header, FIELD_MODE, &entry->mode) ||
	    !hex_field(header, FIELD_MTIME, &entry->mtime) ||
	    !hex_field(header, FIELD_FILESIZE, &entry->data_len) ||
	    !hex_field(header, FIELD_NAMESIZE, &name_size))
		return stop(walk, CPIO_BAD);

	u64 name_at = walk->offset + HEADER_LEN;
	u64 data_at = ALIGN_UP(name_at + name_size, 4);
	u64 next = ALIGN_UP(data_at + entry->data_len, 4);

	if (name_size == 0 || data_at > walk->len ||
	    entry->data_len > walk->len - data_at)
		return stop(walk, CPIO_BAD);
	entry->name = (const char *)walk->archive + name_at;
	entry->name_len = name_size - 1;
	if (entry->name[entry->name_len] != 0 ||
	    strlen(entry->name) != entry->name_len)
		return stop(walk, CPIO_BAD);
	entry->data = walk->archive + data_at;
	if (!strcmp(entry->name, "TRAILER!!!"))
		return stop(walk, CPIO_END);
	strip_prefix(entry);
	walk->offset = MIN(next, walk->len);
	ASSERT(walk->offset > name_at);
	return CPIO_ENTRY;
}

bool
cpio_is_file(const struct cpio_entry *entry)
{
	return (entry->mode & MODE_TYPE) == MODE_FILE;
}

bool
cpio_find(const void *archive, u64 len, const char *name,
	  struct cpio_entry *entry)
{
	struct cpio_walk walk;

	cpio_start(&walk, archive, len);
	while (cpio_next(&walk, entry) == CPIO_ENTRY) {
		if (cpio_is_file(entry) && !strcmp(entry->name, name))
			return true;
	}
	return false;
}
