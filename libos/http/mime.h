// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Media types by file name suffix. Text types carry their charset: a site's
// text is UTF-8.

#include "kernel/base/types.h"

// The longest type that mime_type() returns.
#define MIME_TYPE_MAX 64

// The Content-Type for a file of this name: a constant string, and
// "application/octet-stream" for a suffix that is not known.
const char *
mime_type(const char *name, u32 name_len);
