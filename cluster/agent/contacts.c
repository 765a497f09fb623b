// SPDX-License-Identifier: BSD-2-Clause
// Contacts: whose agent is at which link. While the environment of a link's agent is
// not known, or after a letter from another one, a HELLO with a random word goes to
// the service there; whoever sends the word back is the agent: only it got the word.
//
// The kernel's table of links lags by a tenth of a second, and so do contacts.
//
// Invariant: a contact that is up has the incarnation that the table told when it
// came up; another incarnation makes it a new contact.

#include "cluster/agent/hosts.h"
#include "cluster/agent/post.h"
#include "cluster/view/view.h"
#include "libos/crt/clock.h"
#include "libos/crt/syscall.h"

#define HELLO_EVERY_NS (300 * NS_PER_MS)

struct contact {
	u64 incarnation;
	u64 word;		// of the HELLO that is on its way; 0: none
	u64 hello_ns;		// when to say it next
	u32 environment;	// of its agent; 0: not known
	bool up;
	bool doubted;		// a letter came from another environment
};

static struct contact contacts[FABRIC_LINKS_MAX];
static u32 hellos;

static bool
link_is(u16 link, const struct peer *peer)
{
	const volatile struct fabric_link *l = &link_table()[link];

	for (u32 i = 0; i < sizeof(peer->uuid); i++) {
		if (l->uuid[i] != peer->uuid[i])
			return false;
	}
	return l->incarnation == peer->incarnation;
}

u16
message_link(const struct peer *peer)
{
	for (u16 i = 0; i < fabric_info()->links; i++) {
		if (contacts[i].up && contacts[i].environment && link_is(i, peer))
			return i;
	}
	return VIEW_NONE;
}

u32
message_environment(const struct peer *peer)
{
	u16 link = message_link(peer);

	return link == VIEW_NONE ? 0 : contacts[link].environment;
}

struct peer
contact_peer(u16 link)
{
	const volatile struct fabric_link *l = &link_table()[link];
	struct peer peer = { .incarnation = contacts[link].incarnation };

	for (u32 i = 0; i < sizeof(peer.uuid); i++)
		peer.uuid[i] = l->uuid[i];
	return peer;
}

bool
post_peer(u16 link, struct peer *peer)
{
	if (link >= fabric_info()->links || !contacts[link].up ||
	    !contacts[link].environment)
		return false;
	*peer = contact_peer(link);
	return true;
}

void
contact_look(u16 link)
{
	const volatile struct fabric_link *l = &link_table()[link];
	struct contact *c = &contacts[link];
	bool up = l->state == FABRIC_LINK_UP;

	if (c->up && (!up || l->incarnation != c->incarnation)) {
		c->up = false;
		asks_lost(link);
	}
	if (!up || c->up)
		return;
	if (c->incarnation != l->incarnation) {
		c->incarnation = l->incarnation;
		c->environment = 0;
		c->word = 0;
	}
	c->hello_ns = 0;
	c->up = true;
}

static void
hello_say(u16 link, u64 now)
{
	struct contact *c = &contacts[link];
	struct message_head head = {
		.kind = MESSAGE_HELLO, .is_question = 1, .id = ++hellos,
		.total = sizeof(c->word),
	};

	c->hello_ns = now + HELLO_EVERY_NS;
	if (!c->word && sys_entropy_read(&c->word, sizeof(c->word)))
		c->word = 0;
	if (c->word)
		letters_post(link, &head, (const u8 *)&c->word);
}

void
contacts_run(u64 now)
{
	for (u16 i = 0; i < fabric_info()->links; i++) {
		struct contact *c = &contacts[i];

		contact_look(i);
		if (c->up && (!c->environment || c->doubted) &&
		    now >= c->hello_ns)
			hello_say(i, now);
	}
}

// The two directions of HELLO: our own word that comes back, another's to return.
void
contact_hello(u16 link, u32 environment, const struct message_head *head, const u8 *bytes)
{
	struct contact *c = &contacts[link];
	struct message_head back = *head;
	u64 word;

	if (head->total != sizeof(word))
		return;
	memcpy(&word, bytes, sizeof(word));
	if (!head->is_answer) {
		back.is_question = 0;
		back.is_answer = 1;
		letters_post(link, &back, bytes);
		return;
	}
	if (!c->word || word != c->word)
		return;
	c->environment = environment;
	c->doubted = false;
	c->word = 0;
}

u64
contact_incarnation(u16 link)
{
	return contacts[link].up ? contacts[link].incarnation : 0;
}

bool
contact_is_agent(u16 link, u32 environment)
{
	return environment && environment == contacts[link].environment;
}

void
contact_doubt(u16 link)
{
	contacts[link].doubted = true;
}
