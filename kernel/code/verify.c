// SPDX-License-Identifier: BSD-2-Clause
// The walk. Each place that was jumped to and is not walked yet has one pending
// state, which joins those of all jumps that led there. Of the pending places the
// foremost is walked next, but the head of a loop only when nothing inside the loop
// is pending any more: so an iteration is over before the next one begins, and a
// counter is one number in each. That order matters for what can be proved, not for
// whether it is true: every step of any run is covered by a walked instruction of
// its own, in the same order, so a run is not longer than the walk was (P1).

#include "kernel/code/verify.h"
#include "kernel/base/assert.h"
#include "kernel/code/arith.h"

STATIC_ASSERT(PENDING_MAX < 255);

size_t
code_verifier_size(void)
{
	return sizeof(struct code_verifier);
}

void
code_verify_begin(struct code_verifier *v, const struct code_type *type,
		  const struct code_insn *text, u32 count)
{
	ASSERT(type->region_count <= CODE_REGIONS_MAX);
	v->type = type;
	v->text = text;
	v->count = count;
	v->steps = 0;
	v->at = 0;
	v->begun = false;
	v->done = false;
	v->id_last = 0;
	v->refusal = (struct code_refusal){ .reason = CODE_FINE };
	for (u32 i = 0; i < PENDING_MAX; i++)
		v->pending[i].used = false;
}

// A state arrives before an instruction that is not walked at once.
static enum code_reason
arrive(struct code_verifier *v, u32 insn, const struct state *state)
{
	struct pending *p;

	ASSERT(insn < v->count && !v->second[insn]);
	if (v->pending_of[insn]) {
		p = &v->pending[v->pending_of[insn] - 1];
		ASSERT(p->used && p->insn == insn);
		state_join(&p->state, state);
		return CODE_FINE;
	}
	for (u32 i = 0; i < PENDING_MAX; i++) {
		p = &v->pending[i];
		if (p->used)
			continue;
		p->used = true;
		p->insn = insn;
		p->state = *state;
		v->pending_of[insn] = (u8)(i + 1);
		return CODE_FINE;
	}
	return CODE_BRANCHES;
}

// Is something pending behind `insn` up to the end of the loop that it heads?
static bool
loop_goes_on(const struct code_verifier *v, u32 insn)
{
	for (u32 i = 0; i < PENDING_MAX; i++) {
		const struct pending *p = &v->pending[i];

		if (p->used && p->insn > insn && p->insn <= v->loop_end[insn])
			return true;
	}
	return false;
}

// Takes the pending place that is walked next into v->now. False: none is left.
static bool
take_next(struct code_verifier *v)
{
	struct pending *chosen = NULL;

	for (u32 i = 0; i < PENDING_MAX; i++) {
		struct pending *p = &v->pending[i];

		if (p->used && (!chosen || p->insn < chosen->insn) &&
		    !loop_goes_on(v, p->insn))
			chosen = p;
	}
	if (!chosen)
		return false;
	v->at = chosen->insn;
	v->now = chosen->state;
	v->pending_of[v->at] = 0;
	chosen->used = false;
	return true;
}

static enum code_reason
walk_exit(const struct code_verifier *v)
{
	const struct value *result = &v->now.reg[0];

	if (result->kind == VALUE_UNSET)
		return CODE_UNSET;
	if (result->kind != VALUE_NUMBER)
		return CODE_POINTER_LEAKS;
	return result->at.max > v->type->result_max ? CODE_RESULT : CODE_FINE;
}

// Walks the instruction at v->at. *falls: it may be left downwards, with v->now;
// *jumped: another place was arrived at.
static enum code_reason
walk(struct code_verifier *v, bool *falls, bool *jumped)
{
	const struct code_insn *insn = &v->text[v->at];
	enum code_reason reason;

	*falls = true;
	*jumped = false;
	if (code_jumps(insn)) {
		*jumped = true;
		if (code_is_goto(insn)) {
			*falls = false;
			v->aside = v->now;
		} else {
			reason = code_step_test(v, insn, jumped, falls);
			if (reason)
				return reason;
		}
		return *jumped ? arrive(v, code_jump_target(insn, v->at),
					&v->aside) : CODE_FINE;
	}
	if (code_class(insn) != CODE_JMP)
		return code_step(v, insn);
	if (!code_exits(insn))
		return code_step_call(v, (u32)insn->immediate);
	*falls = false;
	return walk_exit(v);
}

// One step, and on to the next place: downwards without a detour where that is the
// next in order.
static enum code_reason
advance(struct code_verifier *v)
{
	u32 next = v->at + (v->text[v->at].opcode == CODE_WIDE ? 2 : 1);
	bool falls, jumped;
	enum code_reason reason;

	if (v->steps == v->type->steps_max)
		return CODE_STEPS;
	v->steps++;
	reason = walk(v, &falls, &jumped);
	if (reason)
		return reason;
	if (falls) {
		ASSERT(next < v->count);
		if (!jumped && !v->pending_of[next] && !v->loop_end[next]) {
			v->at = next;
			return CODE_FINE;
		}
		reason = arrive(v, next, &v->now);
		if (reason)
			return reason;
	}
	v->done = !take_next(v);
	return CODE_FINE;
}

static enum code_verdict
refuse(struct code_verifier *v, enum code_reason reason)
{
	v->refusal = (struct code_refusal){ .reason = reason, .insn = v->at };
	v->done = true;
	return CODE_REFUSED;
}

enum code_verdict
code_verify_go(struct code_verifier *v, u32 steps)
{
	enum code_reason reason;

	ASSERT(!v->done);
	if (!v->begun) {
		reason = code_shape(v);
		if (reason)
			return refuse(v, reason);
		state_begin(&v->now);
		v->at = 0;
		v->begun = true;
	}
	for (u32 i = 0; i < steps; i++) {
		reason = advance(v);
		if (reason)
			return refuse(v, reason);
		if (v->done)
			return CODE_ACCEPTED;
	}
	return CODE_MORE;
}

struct code_refusal
code_refused(const struct code_verifier *v)
{
	return v->refusal;
}

struct code_program
code_verified(const struct code_verifier *v)
{
	ASSERT(v->done && v->refusal.reason == CODE_FINE);
	return (struct code_program){
		.type = v->type,
		.text = v->text,
		.count = v->count,
		.steps = v->steps,
	};
}
