// SPDX-License-Identifier: BSD-2-Clause
// What is between nodes that hide what they say (LINK_HIDDEN): the payload of requests
// and answers goes through ChaCha20 (RFC 8439) before the tag is made and after it was
// found right. Headers and bodies, which say what is asked for and where, stay readable,
// and all of it is under the tag as ever: encrypt-then-MAC. The padding of an IDLE frame
// goes the same way out, and nobody reads it.
//
// The stream's key follows from the one that the tag is under, so it changes with it and
// takes no room at a peer; the nonce is the frame's sequence number, which counts up
// under one key. A frame that is sent again has another number and other bytes.

#include "kernel/base/assert.h"
#include "kernel/base/siphash.h"
#include "net/link/state.h"

static void
stream_key(const u8 key[KEY_LEN], u8 stream[CRYPTO_KEY])
{
	u8 text[24] = "deos fabric hide";

	STATIC_ASSERT(2 * SIPHASH128_LEN == CRYPTO_KEY);
	siphash128(key, text, sizeof(text), stream);
	text[16] = 1;
	siphash128(key, text, sizeof(text), stream + SIPHASH128_LEN);
}

void
payload_hide(const u8 key[KEY_LEN], u64 sequence, u8 *out, const u8 *in, u32 len)
{
	u8 nonce[CRYPTO_NONCE] = { 0 }, stream[CRYPTO_KEY];

	ASSERT(len <= WIRE_WHOLE_MTU && sequence < SEQUENCE_END);
	if (!len)
		return;
	le64_store(nonce, sequence);
	stream_key(key, stream);
	crypto_stream(out, in, len, nonce, stream);
	__builtin_memset(stream, 0, sizeof(stream));
}

// Of a frame whose tag was right and new: its payload is to be read in `plain` from now
// on. The newest key that was shown is the one that it was under: what came under an older
// one was dropped. False: the payload is none for that operation.
bool
payload_show(struct links *links, const struct link_peer *peer,
	     struct wire_frame *frame)
{
	ASSERT(links->plain && frame->payload_len <= WIRE_WHOLE_MTU);
	if (frame->header.kind != WIRE_REQUEST && frame->header.kind != WIRE_RESPONSE)
		return true;
	payload_hide(peer->rx_key, frame->header.sequence, links->plain,
		     frame->payload, frame->payload_len);
	frame->payload = links->plain;
	return wire_payload_fits(frame);
}
