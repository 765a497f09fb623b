// SPDX-License-Identifier: BSD-2-Clause
// Golden vectors, both ways: the frames of net/wire/golden/*.vec, which another
// implementation wrote (vectors.py), are what the kernel's encoders, SipHash and keys
// make of their fields, and what its parser and decoders read. Files of released
// versions never change, so this also says that those are still understood.
//
// A file's lines are `NAME VALUE`; vectors.py says which. A field that a file does not
// name is 0, as what was reserved is sent; every line must be used.
//
// links: net/wire/wire.c net/sodium/crypto.c net/sodium/libsodium.o
// links: kernel/base/siphash.c harness/testing/host_assert.c

#include "kernel/base/siphash.h"
#include "net/link/crypto.h"
#include "net/wire/test_vectors.h"
#include "net/wire/wire.h"

static const char *
field(const char *frame, const char *part, const char *name)
{
	char full[160];

	snprintf(full, sizeof(full), "%s.%s.%s", frame, part, name);
	return vector_value(full);
}

static u64
number(const char *frame, const char *part, const char *name)
{
	const char *value = field(frame, part, name);

	return value ? strtoull(value, NULL, 0) : 0;
}

// Writes a structure of the fields that the file names. Returns its length.
static u32
put(u8 *at, const char *frame, const char *part)
{
	u32 type_len = (u32)strcspn(part, ":");

#define STRUCT(name, sentence)						    \
	if (strlen(#name) == type_len && !memcmp(part, #name, type_len)) {  \
		struct wire_##name v = { 0 };				    \
		u32 len = WIRE_LENGTH(name);
#define FIELD(bits, name, sentence) v.name = (u##bits)number(frame, part, #name);
#define BYTES(len, name, sentence) \
	vector_unhex(v.name, sizeof(v.name), field(frame, part, #name));
#define END(name)							    \
		wire_##name##_store(at, &v);				    \
		return len;						    \
	}
#include "net/wire/frames.def"
#undef STRUCT
#undef FIELD
#undef BYTES
#undef END
	fail_msg("%s: no structure %s", frame, part);
	return 0;
}

// Reads a structure and compares each field with the file's. Returns its length.
static u32
get(const u8 *at, const char *frame, const char *part)
{
	u32 type_len = (u32)strcspn(part, ":");
	u8 bytes[64];

#define STRUCT(name, sentence)						    \
	if (strlen(#name) == type_len && !memcmp(part, #name, type_len)) {  \
		struct wire_##name v;					    \
		u32 len = WIRE_LENGTH(name);				    \
		wire_##name##_load(&v, at);
#define FIELD(bits, name, sentence) \
	assert_int_equal(v.name, number(frame, part, #name));
#define BYTES(len, name, sentence)					    \
	vector_unhex(bytes, sizeof(bytes), field(frame, part, #name));		    \
	assert_memory_equal(v.name, bytes, sizeof(v.name));
#define END(name)							    \
		return len;						    \
	}
#include "net/wire/frames.def"
#undef STRUCT
#undef FIELD
#undef BYTES
#undef END
	fail_msg("%s: no structure %s", frame, part);
	return 0;
}

// The kernel's parser has read the same body as get() did.
static void
parsed_as(const struct wire_frame *parsed, const u8 *tagged)
{
	u8 again[256];
	u32 len = 0;

	wire_header_store(again, &parsed->header);
	assert_memory_equal(again, tagged, WIRE_HEADER);
	switch ((enum wire_kind)parsed->header.kind) {
#define X(name, body, number, tag, sentence)				    \
	case WIRE_##name:						    \
		wire_##body##_store(again, &parsed->body);		    \
		len = WIRE_LENGTH(body);				    \
		break;
#include "net/wire/kinds.def"
#undef X
	}
	assert_true(len > 0);
	assert_memory_equal(again, tagged + WIRE_HEADER, len);
	assert_true(parsed->payload == tagged + WIRE_HEADER + len);
}

static void
check_frame(const char *frame, const char *hex)
{
	static u8 want[WIRE_FRAME_MAX], made[WIRE_FRAME_MAX];
	u32 len = vector_unhex(want, sizeof(want), hex), at = WIRE_ETHERNET;
	char full[160], structs[160], *part, *rest = structs;
	const char *key_name, *value;
	struct wire_frame parsed;
	u8 key[16];

	snprintf(full, sizeof(full), "%s.key", frame);
	key_name = vector_value(full);
	assert_non_null(key_name);
	assert_int_equal(vector_unhex(key, sizeof(key), vector_value(key_name)), 16);
	snprintf(full, sizeof(full), "%s.structs", frame);
	value = vector_value(full);
	assert_non_null(value);
	snprintf(structs, sizeof(structs), "%s", value);
	memcpy(made, want, WIRE_ETHERNET - 2);		// the addresses
	be16_store(made + WIRE_ETHERNET - 2, WIRE_ETHERTYPE);
	while ((part = strtok_r(rest, " ", &rest))) {
		u32 size = put(made + at, frame, part);

		assert_int_equal(get(want + at, frame, part), size);
		at += size;
	}
	snprintf(full, sizeof(full), "%s.payload", frame);
	at += vector_unhex(made + at, sizeof(made) - at, vector_value(full));
	le64_store(made + at, siphash64(key, made + WIRE_ETHERNET, at - WIRE_ETHERNET));
	assert_int_equal(at + WIRE_TAG, len);
	assert_memory_equal(made, want, len);
	if (wire_parse(&parsed, want, len) != WIRE_FINE)
		fail_msg("%s: the parser refuses it", frame);
	parsed_as(&parsed, want + WIRE_ETHERNET);
	assert_int_equal(parsed.tag, le64_load(made + at));
	if (parsed.header.kind == WIRE_HELLO) {
		u32 proven = WIRE_HEADER + WIRE_LENGTH(hello) - 8;

		vector_unhex(key, sizeof(key), vector_value("proof"));
		assert_int_equal(parsed.hello.proof,
				 siphash64(key, parsed.tagged, proven));
	}
}

// ---- keys: what net/link/handshake.c computes, by the same library, from the text of
// docs/protocol/keys.md

static void
check_keys(void)
{
	static const u8 label[] = "deos fabric cluster tag";
	u8 secret[32], key[48], want[48], public_key[32], secret_b[32];
	u8 sides[32 + 2 * 56], nonces[32];
	u32 at = 32;

	vector_bytes("cluster_secret", secret, 32);
	vector_unhex(key, 32, vector_value("cluster_name"));
	crypto_hash(key, 32, secret, (const u8 *)"golden", 6);
	vector_bytes("cluster", want, 32);
	assert_memory_equal(key, want, 32);
	crypto_hash(key, 16, want, label, sizeof(label) - 1);
	vector_bytes("cluster_tag", public_key, 16);
	assert_memory_equal(key, public_key, 16);

	vector_bytes("a.secret", secret, 32);
	vector_bytes("b.secret", secret_b, 32);
	crypto_public(key, secret_b);
	vector_bytes("b.public", public_key, 32);
	assert_memory_equal(key, public_key, 32);
	assert_true(crypto_shared(sides, secret, public_key));
	crypto_public(key, secret);
	vector_bytes("a.public", public_key, 32);
	assert_memory_equal(key, public_key, 32);
	assert_true(crypto_shared(key, secret_b, public_key));
	assert_memory_equal(key, sides, 32);
	at += vector_bytes("a.uuid", sides + at, 16);	// a's is the lower
	at += vector_bytes("a.incarnation", sides + at, 8);
	at += vector_bytes("a.public", sides + at, 32);
	at += vector_bytes("b.uuid", sides + at, 16);
	at += vector_bytes("b.incarnation", sides + at, 8);
	at += vector_bytes("b.public", sides + at, 32);
	crypto_hash(key, 48, want, sides, at);
	vector_bytes("pair", want, 32);
	vector_bytes("proof", want + 32, 16);
	assert_memory_equal(key, want, 48);

	vector_bytes("a.nonce", nonces, 16);
	vector_bytes("b.nonce", nonces + 16, 16);
	crypto_hash(key, 32, want, nonces, 32);
	vector_bytes("a_to_b", want, 16);
	vector_bytes("b_to_a", want + 16, 16);
	assert_memory_equal(key, want, 32);
}

// What net/link/hide.c does with a payload, by the text of docs/protocol/keys.md. Files of
// versions before 1.2 have none.
static void
check_hidden(void)
{
	u8 key[16], text[24] = "deos fabric hide", nonce[CRYPTO_NONCE] = { 0 };
	u8 stream[CRYPTO_KEY], shown[256], sent[256];
	const char *name = vector_value("hidden.key");
	u32 len;

	if (!name)
		return;
	vector_bytes(name, key, 16);
	siphash128(key, text, sizeof(text), stream);
	text[16] = 1;
	siphash128(key, text, sizeof(text), stream + 16);
	le64_store(nonce, strtoull(vector_value("hidden.sequence"), NULL, 0));
	len = vector_unhex(shown, sizeof(shown), vector_value("hidden.shown"));
	assert_true(len > 64 && len % 64);
	crypto_stream(shown, shown, len, nonce, stream);
	assert_int_equal(vector_unhex(sent, sizeof(sent), vector_value("hidden.sent")), len);
	assert_memory_equal(shown, sent, len);
}

// Likewise what net/link/rekey.c and net/rcap/ticket.c do with keys.
static void
check_secrets(void)
{
	u8 key[16], next[16], want[16], text[24] = "deos fabric mask", signed_part[256];
	const char *name = vector_value("turn.key");
	u32 len;

	if (!name)
		return;
	vector_bytes(name, key, 16);
	siphash128(key, "deos fabric turn", 16, next);
	vector_bytes("turn.next", want, 16);
	assert_memory_equal(next, want, 16);
	siphash128(want, "deos fabric turn", 16, next);
	vector_bytes("turn.second", want, 16);
	assert_memory_equal(next, want, 16);

	vector_bytes(vector_value("secret.key"), key, 16);
	le64_store(text + 16, strtoull(vector_value("secret.sequence"), NULL, 0));
	siphash128(key, text, sizeof(text), next);
	vector_bytes("secret.shown", key, 16);
	vector_bytes("secret.sent", want, 16);
	for (u32 i = 0; i < 16; i++)
		assert_int_equal(key[i] ^ next[i], want[i]);

	len = vector_unhex(signed_part, sizeof(signed_part), vector_value("ticket.signed"));
	assert_int_equal(len, WIRE_LENGTH(ticket) - 16);
	siphash128(key, signed_part, len, next);
	vector_bytes("ticket.tag", want, 16);
	assert_memory_equal(next, want, 16);
}

static u32
check_file(const char *path)
{
	u32 frames = 0;

	print_message("%s\n", path);
	vectors_open(path);
	check_keys();
	check_hidden();
	check_secrets();
	for (u32 i = 0; i < line_count; i++) {
		char *name = lines[i].name, *end = name + strlen(name);
		char frame[128];

		if (end - name < 6 || strcmp(end - 6, ".frame"))
			continue;
		lines[i].used = true;
		snprintf(frame, sizeof(frame), "%.*s", (int)(end - 6 - name), name);
		check_frame(frame, lines[i].value);
		frames++;
	}
	for (u32 i = 0; i < line_count; i++) {
		if (!lines[i].used && strcmp(lines[i].value, "0") &&
		    !strstr(lines[i].name, ".mac"))
			fail_msg("%s: nobody reads %s", path, lines[i].name);
	}
	vectors_close();
	return frames;
}

static void
released_vectors_hold(void **state)
{
	(void)state;
#define X(minor, name, commit, kinds, ops, codes, flags, vectors)	    \
	assert_true(check_file("net/wire/golden/" name ".vec") > (ops));
#include "net/wire/versions.def"
#undef X
}

static void
vectors_of_this_version_hold(void **state)
{
	char path[64];

	(void)state;
	snprintf(path, sizeof(path), "net/wire/golden/%u.%u.vec", WIRE_VERSION,
		 WIRE_MINOR);
	assert_true(check_file(path) >= OP_COUNT - 1 + STATUS_COUNT + 3);
}

static u32
operand_len(u8 op, u32 length)
{
#define WIRE_LENGTH_IS(what) sizeof(struct wire_##what##_layout)
	struct wire_data_layout { u8 none; };

	switch (op) {
#define X(name, what)							    \
	case OP_##name:							    \
		if (!strcmp(#what, "data"))				    \
			return length;					    \
		if (!strcmp(#what, "clause") || !strcmp(#what, "piece") ||  \
		    !strcmp(#what, "change"))				    \
			return 0;	/* several: the payload says */	    \
		return (u32)WIRE_LENGTH_IS(what);
#include "net/wire/operands.def"
#undef X
	}
	return 0;
}

// The table of operands, which the page, the vectors and the dissector are made from,
// is what the code does.
static void
operands_are_what_the_table_says(void **state)
{
	(void)state;
	for (u8 op = 1; op < OP_COUNT; op++) {
		struct wire_request request = {
			.op = op, .length = wire_op_longest[op],
		};

		assert_int_equal(wire_request_data(&request),
				 operand_len(op, request.length));
	}
}

// What an older peer can be told never grows smaller, and ends with all there is.
static void
versions_count_on(void **state)
{
	const struct wire_version *last = &wire_version[WIRE_MINOR];

	(void)state;
	for (u32 minor = 0; minor < WIRE_MINOR; minor++) {
		const struct wire_version *v = &wire_version[minor];

		assert_true(v[0].kinds <= v[1].kinds && v[0].ops <= v[1].ops);
		assert_true(v[0].codes <= v[1].codes);
		assert_int_equal(v[0].flags & ~v[1].flags, 0);
	}
	assert_int_equal(last->ops, OP_COUNT - 1);
	assert_int_equal(last->codes, CODE_COUNT - 1);
	assert_int_equal(last->flags, WIRE_FLAGS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(released_vectors_hold),
		cmocka_unit_test(vectors_of_this_version_hold),
		cmocka_unit_test(operands_are_what_the_table_says),
		cmocka_unit_test(versions_count_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
