// SPDX-License-Identifier: BSD-2-Clause
// Any path, asked of a catalogue and of an archive of the same files: both find the
// same file, the same redirect, or nothing. The input is paths, each behind a newline;
// one that was asked for before may have left its head in a slot.
//
// links: libos/http/catalog.c libos/http/head.c libos/http/site.c libos/http/mime.c
// links: libos/http/path.c libos/http/status.c libos/http/text.c libos/http/date.c
// links: libos/store/manifest.c libos/store/object.c libos/store/build.c
// links: kernel/base/siphash.c libos/image/cpio.c libos/text/text.c kernel/base/fmt.c
// links: kernel/base/string.c harness/testing/host_assert.c

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/assert.h"
#include "libos/http/catalog.h"
#include "libos/http/test_site.h"

#define SLOTS 4u

// In order of their paths.
static const char *const names[] = {
	"a", "a.b", "a/index.html", "b/c.d", "b/c/index.html", "b/index.htm",
	"index.html", "x/index.html/y", "z/z/z/index.html",
};

static struct test_archive archive;
static struct site site;
static struct manifest manifest;
static struct catalog_slot slots[SLOTS];
static struct catalog catalog;

static void
build_manifest(void)
{
	static struct manifest_entry room[ARRAY_SIZE(names)];
	static char paths[1024];
	static const u8 uuid[STORE_UUID] = { 1 };
	struct manifest_builder b;
	void *bytes;

	manifest_begin(&b);
	b.file = room, b.file_room = ARRAY_SIZE(names);
	b.paths = paths, b.paths_room = sizeof(paths);
	if (manifest_add_voter(&b, uuid) != 0)
		abort();
	for (u32 i = 0; i < ARRAY_SIZE(names); i++) {
		struct manifest_entry file = {
			.length = i, .block = { STORE_FIRST_BLOCK + i },
			.voter = { 0, MANIFEST_NOBODY },
		};

		if (manifest_add(&b, &file, names[i], (u32)strlen(names[i])) !=
		    MANIFEST_ADDED)
			abort();
	}
	bytes = malloc(manifest_len(&b));
	if (!bytes)
		abort();
	manifest_copy(&b, 0, bytes, manifest_len(&b));
	if (manifest_open(&manifest, bytes, manifest_len(&b)))
		abort();
}

static void
set_up(void)
{
	if (archive.bytes)
		return;
	for (u32 i = 0; i < ARRAY_SIZE(names); i++)
		test_archive_file(&archive, names[i], "12345678", i);
	test_archive_end(&archive);
	test_site_build(&site, &archive);
	build_manifest();
	catalog_init(&catalog, &manifest, slots, SLOTS, TEST_NOW);
}

static void
compare(const char *path, u32 len)
{
	const struct site_object *here = site_find(&site, path, len);
	const struct site_object *there = catalog_find(&catalog, path, len);

	catalog_check(&catalog);
	ASSERT(!here == !there);
	if (!here)
		return;
	ASSERT(here->kind == there->kind && there->file);
	ASSERT(here->len_bytes == there->len_bytes);
	if (here->kind == SITE_REDIRECT)
		ASSERT(there->name_len == len - 1 &&
		       !memcmp(there->name, path + 1, len - 1));
	else
		ASSERT(here->name_len == there->name_len &&
		       !memcmp(here->name, there->name, here->name_len));
}

int
LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int
LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	char path[2048];
	u32 len = 0;

	set_up();
	for (size_t i = 0; i < size; i++) {
		if (data[i] != '\n' && len < sizeof(path) - 1) {
			path[++len] = (char)data[i];
			continue;
		}
		path[0] = '/';
		compare(path, len + 1);
		len = 0;
	}
	path[0] = '/';
	compare(path, len + 1);
	return 0;
}
