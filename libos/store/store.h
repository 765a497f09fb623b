// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The content store's ground: what lies where on a disk of the cluster, and the
// limits that every part keeps. docs/store.md has the formats in tables.
//
// All numbers on disk are little-endian. A disk is counted in blocks of 4 KiB.

#include "kernel/base/types.h"

#define STORE_BLOCK 4096u
#define STORE_ID 32u			// BLAKE2b-256 of an object's bytes
#define STORE_UUID 16u			// of a node, of a cluster

#define STORE_LABEL_BLOCK 0u
#define STORE_SLOT_BLOCK 1u		// two register slots of STORE_SLOT_BLOCKS each
#define STORE_SLOT_BLOCKS 2u
#define STORE_FIRST_BLOCK 8u		// of the object area
#define STORE_BLOCKS_MAX (1ull << 26)	// of a disk that are used: 256 GiB
#define STORE_BLOCKS_MIN 64u		// a smaller disk is not claimed
