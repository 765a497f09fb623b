// SPDX-License-Identifier: BSD-2-Clause
// A crowd of nodes in one process, in real time, on one port of the project's switch:
// the fabric's own cores, as in harness/flow, against nodes that run in QEMU. All read
// pages of the nodes that are named; the first of them is the one that is measured.
//
// It joins the cluster with so many nodes, has each lent pages of both MAC addresses, says
// "ready", and then does what lines on its input say:
//
//	run TARGET SECONDS RATE		the crowd reads pages of MAC 0 or 1, RATE a second
//					in all, while the measured node reads of MAC 0, one
//					page after the other with a pause
//
// It answers with one line: reads of the crowd, and of the measured node with the
// median and 99th percentile of what they took, and how many requests MAC 0 got, copies
// included. harness/crowd/crowd.py drives it.

#define _GNU_SOURCE		// ppoll
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "harness/flow/host.h"
#include "harness/program/arguments.h"
#include "harness/program/clock.h"
#include "kernel/base/assert.h"
#include "libos/remote/ask.h"
#include "net/link/crypto.h"

#define FIRST 2u		// node numbers below are the rig's hubs
#define PAGE 4096u
#define PAGES 4u
#define ENVIRONMENT 7u
#define OWNERS 2u
#define MEASURED_PAUSE_NS (2 * NS_PER_MS)
#define SAMPLES_MAX 65536u
#define OUT_MAX (1u << 20)
#define IN_MAX (1u << 20)
#define ASKING_MAX 6u
#define ASK_NS (2 * NS_PER_SECOND)
#define TAG_ASK 1u
#define TAG_READ 2u
#define PATIENCE_NS (240 * NS_PER_SECOND)

struct flow flow;

static struct member {
	u64 due;
	u32 held[OWNERS];	// place, or FLOW_NONE
	u32 asked;		// owner that it waits for, OWNERS: none
	u64 asked_at;
	bool reading;
	u64 began;
} members[FLOW_NODES];

static u8 owner_mac[OWNERS][6];
static u32 count;
static int port;
static u8 out[OUT_MAX], in[IN_MAX];
static u32 out_len, in_len;
static u64 samples[SAMPLES_MAX];
static u32 sample_count;
static u64 reads, failed;

// ---- what harness/flow/host.c asks of an engine

void
flow_fail(const char *why)
{
	fprintf(stderr, "crowd: %s\n", why);
	exit(1);
}

static void
flush(void)
{
	u32 at = 0;

	while (at < out_len) {
		ssize_t wrote = write(port, out + at, out_len - at);

		if (wrote < 0 && errno != EINTR)
			flow_fail("the switch took no frame");
		at += wrote > 0 ? (u32)wrote : 0;
	}
	out_len = 0;
}

bool
flow_can_send(u32 node)
{
	(void)node;
	return true;
}

bool
flow_has_room(u32 node)
{
	(void)node;
	return true;
}

void
flow_send(u32 from, const u8 *bytes, u32 len)
{
	(void)from;
	if (out_len + 4 + len > OUT_MAX)
		flush();
	out[out_len] = out[out_len + 1] = 0;
	out[out_len + 2] = (u8)(len >> 8);
	out[out_len + 3] = (u8)len;
	memcpy(out + out_len + 4, bytes, len);
	out_len += 4 + len;
}

void
flow_until(bool (*done)(void), u64 limit)
{
	(void)done, (void)limit;
	ASSERT(false);			// nobody grants here
}

// ---- members

static u16
peer_of(u32 node, u32 owner)
{
	struct link_info info;

	for (u16 i = 0; links_info(flow.node[node].links, i, &info); i++) {
		if (!memcmp(info.mac, owner_mac[owner], 6) &&
		    info.state == LINK_STATE_UP)
			return i;
	}
	return LINK_NONE;
}

static void
settle(u32 node)
{
	host_settle(node);
	members[node].due = rcap_deadline(flow.node[node].rcap);
}

// Asks an owner's `remote serve` for pages; the grant comes by itself.
static bool
ask(u32 node, u32 owner)
{
	struct flow_node *n = &flow.node[node];
	u16 peer = peer_of(node, owner);
	struct far_ask question = {
		.kind = FAR_ASK_PAGES, .rights = WIRE_RIGHT_READ, .count = PAGES,
	};
	struct rcap_submit s = {
		.tag = TAG_ASK, .environment = ENVIRONMENT, .op = OP_SEND,
		.remote = { .slot = WIRE_SLOT_NONE, .peer = peer },
		.offset = FAR_SERVICE, .length = sizeof(question),
	};

	if (peer == LINK_NONE)
		return false;
	s.remote.incarnation = links_incarnation(n->links, peer);
	memcpy(n->memory, &question, sizeof(question));
	members[node].asked = owner;
	members[node].asked_at = flow.now;
	if (rcap_submit(n->rcap, flow.now, &s) == RCAP_NONE)
		flow_fail("a question was not taken");
	settle(node);
	return true;
}

