// SPDX-License-Identifier: BSD-2-Clause
// A server and its client on two processors: control transfer for short calls, a link
// for what streams.
//
//	tally RECORDS
//
// starts the server on another processor (where there is one), opens a link to it, and
// streams records; for each comes back a digest of all records so far, which the client
// compares with its own. Meanwhile and at the end it asks for totals by calls, which run
// in its own time, on its own processor, in the server's memory. Prints "tally: N
// records, N bytes, N calls", and how often either side slept or woke the other, all in
// system calls.
//
// The server learns who its client is from the first call: the kernel says it.

#include "kernel/base/siphash.h"
#include "kernel/base/string.h"
#include "libos/crt/clock.h"
#include "libos/crt/console.h"
#include "libos/crt/errors.h"
#include "libos/crt/program.h"
#include "libos/crt/start.h"
#include "libos/crt/status.h"
#include "libos/mem/frames.h"
#include "libos/mem/layout.h"
#include "libos/message/entry.h"
#include "libos/message/link.h"
#include "libos/text/text.h"

#define RECORDS_MAX 10000000u
#define RECORD_MAX 120u
#define PAGES 8u			// of a channel
#define HALF LINK_HALF(PAGES)
#define SERVER_FRAMES 200u
#define CALLS_EVERY 1000u		// records between two calls
#define AHEAD 1024u			// records without their digest
#define PATIENCE_NS (60 * NS_PER_SECOND)

enum order {
	ORDER_OPEN,			// the caller is the client
	ORDER_TOTALS,			// replies records, bytes, sleeps and wakes
};

struct tally {
	u64 records;
	u64 bytes;
	u64 digest;
};

static struct link link;
static struct tally tally;
static u32 client;			// id, or 0: none called yet
static u32 calls;

static void
must(i64 result, const char *what)
{
	if (result >= 0)
		return;
	print("tally: %s: %s\n", what, error_text(result));
	sys_env_exit(STATUS_FAILED);
}

// A digest over all records: each with the last one as its key.
static void
add(struct tally *t, const void *record, u32 len)
{
	u64 key[2] = { t->digest, t->records };
	u8 bytes[SIPHASH_KEY_LEN];

	STATIC_ASSERT(sizeof(key) == sizeof(bytes));
	memcpy(bytes, key, sizeof(bytes));
	t->digest = siphash64(bytes, record, len);
	t->records++;
	t->bytes += len;
}

static void
answer(u64 badge, u32 caller, struct transfer *m)
{
	(void)badge;
	switch ((enum order)m->word[0]) {
	case ORDER_OPEN:
		if (!client) {
			client = caller;
			sys_wake(&client);
		}
		m->word[0] = client == caller;
		return;
	case ORDER_TOTALS:
		m->word[0] = tally.records;
		m->word[1] = tally.bytes;
		m->word[2] = link.sleeps;
		m->word[3] = link.wakes;
		return;
	}
	m->word[0] = 0;
}

static void
await_client(void)
{
	struct wait_set set;

	while (!client) {
		wait_begin(&set);
		wait_word_add(&set, &client, 0);
		entry_serve(answer, &set);
	}
}

// All records that have come. Returns why there are no more now.
static enum channel_result
serve_records(void)
{
	enum channel_result result;
	u8 record[RECORD_MAX];
	u32 len;

	while ((result = link_get(&link, record, sizeof(record), &len)) ==
	       CHANNEL_DONE) {
		add(&tally, record, len);
		result = link_send(&link, &tally.digest, sizeof(tally.digest), NEVER);
		if (result != CHANNEL_DONE)
			break;
	}
	return result;
}

static int
serve(void)
{
	const struct startup_cap *mine = startup_find(ROLE_SHARED, 0);
	const struct startup_cap *theirs = startup_find(ROLE_SHARED, 1);
	u8 *base = (u8 *)REGION_BASE;

	if (!mine || !theirs)
		return STATUS_USAGE;
	must(map_run(CAP_SLOT_SELF, REGION_BASE, mine->slot, mine->base, HALF,
		     PROT_READ | PROT_WRITE), "map");
	must(map_run(CAP_SLOT_SELF, REGION_BASE + HALF * PAGE_SIZE, theirs->slot,
		     theirs->base, HALF, PROT_READ), "map");
	await_client();
	if (!link_open(&link, base, base + HALF * PAGE_SIZE, PAGES, client))
		return STATUS_FAILED;
	for (;;) {
		enum channel_result result = serve_records();
		struct wait_set set;

		if (result != CHANNEL_WAIT && result != CHANNEL_CLOSED)
			return STATUS_FAILED;
		wait_begin(&set);
		// After the last record it is still there to be asked.
		if (result == CHANNEL_CLOSED) {
			entry_serve(answer, &set);
			continue;
		}
		if (link_watch(&link, &set))
			entry_serve(answer, &set);
		link_rise(&link);
	}
}

static struct spawn_grant
grant_half(const struct frame_run *run, u32 half, u32 rights)
{
	return (struct spawn_grant){
		.role = ROLE_SHARED,
		.slot = run->slot,
		.rights = rights,
		.base = run->frame + half * HALF,
		.count = HALF,
	};
}

