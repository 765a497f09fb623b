// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// What the files of dsm/core share with each other and with nobody else: stages, tags,
// and the parts that coh.c puts together. fetch.c has the requester's side, serve.c
// the holder's, group.c epochs and messages about them, rebuild.c new homes.

#include "dsm/core/coh.h"

#define COH_COORDINATOR_BITS 6
#define COH_COUNTER_MAX (COH_EPOCH_MAX >> COH_COORDINATOR_BITS)
#define COH_GATHER_READS 4u
#define COH_NEVER (~0ull)

enum tag_kind {
	TAG_TX = 1,
	TAG_SERVE,
	TAG_TABLE,
	TAG_FETCH,
	TAG_SPREAD,
};

#define COH_TAG(kind, index) ((u32)(kind) << 24 | (u32)(index))

enum tx_kind {
	TX_FREE,
	TX_READ,
	TX_WRITE,
	TX_EVICT,
	TX_RESET,
	TX_PUBLISH,
};

enum tx_stage {
	STAGE_TRY,		// swap the word, by what was seen of it
	STAGE_REVOKE,		// B is ours: holders are asked
	STAGE_FINISH,		// all have answered: swap B to what was wanted
	STAGE_DATA,		// the word is ours, the content is to come
	STAGE_MAP,
	STAGE_UNMAP,		// evict: no store from here on
	STAGE_COPY,		// evict, publish: the content goes out
	STAGE_NOTE,		// publish: and is said to be whole
};

enum serve_stage {
	SERVE_FREE,
	SERVE_WAITS,		// for the hold, or for an operation of our own
	SERVE_COPY,		// not mapped for writing any more: write back
	SERVE_ANSWER,
	SERVE_UNMAP_LATE,	// a planted bug's
};

enum publish_state {
	PUBLISH_NONE,
	PUBLISH_RUNS,
	PUBLISH_DONE,
	PUBLISH_FAILED,
	PUBLISH_STALE,		// runs, and nobody waits for its end any more
};

// Whether a member of the epoch was one of an earlier epoch, in the same life.
static inline bool
coh_continues(const struct coh_epoch *now, const struct coh_epoch *then, u32 member)
{
	return now->members & then->members & 1ull << member &&
	       now->life[member] == then->life[member];
}

// ---- coh.c

static inline bool
coh_is_member(const struct coh *coh, u32 member)
{
	return member < COH_MEMBERS_MAX && coh->epoch.members >> member & 1;
}

// A pause before the next try: doubled each time, with jitter, and shorter for who
// has waited long.
u64
coh_pause(struct coh *coh, u32 tries, u64 began);

// Fills in a letter with what all have.
struct coh_message *
coh_letter(struct coh *coh, u32 member, enum coh_say say,
	   struct coh_action *action);

// Binds and maps, in one: `bind` READ or WRITE.
void
coh_bind(struct coh *coh, u32 page, u8 bind, u32 version);

// ---- fetch.c

bool
tx_next(struct coh *coh, struct coh_action *action);
void
tx_done(struct coh *coh, u32 index, const struct coh_result *result);
void
tx_gone(struct coh *coh, u32 from, const struct coh_message *message);
u64
tx_due(const struct coh *coh);

// Whether a revocation must wait for what this member has under way itself.
bool
tx_defers(const struct coh *coh, u32 page);

// Something may have landed in the member's frame by half: it is no copy any more. That
// it was one, and of which version, is remembered: nobody may take an older one for new.
void
tx_spoil(struct coh *coh, u32 page);

// Back to the beginning: another epoch, other words.
void
tx_restart_all(struct coh *coh);

// ---- serve.c

void
serve_revoke(struct coh *coh, u32 from, const struct coh_message *message);
bool
serve_next(struct coh *coh, struct coh_action *action);
void
serve_done(struct coh *coh, u32 index, const struct coh_result *result);
u64
serve_due(const struct coh *coh);
void
serve_forget_all(struct coh *coh);

// ---- group.c

void
group_status(struct coh *coh, u32 from, const struct coh_message *message);
void
group_epoch(struct coh *coh, const struct coh_epoch *epoch);
// Notes which members of the epoch are alive.
void
group_met(struct coh *coh);
void
group_tick(struct coh *coh);
bool
group_next(struct coh *coh, struct coh_action *action);

// Goes from round to round as far as others are.
void
group_advance(struct coh *coh);

// All members have stopped: their tables may be read.
bool
group_stopped(const struct coh *coh);

// ---- rebuild.c

// Takes words out of use; what they said goes into this member's holdings.
void
rebuild_freeze(struct coh *coh);

// A newcomer has nothing, whatever it was told of for an epoch that did not open.
void
rebuild_forget(struct coh *coh);
void
rebuild_begin(struct coh *coh);
bool
rebuild_next(struct coh *coh, struct coh_action *action);
void
rebuild_done(struct coh *coh, u32 tag, const struct coh_result *result);
bool
rebuild_ended(const struct coh *coh);

// Nobody speaks for earlier homes any more.
void
rebuild_clear(struct coh *coh);
void
rebuild_open(struct coh *coh);

// ---- barrier.c

void
barrier_reset(struct coh *coh);
void
barrier_message(struct coh *coh, u32 from, const struct coh_message *message);
void
barrier_tick(struct coh *coh);
bool
barrier_next(struct coh *coh, struct coh_action *action);