static void
read_page(u32 node, u32 owner)
{
	struct member *m = &members[node];
	struct rcap_submit s = {
		.tag = TAG_READ, .environment = ENVIRONMENT, .op = OP_READ,
		.remote = flow.node[node].held[m->held[owner]],
		.length = PAGE, .local = PAGE,
	};

	m->reading = true;
	m->began = flow.now;
	if (rcap_submit(flow.node[node].rcap, flow.now, &s) == RCAP_NONE)
		flow_fail("a read was not taken");
	settle(node);
}

static void
done(u32 node, const struct rcap_completion *c)
{
	struct member *m = &members[node];

	if (c->tag != TAG_READ) {
		return;			// what it asked for comes, or it asks again
	}
	m->reading = false;
	if (c->outcome != RCAP_DONE)
		failed++;	// a host that stood still for a second ends sessions
	else if (node != FIRST)
		reads++;
	else if (sample_count < SAMPLES_MAX)
		samples[sample_count++] = flow.now - m->began;
}

// ---- time and frames

static void
frame(const u8 *bytes, u32 len)
{
	u32 to = host_node_of(bytes);

	if (len < 14)
		return;
	for (u32 node = FIRST; node < FIRST + count; node++) {
		if (bytes[0] & 1 || node == to) {
			host_input(node, bytes, len);
			settle(node);
		}
	}
}

static void
receive(void)
{
	ssize_t got = read(port, in + in_len, IN_MAX - in_len);
	u32 at = 0;

	if (got <= 0)
		flow_fail("the switch has closed the port");
	in_len += (u32)got;
	while (in_len - at >= 4) {
		u32 len = (u32)in[at + 2] << 8 | in[at + 3];

		if (in_len - at < 4 + len)
			break;
		flow.now = clock_now_ns();
		frame(in + at + 4, len);
		at += 4 + len;
	}
	memmove(in, in + at, in_len - at);
	in_len -= at;
}

// Until `until`, at the latest; whatever comes before then is dealt with. Frames come
// before timers: what the host has kept from us for a while is not lost.
static void
turn(u64 until)
{
	struct pollfd ready = { .fd = port, .events = POLLIN };
	struct timespec wait = { 0 };
	u64 due = until;

	while (poll(&ready, 1, 0) > 0)
		receive();
	flow.now = clock_now_ns();
	for (u32 node = FIRST; node < FIRST + count; node++) {
		if (members[node].due <= flow.now)
			settle(node);
		due = MIN(due, members[node].due);
	}
	flush();
	if (due > flow.now) {
		wait.tv_sec = (time_t)((due - flow.now) / NS_PER_SECOND);
		wait.tv_nsec = (long)((due - flow.now) % NS_PER_SECOND);
	}
	if (ppoll(&ready, 1, &wait, NULL) > 0)
		receive();
	flow.now = clock_now_ns();
}

// ---- all have what they need

// Whose each of a member's capabilities is. What was asked for came, or is asked again.
static void
sort_held(u32 node)
{
	struct member *m = &members[node];

	for (u32 i = 0; i < flow.node[node].held_count; i++) {
		for (u32 owner = 0; owner < OWNERS; owner++) {
			if (flow.node[node].held[i].peer == peer_of(node, owner))
				m->held[owner] = i;
		}
	}
	if (m->held[m->asked] != FLOW_NONE || flow.now - m->asked_at > ASK_NS)
		m->asked = OWNERS;
}

// Few ask at a time: an owner has so many buffers for questions.
static bool
all_hold(void)
{
	u32 asking = 0, lacking = 0;

	for (u32 node = FIRST; node < FIRST + count; node++) {
		if (members[node].asked < OWNERS)
			sort_held(node);
		asking += members[node].asked < OWNERS;
	}
	for (u32 node = FIRST; node < FIRST + count; node++) {
		for (u32 owner = 0; owner < OWNERS; owner++) {
			if (members[node].held[owner] != FLOW_NONE)
				continue;
			lacking++;
			if (members[node].asked == OWNERS && asking < ASKING_MAX &&
			    ask(node, owner))
				asking++;
		}
	}
	return !lacking;
}

static void
join(void)
{
	u64 end = clock_now_ns() + PATIENCE_NS;

	do {
		turn(clock_now_ns() + 2 * NS_PER_MS);
		if (flow.now > end)
			flow_fail("not all members were lent pages");
	} while (!all_hold());
}

// ---- runs

