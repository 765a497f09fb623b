// SPDX-License-Identifier: BSD-2-Clause
// The web server's start and its loop.
//
// Memory: the site stays in its archive, mapped read-only, and its index is one run
// of frames; or, as a job, half of what is free becomes the cache (job.c). The
// stack's connections lie in a demand-zero region, so that those never used cost
// nothing; HTTP states are on the heap. The number of connections is chosen so that
// even all of them together fit the quota, with room for two manifests.

#include "cluster/programs/web/options.h"
#include "cluster/programs/web/web.h"
#include "kernel/base/assert.h"
#include "kernel/base/fmt.h"
#include "kernel/base/string.h"
#include "libos/crt/clock.h"
#include "libos/crt/console.h"
#include "libos/crt/errors.h"
#include "libos/crt/log.h"
#include "libos/crt/start.h"
#include "libos/crt/status.h"
#include "libos/crt/syscall.h"
#include "libos/mem/archive.h"
#include "libos/mem/frames.h"
#include "libos/mem/layout.h"
#include "libos/mem/locate.h"
#include "libos/mem/mem.h"
#include "libos/mem/region.h"

#define CONN_MIN 32u
#define CONN_MAX 8192u
#define RECEIVE_SIZE 32768u	// holds the longest request head
#define MTU_MAX 1500u
#define STATE_GRANULE_PAGES 2u
#define STATE_STOCK_PAGES 64u
#define STATE_SLOTS_MAX 160u	// of the capability list's 256
#define RETIRE_NS (100 * NS_PER_MS)
#define NO_CLOCK_SECONDS 1700000000ull	// without any clock: November 2023

STATIC_ASSERT(RECEIVE_SIZE >= HTTP_REQUEST_HEAD_MAX);

static const struct http_page host_pages[] = {
	{ COUNTERS_PATH, "application/json" },
};

static struct web_options options;
static struct job the_job;
static struct job *job;		// NULL: by itself
static struct archive archive;
static struct frame_run index_run;
static struct site site;
static struct http_service service;
static struct link link;
static struct clients clients;
static struct balance_table table;
static struct counters counters;
static struct directory directory;
static struct region state;
static u16 state_slots[STATE_SLOTS_MAX];
static u64 unix_at_boot;
static u64 second_ends_ns;
static u32 announced;
static u64 announced_generation;
static u64 retire_ns;

noreturn_ static void
fail(u32 status, const char *what, const char *why)
{
	print("web: %s: %s\n", what, why);
	sys_env_exit(status);
}

// What the node lacks, another start would not find either.
static void
must(i64 error, const char *what)
{
	if (error)
		fail(error == -E_ABSENT ? STATUS_USAGE : STATUS_FAILED, what,
		     error_text(error));
}

static void
must_site(enum site_result result)
{
	switch (result) {
	case SITE_OK:
		return;
	case SITE_ARCHIVE_BAD:
		fail(STATUS_USAGE, "the site archive", "is damaged, or no cpio "
		     "archive of the newc format");
	case SITE_TOO_MANY:
		fail(STATUS_USAGE, "the site archive", "has too many files");
	case SITE_NO_MEMORY:
		fail(STATUS_FAILED, "the site's index", "found too little memory");
	}
}

static u64
unix_seconds(u64 now)
{
	return unix_at_boot + now / NS_PER_SECOND;
}

static void
open_site(void)
{
	u64 needed;

	must(archive_open(ROLE_SITE_ARCHIVE, &archive), "the site archive");
	must_site(site_memory_needed(archive.data, archive.len_bytes, &needed));
	must(frames_take((u32)(ALIGN_UP(MAX(needed, 1), PAGE_SIZE) / PAGE_SIZE),
			 &index_run), "memory for the site's index");
	must_site(site_build(&site, archive.data, archive.len_bytes,
			     direct_address(index_run.frame),
			     index_run.count * PAGE_SIZE,
			     unix_seconds(now_ns())));
	http_service_init(&service, &site, unix_seconds(now_ns()));
}

// As a job: content comes from the cluster's store.
static void
open_job(void)
{
	job = &the_job;
	job->id = (u32)options.job;
	job->number = (u16)options.instance;
	job->directory = &directory;
	job_open(job);
	http_service_init(&service, NULL, unix_seconds(now_ns()));
	service.pages = host_pages;
	service.page_count = ARRAY_SIZE(host_pages);
}

