// SPDX-License-Identifier: BSD-2-Clause
// Capture to a file: see pcap.h.
//
// Stamps come from the switch's monotonic clock plus an offset taken at the
// start, so they never run backwards within a file.

#define _GNU_SOURCE
#include "harness/switch/pcap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/program/clock.h"
#include "harness/switch/frame.h"
#include "kernel/base/assert.h"

#define MAGIC_NANOSECONDS 0xa1b23c4du
#define VERSION_MAJOR 2
#define VERSION_MINOR 4
#define LINK_TYPE_ETHERNET 1

struct file_header {
	u32 magic;
	u16 version_major;
	u16 version_minor;
	u32 reserved[2];
	u32 snap_len_bytes;
	u32 link_type;
};

struct record_header {
	u32 seconds;
	u32 nanoseconds;
	u32 captured_bytes;
	u32 original_bytes;
};

STATIC_ASSERT(sizeof(struct file_header) == 24);
STATIC_ASSERT(sizeof(struct record_header) == 16);
STATIC_ASSERT(PCAP_BUFFER >= sizeof(struct file_header) +
				     sizeof(struct record_header) +
				     FRAME_LEN_MAX);

void
pcap_init(struct pcap *pcap)
{
	pcap->fd = -1;
	pcap->used = 0;
}

bool
pcap_is_on(const struct pcap *pcap)
{
	return pcap->fd >= 0;
}

static void
gather(struct pcap *pcap, const void *bytes, u32 len)
{
	ASSERT(len <= PCAP_BUFFER - pcap->used);
	memcpy(pcap->buffer + pcap->used, bytes, len);
	pcap->used += len;
}

void
pcap_flush(struct pcap *pcap)
{
	u32 written = 0;

	while (pcap_is_on(pcap) && written < pcap->used) {
		ssize_t n = write(pcap->fd, pcap->buffer + written,
				  pcap->used - written);

		if (n >= 0) {
			written += (u32)n;
		} else if (errno != EINTR) {
			snprintf(pcap->error, sizeof(pcap->error),
				 "capture stopped: %s", strerror(errno));
			close(pcap->fd);
			pcap->fd = -1;
		}
	}
	pcap->used = 0;
}

void
pcap_stop(struct pcap *pcap)
{
	pcap_flush(pcap);
	if (pcap_is_on(pcap))
		close(pcap->fd);
	pcap->fd = -1;
}

// Opens without waiting for anybody and refuses what is not a plain file.
static int
open_file(const char *path, char *error, size_t error_size)
{
	struct stat st;
	int fd = open(path, O_WRONLY | O_CREAT | O_NONBLOCK | O_CLOEXEC, 0644);

	if (fd < 0) {
		snprintf(error, error_size, "cannot write %s: %s", path,
			 strerror(errno));
		return -1;
	}
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		snprintf(error, error_size, "%s is not a regular file", path);
		close(fd);
		return -1;
	}
	if (ftruncate(fd, 0) < 0) {
		snprintf(error, error_size, "cannot empty %s: %s", path,
			 strerror(errno));
		close(fd);
		return -1;
	}
	return fd;
}

int
pcap_start(struct pcap *pcap, const char *path, char *error,
	   size_t error_size)
{
	struct file_header header = {
		.magic = MAGIC_NANOSECONDS,
		.version_major = VERSION_MAJOR,
		.version_minor = VERSION_MINOR,
		.snap_len_bytes = FRAME_LEN_MAX,
		.link_type = LINK_TYPE_ETHERNET,
	};

	pcap_stop(pcap);
	if (strlen(path) >= sizeof(pcap->path)) {
		snprintf(error, error_size, "the file's name is too long");
		return -1;
	}
	pcap->fd = open_file(path, error, error_size);
	if (pcap->fd < 0)
		return -1;
	memcpy(pcap->path, path, strlen(path) + 1);
	pcap->error[0] = '\0';
	pcap->frames = 0;
	pcap->bytes = 0;
	pcap->wall_minus_clock_ns =
		clock_read_ns(CLOCK_REALTIME) - clock_now_ns();
	gather(pcap, &header, sizeof(header));
	return 0;
}

void
pcap_frame(struct pcap *pcap, const u8 *frame, u32 len, u64 now_ns)
{
	u64 wall_ns = now_ns + pcap->wall_minus_clock_ns;
	struct record_header header = {
		.seconds = (u32)(wall_ns / NS_PER_SECOND),
		.nanoseconds = (u32)(wall_ns % NS_PER_SECOND),
		.captured_bytes = len,
		.original_bytes = len,
	};

	ASSERT(len <= FRAME_LEN_MAX);
	if (!pcap_is_on(pcap))
		return;
	if (PCAP_BUFFER - pcap->used < sizeof(header) + len)
		pcap_flush(pcap);
	gather(pcap, &header, sizeof(header));
	gather(pcap, frame, len);
	pcap->frames++;
	pcap->bytes += len;
}
