// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The web server: one event loop between a packet ring and the sans-IO cores
// for TCP (libos/tcp) and HTTP (libos/http). main.c prepares and loops, link.c
// moves frames, clients.c gives each connection to its HTTP state machine.
//
// One round takes every frame that has arrived, runs what became due, answers,
// and gives all answers to the kernel with one call; then it sleeps until a
// frame or a deadline. Content goes from the site archive's frames, or those of the
// cache, to the device without a copy.
//
// By itself it serves the archive that it was started with. As a job of a cluster it
// serves what the cluster's store holds: job.h.

#include "cluster/balance/balance.h"
#include "cluster/programs/web/counters.h"
#include "cluster/programs/web/directory.h"
#include "libos/http/conn.h"
#include "libos/io/ring.h"
#include "libos/tcp/tcp.h"

#define WEB_PORT 80

// link.c: frames between ring and stack.
struct link {
	struct ring ring;
	struct net *net;
	struct frame_run headers;	// one buffer for each descriptor
	u32 refused;			// frames that the kernel would not send
	u64 given, passed;		// frames put, and of them those that left
	bool starved;			// output waits for descriptors
	struct balance_table *table;	// as a job: who may know strays
	u8 virtual_mac[6];
	u64 passed_on, turned_away;	// strays, by what became of them
};

// Binds the ring, with the regions besides the header buffers that frames may
// be sent from (at most RING_REGIONS_MAX - 1).
must_check i64
link_open(struct link *link, u32 nic_slot, u32 mac_index,
	  const struct frame_run *regions, u32 region_count);

// Gives received frames to the stack, a bounded number. Returns how many.
u32
link_receive(struct link *link, u64 now_ns);

// Sends what the stack has to send. One system call at most.
void
link_send(struct link *link, u64 now_ns);

// Adds what the link waits for.
void
link_watch(struct link *link, struct wait_set *set);

// clients.c: connections.
struct clients {
	struct net *net;
	const struct http_service *service;
	struct job *job;	// NULL: not one
	struct client *first;
	u32 count;
	u64 requests;
	struct counters *counters;
	u64 next_deadline_ns;	// not later than any client's
};

// Handles news of connections until there are none.
void
clients_run(struct clients *clients, u64 now_ns);

// Runs what is due at HTTP's own deadlines.
void
clients_tick(struct clients *clients, u64 now_ns);

// As a job: runs those whose blocks have come.
void
clients_wake(struct clients *clients, u64 now_ns);

// Gives back old versions of the site that no response needs; when a new one has no
// place, ends the responses of the oldest.
void
clients_retire(struct clients *clients);

// Gives the counters' text to who waits for this round or an earlier one; NULL: it cannot
// be had.
void
clients_give_page(struct clients *clients, u32 round, const char *text, u32 len,
		  u64 now_ns);
