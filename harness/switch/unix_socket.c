// SPDX-License-Identifier: BSD-2-Clause
// Listening unix stream sockets: see unix_socket.h.
//
// A switch that was killed leaves its socket files behind. The kernel tells
// those from live ones: nobody answers a connect.

#define _GNU_SOURCE
#include "harness/switch/unix_socket.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 16

// Returns 0 when the way is free: nothing is at the path, or was and is gone.
static int
clear_path(const struct sockaddr_un *address, char *error, size_t error_size)
{
	const char *path = address->sun_path;
	struct stat st;
	int fd;
	int answer;

	if (lstat(path, &st) < 0)
		return 0; // absent; anything worse, bind() will say
	if (!S_ISSOCK(st.st_mode)) {
		snprintf(error, error_size, "%s exists and is not a socket",
			 path);
		return -1;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	answer = connect(fd, (const struct sockaddr *)address,
			 sizeof(*address));
	if (answer < 0 && errno == ECONNREFUSED) {
		unlink(path);
		answer = 1;
	} else {
		snprintf(error, error_size, "%s is in use by another process",
			 path);
		answer = -1;
	}
	if (fd >= 0)
		close(fd);
	return MIN(answer, 0);
}

static int
bind_and_listen(int fd, const struct sockaddr_un *address)
{
	mode_t mask = umask(077);
	int result = bind(fd, (const struct sockaddr *)address,
			  sizeof(*address));

	umask(mask);
	if (result < 0)
		return -1;
	return listen(fd, BACKLOG);
}

int
unix_socket_listen(const char *path, char *error, size_t error_size)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	if (path[0] == '\0' || strlen(path) >= sizeof(address.sun_path)) {
		snprintf(error, error_size,
			 "socket path '%s' must have 1 to %zu bytes", path,
			 sizeof(address.sun_path) - 1);
		return -1;
	}
	memcpy(address.sun_path, path, strlen(path));
	if (clear_path(&address, error, error_size) < 0)
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind_and_listen(fd, &address) < 0) {
		snprintf(error, error_size, "cannot listen on %s: %s", path,
			 strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}

int
unix_socket_accept(int listener)
{
	return accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}
