// SPDX-License-Identifier: BSD-2-Clause
//
// Load generator for the floors: raw Ethernet frames of EtherType 0x88B6 that
// a node started with `floor=echo` sends straight back from its own driver.
//
//	echo rate  DEVICE MAC FRAME_BYTES OUTSTANDING MILLISECONDS
//		keeps that many frames in flight, then prints one line:
//		rate=ECHOES_PER_S p50_us=… p99_us=… echoes=… lost=…
//	echo first DEVICE MAC FRAME_BYTES 1 MILLISECONDS
//		sends a frame every 2 ms until one comes back, then prints
//		at_ns=CLOCK_MONOTONIC of that moment; exit 1 if none did
//
// FRAME_BYTES counts the Ethernet header and not the checksum, 60 to 1514.
// Each slot (one of OUTSTANDING) has a frame of its own that carries the slot's
// number, its round and a magic word. Invariants:
//	I1. A slot has at most one frame that counts: an answer whose round is
//	    not the slot's current one is late or doubled, and ignored.
//	I2. Frames in flight <= OUTSTANDING, so the node's queue is never
//	    offered more than the caller said.
//	I3. A slot silent for LOST_NS is counted lost and sent again.
// Frames travel in batches, so that the generator is not what is measured.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	ECHO_ETHERTYPE = 0x88b6,
	MAGIC = 0x0d05ec40,
	FRAME_BYTES_MIN = 60,
	FRAME_BYTES_MAX = 1514,
	SLOT_COUNT_MAX = 1024,
	SAMPLE_COUNT_MAX = 1 << 22,
	BATCH_MAX = 64,
	LOST_NS = 200000000,
	PROBE_NS = 2000000,
	SOCKET_BYTES = 8 << 20,
};

struct echo_frame {
	uint8_t target[6];
	uint8_t source[6];
	uint16_t type_be;
	uint16_t pad;
	uint32_t magic;
	uint32_t slot;
	uint32_t round;
	uint8_t rest[FRAME_BYTES_MAX - 28];
} __attribute__((packed));

_Static_assert(sizeof(struct echo_frame) == FRAME_BYTES_MAX, "frame");

struct slot {
	int64_t sent_ns;
	struct echo_frame frame;
};

struct generator {
	int socket;
	size_t frame_bytes;
	uint32_t slot_count;
	struct slot slots[SLOT_COUNT_MAX];
	uint32_t *samples_ns; // round-trip times, SAMPLE_COUNT_MAX at most
	size_t sample_count;
	uint64_t echo_count;
	uint64_t lost_count;
};

// Slots on their way to the socket.
struct batch {
	uint32_t slot[BATCH_MAX];
	unsigned count;
};

static struct generator state;

static int64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * (int64_t)1000000000 + t.tv_nsec;
}

static void
die(const char *what)
{
	fprintf(stderr, "echo: %s: %s\n", what, strerror(errno));
	exit(1);
}

static long
number(const char *text, const char *what, long min, long max)
{
	char *end;
	long value = strtol(text, &end, 10);

	if (*text == '\0' || *end != '\0' || value < min || value > max) {
		fprintf(stderr, "echo: %s must be %ld to %ld, not '%s'\n", what, min,
		        max, text);
		exit(2);
	}
	return value;
}

static void
parse_mac(const char *text, uint8_t mac[6])
{
	if (sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", mac, mac + 1, mac + 2,
	           mac + 3, mac + 4, mac + 5) != 6) {
		fprintf(stderr, "echo: '%s' is not a MAC address\n", text);
		exit(2);
	}
}