// The region has frames and queues of its own, so it is opened before connections
// take what is left.
static void
open_counters(void)
{
	counters_open(&counters, job);
	directory_open(&directory, job, counters.is_open);
}

// Bytes that this many connections can come to need.
static u64
worst_case(struct net_config *config, u32 conn_max)
{
	config->conn_max = conn_max;
	return net_memory_needed(config) + conn_max * 4096ull;
}

// As many connections as three quarters of the free quota hold.
static void
choose_conn_max(struct net_config *config)
{
	const volatile struct env_info *self = &env_table()[self_index()];
	u64 free = (self->quota.frames - self->used.frames) * PAGE_SIZE;
	u64 room = job ? free / 2 : free / 4 * 3;
	u32 conn_max = options.conn_max ? options.conn_max : CONN_MAX;

	room = MIN(room, STATE_SLOTS_MAX * STOCK_PAGES_MAX * PAGE_SIZE);
	while (conn_max > CONN_MIN && worst_case(config, conn_max) > room)
		conn_max -= MAX(conn_max / 8, 1u);
	config->conn_max = conn_max;
}

static void *
open_state(u64 size)
{
	u64 pages = ALIGN_UP(size, STATE_GRANULE_PAGES * PAGE_SIZE) / PAGE_SIZE;
	u32 stock = STATE_STOCK_PAGES;

	while (REGION_SLOTS(pages, stock) > STATE_SLOTS_MAX)
		stock *= 2;
	ASSERT(stock <= STOCK_PAGES_MAX);
	state = (struct region){
		.base = REGION_BASE,
		.pages = pages,
		.granule_pages = STATE_GRANULE_PAGES,
		.stock_pages = stock,
		.slots = state_slots,
		.slots_max = STATE_SLOTS_MAX,
	};
	must(region_open(&state), "memory for connections");
	return (void *)state.base;
}

// The port that the view says the job has.
static u16
port(void)
{
	u16 found = WEB_PORT;

	for (u32 i = 0; job && i < job->view.job_count; i++) {
		if (job->view.job[i].id == job->id && job->view.job[i].port)
			found = job->view.job[i].port;
	}
	return found;
}

static void
open_stack(void)
{
	struct net_config config = {
		.mtu = (u16)MIN((u32)sys_info()->nic_mtu, MTU_MAX),
		.checksum_offload = sys_info()->nic_checksum,
		.cut_max = sys_info()->nic_segments ? NET_CUT_MAX : 0,
		.cut_min = RING_SEGMENT_MIN,
		.receive_size = RECEIVE_SIZE,
		.mode = job ? NET_GUEST : NET_HOST,
		.address = options.address,
		.mask = options.mask,
		.gateway = options.gateway,
	};
	u64 size;

	for (u32 i = 0; i < sizeof(config.mac); i++)
		config.mac[i] = link.ring.control->mac[i];
	must(sys_entropy_read(config.secret, sizeof(config.secret)),
	     "random bytes");
	must(sys_entropy_read(&config.seed, sizeof(config.seed)),
	     "random bytes");
	choose_conn_max(&config);
	size = net_memory_needed(&config);
	link.net = net_init(open_state(size), size, &config, now_ns());
	if (!link.net || !tcp_listen(link.net, port()))
		fail(STATUS_FAILED, "the TCP/IP stack", "refused to start");
	clients = (struct clients){
		.net = link.net,
		.service = &service,
		.job = job,
		.counters = &counters,
		.next_deadline_ns = NEVER,
	};
}

// What frames may be sent from: content, its index, and the constant texts of
// the HTTP core, which lie in the image.
static void
open_link(void)
{
	struct frame_run regions[] = { { 0 }, archive.run, index_run };
	const struct startup_cap *nic = startup_find(ROLE_NIC, 0);
	static const u8 constant = 1;

	if (!nic)
		fail(STATUS_USAGE, "the network interface", "was not granted");
	if (!locate_segment(&constant, &regions[0]))
		fail(STATUS_USAGE, "the image", "has no capability");
	if (job)
		regions[1] = job->region;
	must(link_open(&link, nic->slot, job ? (u32)nic->argument : 0, regions,
		       job ? 2 : 3), "the packet ring");
}

static u32
file_count(void)
{
	u32 files = 0;

	if (job)
		return job->current ? job->current->manifest.head->file_count : 0;
	for (u32 i = 0; i < site.object_count; i++)
		files += site.objects[i].kind == SITE_FILE;
	return files;
}

