// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// What sites of either kind (site.h, catalog.h) say of an object in front of its
// content, and how paths become names. No state.

#include "libos/http/site.h"

#define SITE_HEAD_MAX 384u	// of a file: without Server, Date and Connection
#define SITE_INDEX "index.html"
#define SITE_INDEX_LEN ((u32)sizeof(SITE_INDEX) - 1)

u32
site_path_hash(const char *key, u32 len);

// True for "index.html" and "a/index.html".
bool
site_is_index(const char *name, u32 len);

// Writes the head of a file whose length, type and time are set, with this entity
// tag of SITE_ETAG_LEN bytes, into `text`, of at least SITE_HEAD_MAX bytes; sets
// the head of the object and the places in it.
void
site_head_write(struct site_object *object, const char *etag, char *text);

// Writes the lines of a redirect up to the path in its Location, which is last:
// less than SITE_HEAD_MAX bytes. Returns their length.
u32
site_head_moved(char text[SITE_HEAD_MAX]);

// The same with the path of the directory `name`, "/" and the line's end; NULL only
// counts. Returns its length.
u32
site_head_redirect(const char *name, u32 len, char *text);

// Percent-encodes all but letters, digits and "-._~/" into `text`, of three times
// `len` bytes (or NULL, to count). Returns the length.
u32
site_escape(const char *name, u32 len, char *text);
