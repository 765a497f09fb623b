// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Listening unix stream sockets: what nodes and the control line hang on.

#include "kernel/base/types.h"

// Makes a socket at `path` that only this user may connect to, non-blocking
// and closed on exec. A socket that nobody listens on any more is replaced;
// one that is in use, or a file of another kind, is left alone. Returns the
// descriptor, or -1 with one line in `error`.
must_check int
unix_socket_listen(const char *path, char *error, size_t error_size);

// Takes a waiting client, non-blocking and closed on exec; -1 when none waits.
int
unix_socket_accept(int listener);
