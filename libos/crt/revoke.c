// SPDX-License-Identifier: BSD-2-Clause
// The program's side of the revocation page in the uarea. The kernel writes it at
// any time, so a number is read once and used from its copy.

#include "libos/crt/revoke.h"
#include "libos/crt/start.h"
#include "libos/crt/upcall.h"

static revoke_handler *on_revoke;

static void
enter(struct upcall_context *context)
{
	(void)context;
	if (on_revoke)
		on_revoke();
}

void
revoke_handler_set(revoke_handler *handler)
{
	on_revoke = handler;
	upcall_want(UPCALL_REVOKE, handler ? enter : NULL);
}

bool
revoke_declare(u32 slot, u64 keep)
{
	struct revocation *r = &uarea()->revoke;
	u32 count = r->declared_count;

	if (count == REVOKE_DECLARED_MAX)
		return false;
	r->declared[count] = (struct revoke_declared){ slot, 0, keep };
	__atomic_store_n(&r->declared_count, count + 1, __ATOMIC_RELEASE);
	return true;
}

u64
revoke_owed(enum cap_type type)
{
	const volatile struct revocation *r = &uarea()->revoke;
	u64 owed = 0;

	for (u32 i = 0; i < REVOKE_REQUESTS_MAX; i++) {
		if (r->request[i].from != REVOKE_NOTHING &&
		    r->request[i].type == type)
			owed += r->request[i].owed;
	}
	return owed;
}

bool
revoke_record_next(struct revoke_taken *taken)
{
	struct revocation *r = &uarea()->revoke;
	u32 tail = r->taken_tail;

	if (tail == __atomic_load_n(&r->taken_head, __ATOMIC_ACQUIRE))
		return false;
	*taken = r->taken[tail % REVOKE_TAKEN_MAX];
	__atomic_store_n(&r->taken_tail, tail + 1, __ATOMIC_RELEASE);
	return true;
}

u64
revoke_missed(void)
{
	return __atomic_load_n(&uarea()->revoke.taken_missed, __ATOMIC_RELAXED);
}