// The server gets the first half of the memory to write, the other to read.
static void
start_server(struct child *server, const struct frame_run *run)
{
	static struct archive boot;
	char *argv[] = { "tally", "serve", NULL };
	struct spawn_grant grants[] = {
		grant_half(run, 0, CAP_READ | CAP_WRITE),
		grant_half(run, 1, CAP_READ),
	};
	u32 here = env_table()[self_index()].processor;
	struct spawn_spec spec = {
		.archive = &boot,
		.argc = 2,
		.argv = argv,
		.grants = grants,
		.grant_count = ARRAY_SIZE(grants),
		.quota = { .frames = SERVER_FRAMES },
		.cpu = (here + 1) % sys_info()->cpu_count,
		.slices = 1,
	};

	must(archive_open(ROLE_BOOT_ARCHIVE, &boot), "boot archive");
	must(program_start(&spec, server), "start");
}

static void
call(u32 entry, enum order order, struct transfer *m)
{
	*m = (struct transfer){ { order } };
	must(entry_call(entry, now_ns() + PATIENCE_NS, m), "call");
	calls++;
}

// Digests that have come, compared with those that should.
static u64
take_digests(u64 taken, const u64 *expected)
{
	enum channel_result result;
	u64 digest;
	u32 len;

	while ((result = link_get(&link, &digest, sizeof(digest), &len)) ==
	       CHANNEL_DONE) {
		if (len != sizeof(digest) || digest != expected[taken % AHEAD]) {
			print("tally: digest %lu is wrong\n", taken);
			sys_env_exit(STATUS_FAILED);
		}
		taken++;
	}
	if (result != CHANNEL_WAIT)
		must(-E_ABORTED, "the server");
	return taken;
}

static void
ask_totals(u32 entry, u64 sent)
{
	struct transfer m;

	call(entry, ORDER_TOTALS, &m);
	if (m.word[0] > sent)
		must(-E_STATE, "totals");
}

// Sends records, as long as their digests are not too far behind. Returns how many
// have been sent now.
static u64
send_records(u32 entry, u64 *expected, u64 sent, u64 until)
{
	u8 record[RECORD_MAX];

	for (; sent < until; sent++) {
		u32 len = (u32)(sent % RECORD_MAX) + 1;

		memset(record, (int)(sent % 251), len);
		if (link_send(&link, record, len, now_ns() + PATIENCE_NS) !=
		    CHANNEL_DONE)
			must(-E_ABORTED, "the server");
		add(&tally, record, len);
		expected[sent % AHEAD] = tally.digest;
		if (sent % CALLS_EVERY == 0)
			ask_totals(entry, sent + 1);
	}
	return sent;
}

static void
stream(u32 entry, u64 records)
{
	static u64 expected[AHEAD];
	u64 sent = 0, taken = 0;

	while (taken < records) {
		struct wait_set set;

		sent = send_records(entry, expected, sent, MIN(records, taken + AHEAD));
		taken = take_digests(taken, expected);
		if (taken == records || sent < MIN(records, taken + AHEAD))
			continue;
		wait_begin(&set);
		if (link_watch(&link, &set))
			wait_sleep(&set);
		link_rise(&link);
	}
}

static void
report(const struct transfer *totals, u32 server)
{
	if (totals->word[0] != tally.records || totals->word[1] != tally.bytes) {
		print("tally: the server counts %lu records, %lu bytes\n",
		      totals->word[0], totals->word[1]);
		sys_env_exit(STATUS_FAILED);
	}
	print("tally: %lu records, %lu bytes, %u calls\n", tally.records, tally.bytes,
	      calls);
	print("tally: the client on processor %u slept %lu times and woke %lu times\n",
	      env_table()[self_index()].processor, link.sleeps, link.wakes);
	print("tally: the server on processor %u slept %lu times and woke %lu times\n",
	      server, totals->word[2], totals->word[3]);
}

int
main(int argc, char **argv)
{
	struct frame_run run;
	struct child server;
	struct transfer m;
	u64 records;
	u32 ran_on;
	i64 entry;

	if (argc == 2 && !strcmp(argv[1], "serve"))
		return serve();
	if (argc != 2 || !text_to_u64(argv[1], &records) || records > RECORDS_MAX) {
		print("usage: tally RECORDS (at most %u)\n", RECORDS_MAX);
		return STATUS_USAGE;
	}
	must(frames_take(2 * HALF, &run), "shared memory");
	memset(direct_address(run.frame), 0, run.count * PAGE_SIZE);
	start_server(&server, &run);
	entry = sys_entry_make(server.env);
	must(entry, "entry_make");
	if (!link_open(&link, direct_address(run.frame + HALF),
		       direct_address(run.frame), PAGES, server.id))
		must(-E_ABORTED, "the server");
	call((u32)entry, ORDER_OPEN, &m);
	stream((u32)entry, records);
	ran_on = env_table()[server.index].processor;
	link_close(&link);
	call((u32)entry, ORDER_TOTALS, &m);
	report(&m, ran_on);
	child_reap(&server, NULL);
	return STATUS_OK;
}
