// SPDX-License-Identifier: BSD-2-Clause
// The link against golden vectors: configured as one of their two nodes, it believes
// the other's beacon and HELLO, so it derives the same pair key; and a frame sealed
// under the session key that docs/protocol/keys.md derives begins its session. The
// other node is of the version of the file, so this is also how versions are agreed.
//
// links: net/wire/wire.c net/link/table.c net/link/handshake.c net/link/session.c
// links: net/link/ask.c net/link/grant.c net/link/seal.c net/link/input.c
// links: net/link/time.c net/link/pace.c net/link/rekey.c net/link/hide.c
// links: net/link/check.c net/sodium/crypto.c
// links: net/sodium/libsodium.o
// links: kernel/base/siphash.c harness/testing/host_assert.c

#include "kernel/base/siphash.h"
#include "net/link/crypto.h"
#include "net/link/link.h"
#include "net/wire/test_vectors.h"

#define START NS_PER_SECOND

static struct links *links;
static void *memory;
static u64 now;

// Node b of the file, which speaks `behind` minor versions less than it could.
static void
start(u8 behind)
{
	struct links_config config = {
		.mtu = 9000, .peers_max = 4, .windows_max = 4,
		.handshakes_max = 4, .key_agreements_max = 4, .grant_pool = 16,
		.landing_pool = 16, .behind = behind, .entropy = { 7 },
	};
	u8 incarnation[8];
	u64 size;

	vector_bytes("b.uuid", config.uuid, 16);
	vector_bytes("b.incarnation", incarnation, 8);
	config.incarnation = le64_load(incarnation);
	vector_bytes("b.mac", config.mac, 6);
	vector_bytes("cluster", config.cluster_key, 32);
	vector_bytes("b.secret", config.secret_key, 32);
	size = ALIGN_UP(links_memory_needed(&config), 64);
	memory = aligned_alloc(64, size);
	assert_non_null(memory);
	memset(memory, 0, size);
	now = START;
	links = links_init(memory, size, &config, now);
	assert_non_null(links);
}

static void
stop(void)
{
	links_check(links);
	free(memory);
}

static struct link_event
hear(const void *frame, u32 len)
{
	struct link_event event, none;

	links_input(links, now, frame, len, &event);
	while (links_event(links, now, &none))
		;
	return event;
}

static void
hear_golden(const char *name)
{
	static u8 frame[WIRE_FRAME_MAX];
	char full[64];

	snprintf(full, sizeof(full), "%s.frame", name);
	hear(frame, vector_unhex(frame, sizeof(frame), vector_value(full)));
}

static u64
drops(enum link_drop why)
{
	return links_counters(links)->dropped[why];
}

// The next HELLO that the link says.
static struct wire_hello
say_hello(void)
{
	static u8 frame[WIRE_FRAME_MAX];
	struct wire_frame parsed;
	u32 len;

	while ((len = links_output(links, now, frame))) {
		assert_int_equal(wire_parse(&parsed, frame, len), WIRE_FINE);
		if (parsed.header.kind == WIRE_HELLO)
			return parsed.hello;
	}
	fail_msg("no HELLO");
	return parsed.hello;
}

// An IDLE frame of node a's, under the key of a session with these nonces.
static u32
idle(u8 *frame, const struct wire_hello *hello)
{
	struct wire_header header = {
		.version = WIRE_VERSION, .kind = WIRE_IDLE, .sender = hello->index,
		.to = (u32)hello->incarnation, .sequence = 1, .done = 1,
	};
	u8 nonces[32], pair[32], keys[32], incarnation[8];
	u32 tagged = WIRE_HEADER + WIRE_LENGTH(idle);

	vector_bytes("pair", pair, 32);
	vector_bytes("a.nonce", nonces, 16);
	memcpy(nonces + 16, hello->nonce, 16);
	crypto_hash(keys, 32, pair, nonces, 32);
	vector_bytes("a.incarnation", incarnation, 8);
	header.from = le32_load(incarnation);
	header.length = (u16)(tagged + WIRE_TAG);
	memset(frame, 0, WIRE_FRAME_MAX);
	be16_store(frame + 12, WIRE_ETHERTYPE);
	wire_header_store(frame + WIRE_ETHERNET, &header);
	le64_store(frame + WIRE_ETHERNET + tagged,
		   siphash64(keys, frame + WIRE_ETHERNET, tagged));
	return WIRE_ETHERNET + tagged + WIRE_TAG;
}