// Opens a packet socket bound to device; source becomes the device's address.
static void
open_device(struct generator *g, const char *device, uint8_t source[6])
{
	struct ifreq request = { 0 };
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ECHO_ETHERTYPE),
	};
	int bytes = SOCKET_BYTES;

	g->socket = socket(AF_PACKET, SOCK_RAW, 0);
	if (g->socket < 0)
		die("packet socket");
	setsockopt(g->socket, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes);
	setsockopt(g->socket, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes);
	snprintf(request.ifr_name, sizeof request.ifr_name, "%s", device);
	if (ioctl(g->socket, SIOCGIFHWADDR, &request) < 0)
		die(device);
	memcpy(source, request.ifr_hwaddr.sa_data, 6);
	address.sll_ifindex = (int)if_nametoindex(device);
	if (bind(g->socket, (struct sockaddr *)&address, sizeof address) < 0)
		die("bind");
}

static void
prepare_slots(struct generator *g, const uint8_t target[6], const uint8_t source[6])
{
	for (uint32_t i = 0; i < g->slot_count; i++) {
		struct echo_frame *frame = &g->slots[i].frame;

		memcpy(frame->target, target, 6);
		memcpy(frame->source, source, 6);
		frame->type_be = htons(ECHO_ETHERTYPE);
		frame->magic = MAGIC;
		frame->slot = i;
	}
}