static u32
own_address(void)
{
	return job ? job->view.member[job->view.self].address :
		     net_address(link.net);
}

// Says where the site is as soon as there are an address and a site, and when either
// changes.
static void
announce(void)
{
	u64 generation = job && job->current ? job->current->generation : 0;
	u32 address = own_address();
	char text[ADDRESS_TEXT_SIZE];

	if ((address == announced && generation == announced_generation) ||
	    (job && !generation))
		return;
	announced = address;
	announced_generation = generation;
	address_text(address, text);
	if (address) {
		print("web: serving %u files at http://%s/\n", file_count(),
		      text);
		program_ready();
	} else {
		print("web: no address any more\n");
	}
}

// The node's address, and the virtual one that instances share.
static void
take_addresses(u64 now)
{
	const struct view *view = &job->view;
	struct net_own own[2];
	u32 count = 0;

	if (view->member[view->self].address)
		own[count++] = (struct net_own){
			view->member[view->self].address, false };
	if (view->virtual_address)
		own[count++] = (struct net_own){ view->virtual_address, true };
	net_set_addresses(link.net, now, own, count, view->mask, view->gateway);
	memcpy(link.virtual_mac, view->virtual_mac, sizeof(link.virtual_mac));
	link.table = &table;
	for (u32 i = 0; i < view->job_count; i++) {
		if (view->job[i].id == job->id)
			balance_table_update(&table, view, i,
					     env_table()[self_index()].id);
	}
}

static void
run_counters(u64 now)
{
	const struct counters_shown shown = {
		.cache = &job->content.counters,
		.generation = job->current ? job->current->generation : 0,
		.entered = directory.entered,
	};

	switch (counters_run(&counters, now, clients.requests, &shown)) {
	case COUNTERS_TEXT:
		clients_give_page(&clients, counters.round, counters.text,
				  counters.text_len, now);
		break;
	case COUNTERS_FAILED:
		clients_give_page(&clients, counters.round, NULL, 0, now);
		break;
	case COUNTERS_NONE:
		break;
	}
}

// What a job does besides: follows the view, reads, and wakes who waited for it.
static void
run_job(u64 now)
{
	if (job_run(job, now))
		take_addresses(now);
	if (sites_run(job, now, unix_seconds(now)))
		service.catalog = &job->current->catalog;
	clients_wake(&clients, now);
	run_counters(now);
	if (now >= retire_ns) {
		clients_retire(&clients);
		retire_ns = now + RETIRE_NS;
	}
	job_flush(job);
}

// time= goes before the machine's own clock.
static void
choose_clock(void)
{
	unix_at_boot = options.unix_seconds;
	if (!unix_at_boot)
		unix_at_boot = sys_info()->boot_unix_seconds;
	if (!unix_at_boot)
		unix_at_boot = NO_CLOCK_SECONDS;
}

static void
keep_time(u64 now)
{
	if (now < second_ends_ns || !clients.count)
		return;
	second_ends_ns = (now / NS_PER_SECOND + 1) * NS_PER_SECOND;
	http_service_set_time(&service, unix_seconds(now));
}

static void
sleep_until_needed(void)
{
	struct wait_set set;

	wait_begin(&set);
	link_watch(&link, &set);
	wait_until(&set, net_next_deadline(link.net));
	wait_until(&set, clients.next_deadline_ns);
	if (job) {
		job_watch(job, &set);
		counters_watch(&counters, &set);
	}
	wait_sleep(&set);
}

int
main(int argc, char **argv)
{
	const char *sentence;
	const char *wrong = options_read(argc, argv, &options, &sentence);

	if (wrong)
		fail(STATUS_USAGE, wrong, sentence);
	choose_clock();
	if (startup_slot(ROLE_VIEW) == SLOT_NONE)
		open_site();
	else
		open_job();
	open_link();
	if (job)
		open_counters();
	open_stack();
	for (;;) {
		u64 now = now_ns();
		u32 received = link_receive(&link, now);

		net_tick(link.net, now);
		keep_time(now);
		clients_run(&clients, now);
		clients_tick(&clients, now);
		if (job)
			run_job(now);
		link_send(&link, now);
		if (job)
			content_set_sent(&job->content, link.given, link.passed);
		announce();
		if (!received)
			sleep_until_needed();
	}
}