static int
compare(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

// Copies that members have sent because an answer did not come in time: the owner runs
// a read for each, and a host that is busy makes many.
static u64
copies(u32 from, u32 to)
{
	u64 sum = 0;

	for (u32 node = from; node < to; node++)
		sum += links_counters(flow.node[node].links)->resends;
	return sum;
}

// The measured node reads and pauses; of the others the next one reads whenever it is time.
static void
run(u32 target, u64 seconds, u64 rate)
{
	u64 end = clock_now_ns() + seconds * NS_PER_SECOND, next = clock_now_ns();
	u64 measured = next;
	u32 who = FIRST + 1, last = target ? FIRST + 1 : FIRST + count;
	u64 before = copies(FIRST, last);

	sample_count = 0;
	reads = failed = 0;
	while (clock_now_ns() < end) {
		turn(MIN(next, measured));
		if (flow.now >= measured && !members[FIRST].reading) {
			read_page(FIRST, 0);
			measured = flow.now + MEASURED_PAUSE_NS;
		}
		for (; count > 1 && rate && flow.now >= next;
		     next += NS_PER_SECOND / rate) {
			if (!members[who].reading)
				read_page(who, target);
			who = who + 1 < FIRST + count ? who + 1 : FIRST + 1;
		}
		if (members[FIRST].reading && flow.now >= measured)
			measured = flow.now + NS_PER_MS / 2;
		if (count == 1 || !rate)
			next = end;
	}
	if (!sample_count)
		flow_fail("the measured member has read nothing");
	qsort(samples, sample_count, sizeof(*samples), compare);
	printf("reads=%lu measured=%u asked=%lu p50_us=%.1f p99_us=%.1f failed=%lu\n", reads,
	       sample_count, sample_count + (target ? 0 : reads) + copies(FIRST, last) - before,
	       (double)samples[sample_count / 2] / 1e3,
	       (double)samples[sample_count * 99ull / 100] / 1e3, failed);
}

// ---- beginning

static void
connect_port(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(address.sun_path))
		flow_fail("the socket's path is too long");
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	port = socket(AF_UNIX, SOCK_STREAM, 0);
	if (port < 0 || connect(port, (struct sockaddr *)&address, sizeof(address)))
		flow_fail("there is no switch at that socket");
}

static void
begin(const char *cluster)
{
	static const u8 secret[CRYPTO_KEY];

	flow.setup = (struct flow_setup){
		.nodes = FLOW_NODES, .hub = FIRST, .mtu = 1500, .grant_pool = 8,
		.landing_pool = 8, .pages = 2,
	};
	crypto_hash(flow.setup.cluster_key, CRYPTO_KEY, secret, cluster, (u32)strlen(cluster));
	flow.now = clock_now_ns();
	prng_seed(&flow.prng, flow.now);
	flow.done = done;
	for (u32 node = FIRST; node < FIRST + count; node++) {
		members[node] = (struct member){
			.held = { FLOW_NONE, FLOW_NONE }, .asked = OWNERS,
			.due = flow.now + prng_below(&flow.prng, NS_PER_SECOND),
		};
		host_boot(node);
	}
}

static bool
read_mac(const char *text, u8 mac[6])
{
	return sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &mac[0], &mac[1], &mac[2],
		      &mac[3], &mac[4], &mac[5]) == 6;
}

struct command {
	const char *socket, *cluster;
};

static error_t
take_word(char *value, const struct argp_state *state)
{
	struct command *command = state->input;

	switch (state->arg_num) {
	case 0:
		command->socket = value;
		return 0;
	case 1:
		command->cluster = value;
		return 0;
	case 2:
		count = (u32)argument_number(state, value, 1, FLOW_NODES - FIRST);
		return 0;
	case 3:
	case 4:
		if (!read_mac(value, owner_mac[state->arg_num - 3]))
			argp_error(state, "'%s' is no MAC address", value);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t
take(int key, char *value, struct argp_state *state)
{
	if (key == ARGP_KEY_END && state->arg_num < 5)
		argp_error(state, "there are words missing");
	return key == ARGP_KEY_ARG ? take_word(value, state) : ARGP_ERR_UNKNOWN;
}

static const struct argp command_line = {
	.parser = take,
	.args_doc = "SOCKET CLUSTER NODES MAC MAC",
	.doc = "So many nodes of a cluster, on one port of the switch, that read pages of the "
	       "nodes of two MAC addresses; harness/crowd/crowd.py drives it.",
};

int
main(int argc, char **argv)
{
	struct command command = { 0 };
	u64 seconds, rate;
	char line[80];
	u32 target;

	arguments_read(&command_line, argc, argv, &command);
	setvbuf(stdout, NULL, _IOLBF, 0);
	connect_port(command.socket);
	begin(command.cluster);
	join();
	puts("ready");
	for (;;) {
		struct pollfd asked = { .fd = 0, .events = POLLIN };

		turn(clock_now_ns() + 20 * NS_PER_MS);
		if (poll(&asked, 1, 0) <= 0)
			continue;
		if (!fgets(line, sizeof(line), stdin))
			return 0;
		if (sscanf(line, "run %u %lu %lu", &target, &seconds, &rate) != 3 ||
		    target >= OWNERS || seconds > 3600 || rate > 1000000)
			flow_fail("there is no such command");
		run(target, seconds, rate);
	}
}
