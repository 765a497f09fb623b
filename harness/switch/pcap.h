// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Capture to a file: the classic pcap format with nanosecond stamps, which
// tcpdump and Wireshark read (draft-ietf-opsawg-pcap, magic 0xa1b23c4d).
//
// Records are gathered in a buffer and written when it is full or when the
// switch is about to wait, so the file is whole whenever nothing moves.

#include "kernel/base/types.h"

#define PCAP_BUFFER (256u * 1024)
#define PCAP_PATH_MAX 512u

struct pcap {
	int fd; // -1: no capture
	u64 frames;
	u64 bytes; // of frames, without the format's own
	u64 wall_minus_clock_ns; // what turns the switch's clock into time of day
	char path[PCAP_PATH_MAX];
	char error[128]; // why the last capture stopped by itself, or empty
	u32 used;
	u8 buffer[PCAP_BUFFER];
};

// Must be called once, before all else.
void
pcap_init(struct pcap *pcap);

bool
pcap_is_on(const struct pcap *pcap);

// Starts a capture to a new file at `path` (an old one is overwritten; only a
// regular file will do), ending one that is running. Returns 0, or -1 with one
// line in `error`; then no capture runs.
must_check int
pcap_start(struct pcap *pcap, const char *path, char *error,
	   size_t error_size);

// Ends the capture; its file is whole then.
void
pcap_stop(struct pcap *pcap);

// Records one frame, seen at clock time `now_ns`. Where the file cannot be
// written (a full disk), the capture stops and pcap->error says why.
void
pcap_frame(struct pcap *pcap, const u8 *frame, u32 len, u64 now_ns);

// Writes what is gathered.
void
pcap_flush(struct pcap *pcap);