// Sends the batch's frames, each in a new round, and empties it. A frame that
// the device refuses is found lost later (I3).
static void
send_batch(struct generator *g, struct batch *b)
{
	struct mmsghdr messages[BATCH_MAX] = { 0 };
	struct iovec pieces[BATCH_MAX];
	int64_t now = now_ns();

	if (b->count == 0)
		return;
	for (unsigned i = 0; i < b->count; i++) {
		struct slot *slot = &g->slots[b->slot[i]];

		slot->frame.round++;
		slot->sent_ns = now;
		pieces[i] = (struct iovec){ &slot->frame, g->frame_bytes };
		messages[i].msg_hdr.msg_iov = &pieces[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	if (sendmmsg(g->socket, messages, b->count, 0) < 0 && errno != ENOBUFS &&
	    errno != ENETDOWN)
		die("send");
	b->count = 0;
}

static void
add_to_batch(struct generator *g, struct batch *b, uint32_t slot)
{
	b->slot[b->count++] = slot;
	if (b->count == BATCH_MAX)
		send_batch(g, b);
}

// True if the frame answers its slot's current round (I1).
static bool
is_answer(const struct generator *g, const struct echo_frame *in, size_t len_bytes)
{
	return len_bytes >= FRAME_BYTES_MIN && in->magic == MAGIC &&
	       in->slot < g->slot_count &&
	       in->round == g->slots[in->slot].frame.round &&
	       memcmp(in->source, g->slots[0].frame.target, 6) == 0;
}

// Takes the frames that have arrived, at most BATCH_MAX, without waiting, and
// puts the slots that they answer into b, which must be empty.
static void
receive_batch(struct generator *g, struct batch *b)
{
	static struct echo_frame frames[BATCH_MAX];
	struct mmsghdr messages[BATCH_MAX] = { 0 };
	struct iovec pieces[BATCH_MAX];
	int count;

	for (unsigned i = 0; i < BATCH_MAX; i++) {
		pieces[i] = (struct iovec){ &frames[i], sizeof frames[i] };
		messages[i].msg_hdr.msg_iov = &pieces[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	count = recvmmsg(g->socket, messages, BATCH_MAX, MSG_DONTWAIT, NULL);
	if (count < 0 && errno != EAGAIN && errno != EINTR && errno != ENETDOWN)
		die("recv");
	for (int i = 0; i < count; i++)
		if (is_answer(g, &frames[i], messages[i].msg_len))
			b->slot[b->count++] = frames[i].slot;
}

static void
count_echoes(struct generator *g, const struct batch *b)
{
	int64_t now = now_ns();

	g->echo_count += b->count;
	for (unsigned i = 0; i < b->count; i++) {
		int64_t took_ns = now - g->slots[b->slot[i]].sent_ns;

		if (g->sample_count < SAMPLE_COUNT_MAX)
			g->samples_ns[g->sample_count++] = (uint32_t)took_ns;
	}
}

static void
resend_lost(struct generator *g)
{
	int64_t now = now_ns();
	struct batch b = { .count = 0 };

	for (uint32_t i = 0; i < g->slot_count; i++) {
		if (now - g->slots[i].sent_ns < LOST_NS)
			continue;
		g->lost_count++;
		add_to_batch(g, &b, i);
	}
	send_batch(g, &b);
}

static void
wait_readable(const struct generator *g, int timeout_ms)
{
	struct pollfd p = { .fd = g->socket, .events = POLLIN };

	poll(&p, 1, timeout_ms);
}

static int
compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static double
percentile_us(const struct generator *g, unsigned percent)
{
	if (g->sample_count == 0)
		return 0;
	return g->samples_ns[(g->sample_count - 1) * percent / 100] / 1e3;
}

static void
print_rate(struct generator *g, int64_t took_ns)
{
	qsort(g->samples_ns, g->sample_count, sizeof *g->samples_ns, compare);
	printf("rate=%.1f p50_us=%.1f p99_us=%.1f echoes=%llu lost=%llu\n",
	       (double)g->echo_count * 1e9 / (double)took_ns, percentile_us(g, 50),
	       percentile_us(g, 99), (unsigned long long)g->echo_count,
	       (unsigned long long)g->lost_count);
}

static int
run_rate(struct generator *g, int64_t duration_ns)
{
	int64_t begin_ns = now_ns(), check_ns = begin_ns + LOST_NS;
	struct batch b = { .count = 0 };

	for (uint32_t i = 0; i < g->slot_count; i++)
		add_to_batch(g, &b, i);
	send_batch(g, &b);
	while (now_ns() < begin_ns + duration_ns) {
		receive_batch(g, &b);
		if (b.count == 0)
			wait_readable(g, 20);
		count_echoes(g, &b);
		send_batch(g, &b);
		if (now_ns() < check_ns)
			continue;
		resend_lost(g);
		check_ns += LOST_NS / 4;
	}
	print_rate(g, now_ns() - begin_ns);
	return 0;
}

static int
run_first(struct generator *g, int64_t duration_ns)
{
	int64_t end_ns = now_ns() + duration_ns;

	while (now_ns() < end_ns) {
		int64_t until_ns = now_ns() + PROBE_NS;
		struct batch b = { .slot = { 0 }, .count = 1 };

		g->slots[0].frame.round = 0; // any probe's echo will do
		send_batch(g, &b);
		while (now_ns() < until_ns && b.count == 0) {
			wait_readable(g, 1);
			receive_batch(g, &b);
		}
		if (b.count != 0) {
			printf("at_ns=%lld\n", (long long)now_ns());
			return 0;
		}
	}
	fprintf(stderr, "echo: no frame came back\n");
	return 1;
}

int
main(int count, char **words)
{
	struct generator *g = &state;
	bool first = count == 7 && strcmp(words[1], "first") == 0;
	uint8_t source[6], target[6];
	int64_t duration_ns;

	if (count != 7 || (!first && strcmp(words[1], "rate") != 0)) {
		fprintf(stderr, "usage: echo rate|first DEVICE MAC FRAME_BYTES "
		                "OUTSTANDING MILLISECONDS\n");
		return 2;
	}
	parse_mac(words[3], target);
	g->frame_bytes = (size_t)number(words[4], "FRAME_BYTES", FRAME_BYTES_MIN,
	                                FRAME_BYTES_MAX);
	g->slot_count = (uint32_t)number(words[5], "OUTSTANDING", 1, SLOT_COUNT_MAX);
	duration_ns = number(words[6], "MILLISECONDS", 1, 3600000) * 1000000;
	g->samples_ns = malloc(SAMPLE_COUNT_MAX * sizeof *g->samples_ns);
	if (g->samples_ns == NULL)
		die("memory");
	open_device(g, words[2], source);
	prepare_slots(g, target, source);
	return first ? run_first(g, duration_ns) : run_rate(g, duration_ns);
}
