// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The label: block 0 of a disk says that it is a cluster's, which one's, and which
// node's; LABEL_SPARE_BLOCK says it again. What a disk is decides whether it may be
// written:
//
//   ours      a good label of this node: written
//   blank     nothing but zeros where labels, partition tables and file systems
//             begin and end: may be claimed, when the command line says so
//   foreign   anything else: never written
//   damaged   a label of ours whose checksum does not fit: never written
//   stranger  a good label, but of another node: never written
//
// A label is written when the disk is claimed, with no cluster in it, and once more
// when the cluster is known: the spare first, then block 0. So a power cut at any
// write leaves one of the two good, or a disk that still counts as blank. Sans-IO.

#include "libos/store/store.h"

#define LABEL_MAGIC 0x4b5349444f4544ull	// "DEODISK" and a zero byte
#define LABEL_VERSION 1u
#define LABEL_SPARE_BLOCK 5u

// To tell a blank disk, this many blocks at its beginning and at its end are read.
#define LABEL_PROBE_BLOCKS 64u

struct label {
	u8 cluster[STORE_UUID];	// its random id; zero: none yet
	u8 node[STORE_UUID];
	u64 blocks;		// of the disk that are the cluster's
};

enum label_class {
	LABEL_OURS,
	LABEL_BLANK,
	LABEL_FOREIGN,
	LABEL_DAMAGED,
	LABEL_STRANGER,
	LABEL_SMALL,		// below STORE_BLOCKS_MIN, or smaller than its label says
};

void
label_make(const struct label *label, u8 block[STORE_BLOCK]);

// What the two label blocks of a disk of `disk_blocks` say, on the node of that UUID.
// *label is set for OURS and STRANGER. BLANK says only that there is no label: the
// caller looks at the probe blocks, with label_is_zero(), but not at the spare block.
must_check enum label_class
label_read(const u8 block[STORE_BLOCK], const u8 spare[STORE_BLOCK],
	   u64 disk_blocks, const u8 node[STORE_UUID], struct label *label);

// True when the two blocks are not alike: one of them is to be written again.
must_check bool
label_differs(const u8 block[STORE_BLOCK], const u8 spare[STORE_BLOCK]);

must_check bool
label_is_zero(const void *bytes, u64 len);

// A sentence for people.
const char *
label_class_text(enum label_class class);