// Meets node a of the file. Returns its index here.
static u16
meet(void)
{
	static u8 frame[WIRE_FRAME_MAX];
	struct wire_hello hello;
	struct link_event event;
	u32 len;

	hear_golden("beacon");
	// Its nonce was another run's, so it answers, and does not believe.
	hear_golden("hello-answer");
	assert_int_equal(drops(LINK_DROP_NONCE), 1);
	assert_int_equal(links_counters(links)->sessions, 0);
	hello = say_hello();
	len = idle(frame, &hello);
	frame[len - 1] ^= 1;
	hear(frame, len);
	assert_int_equal(drops(LINK_DROP_TAG), 1);
	frame[len - 1] ^= 1;
	event = hear(frame, len);
	assert_int_equal(links_counters(links)->sessions, 1);
	return event.peer;
}

static void
agrees(const char *path, u8 minor)
{
	for (u8 behind = 0; behind <= WIRE_MINOR; behind++) {
		struct link_info info;
		u8 common = (u8)MIN(minor, WIRE_MINOR - behind);
		u16 peer;

		vectors_open(path);
		start(behind);
		peer = meet();
		assert_true(links_info(links, peer, &info));
		assert_int_equal(info.minor, common);
		assert_ptr_equal(links_version(links, peer), &wire_version[common]);
		stop();
		vectors_close();
	}
}

static void
released_versions_meet(void **state)
{
	(void)state;
#define X(minor, name, commit, kinds, ops, codes, flags, vectors) \
	agrees("net/wire/golden/" name ".vec", minor);
#include "net/wire/versions.def"
#undef X
}

static void
this_version_meets(void **state)
{
	char path[64];

	(void)state;
	snprintf(path, sizeof(path), "net/wire/golden/%u.%u.vec", WIRE_VERSION,
		 WIRE_MINOR);
	agrees(path, WIRE_MINOR);
}

// Nobody between two nodes makes them speak an older version: each bit of the byte
// that names it is under the proof and the tag.
static void
a_version_is_not_talked_down(void **state)
{
	static u8 frame[WIRE_FRAME_MAX];
	u32 at = WIRE_BODY_AT + (u32)offsetof(struct wire_hello_layout, minor), len;
	u8 key[16];

	(void)state;
	vectors_open("net/wire/golden/1.0.vec");
	start(0);
	hear_golden("beacon");
	len = vector_unhex(frame, sizeof(frame), vector_value("hello-answer.frame"));
	for (u32 bit = 0; bit < 8; bit++) {
		frame[at] ^= (u8)(1u << bit);
		hear(frame, len);
		assert_int_equal(drops(LINK_DROP_TAG), bit + 1);
		// A member of the cluster has the key of the tag, and not the pair's.
		vector_bytes("cluster_tag", key, 16);
		le64_store(frame + len - WIRE_TAG,
			   siphash64(key, frame + WIRE_ETHERNET,
				     len - WIRE_ETHERNET - WIRE_TAG));
		hear(frame, len);
		assert_int_equal(drops(LINK_DROP_PROOF), bit + 1);
		len = vector_unhex(frame, sizeof(frame),
				   vector_value("hello-answer.frame"));
	}
	stop();
	vectors_close();
}

// Frames of another major version are counted and change nothing.
static void
another_major_version_is_a_stranger(void **state)
{
	static u8 frame[WIRE_FRAME_MAX];
	u32 len;

	(void)state;
	vectors_open("net/wire/golden/1.0.vec");
	start(0);
	len = vector_unhex(frame, sizeof(frame), vector_value("beacon.frame"));
	for (u32 version = 0; version < 256; version++) {
		if (version == WIRE_VERSION)
			continue;
		frame[WIRE_ETHERNET] = (u8)version;
		hear(frame, len);
		assert_int_equal(links_find(links, frame + WIRE_BODY_AT), LINK_NONE);
	}
	assert_int_equal(drops(LINK_DROP_VERSION), 255);
	stop();
	vectors_close();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(released_versions_meet),
		cmocka_unit_test(this_version_meets),
		cmocka_unit_test(a_version_is_not_talked_down),
		cmocka_unit_test(another_major_version_is_a_stranger),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
