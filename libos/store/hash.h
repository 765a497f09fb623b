// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The hash that names objects: BLAKE2b-256 without a key (RFC 7693), which is
// crypto_generichash of libsodium and hashlib.blake2b(digest_size=32) of Python.
// The work is libsodium's (net/sodium). No allocation.

#include "libos/store/store.h"

struct store_hash {
	u8 state[384] aligned_(64);	// libsodium's
};

void
store_hash_begin(struct store_hash *hash);
void
store_hash_add(struct store_hash *hash, const void *data, u64 len);

// The hash of all that was added. Nothing can be added afterwards.
void
store_hash_end(struct store_hash *hash, u8 id[STORE_ID]);

// All at once.
void
store_hash(const void *data, u64 len, u8 id[STORE_ID]);
