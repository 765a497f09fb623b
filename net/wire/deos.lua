-- SPDX-License-Identifier: BSD-2-Clause
-- DEOS's fabric for Wireshark and tshark. Made from net/wire/*.def by
-- net/wire/dissector.py; do not edit. docs/protocol says what it shows.
--
--	tshark -X lua_script:net/wire/deos.lua -r node.pcap -Y 'deos.request.op == 2'
--
-- Fields are deos.STRUCTURE.FIELD. A request and its answer know each other's frame
-- (deos.response_in, deos.request_in) and the time between (deos.time). Tags and
-- proofs are shown, not checked: their keys never leave the nodes.

local deos = Proto("deos", "DEOS fabric")

local kinds = {
	[1] = "BEACON",
	[2] = "HELLO",
	[3] = "IDLE",
	[4] = "REQUEST",
	[5] = "RESPONSE",
}

local ops = {
	[1] = "READ",
	[2] = "WRITE",
	[3] = "MCAS",
	[4] = "FETCH_ADD",
	[5] = "NOTIFY",
	[6] = "SEND",
	[7] = "BLOCK_READ",
	[8] = "BLOCK_WRITE",
	[9] = "BLOCK_FLUSH",
	[10] = "GRANT",
	[11] = "DERIVE",
	[12] = "REVOKE",
	[13] = "DROP",
	[14] = "READV",
	[15] = "PUTV",
	[16] = "HOLDERS",
	[17] = "EXPEL",
	[18] = "INVOKE",
	[19] = "PROTECT",
	[20] = "ALLOC",
	[21] = "BLOCK_FUA",
	[22] = "BLOCK_TRIM",
	[23] = "BLOCK_ZERO",
	[24] = "REDEEM",
	[25] = "RECALL",
	[26] = "RELEASE",
}

local statuses = {
	[0] = "DONE",
	[1] = "NOT_DONE",
	[2] = "PARTIAL",
	[3] = "PENDING",
	[4] = "BUSY",
}

local codes = {
	[0] = "CODE_NONE",
	[1] = "CODE_SLOT",
	[2] = "CODE_GENERATION",
	[3] = "CODE_HOLDER",
	[4] = "CODE_REVOKED",
	[5] = "CODE_TYPE",
	[6] = "CODE_RIGHTS",
	[7] = "CODE_RANGE",
	[8] = "CODE_ALIGNMENT",
	[9] = "CODE_DEVICE",
	[10] = "CODE_CANCELLED",
	[11] = "CODE_SERVICE",
	[12] = "CODE_BUFFER",
	[13] = "CODE_PLACE",
	[14] = "CODE_ENVIRONMENT",
	[15] = "CODE_NODE",
	[16] = "CODE_DEPTH",
	[17] = "CODE_TABLE",
	[18] = "CODE_SHAPE",
	[19] = "CODE_PEER",
	[20] = "CODE_INCARNATION",
	[21] = "CODE_SESSION",
	[22] = "CODE_WINDOWS",
	[23] = "CODE_VERSION",
	[24] = "CODE_ENTRY",
	[25] = "CODE_HANDLER",
	[26] = "CODE_FRAMES",
	[27] = "CODE_UNABLE",
	[28] = "CODE_TICKET",
	[29] = "CODE_EXPIRED",
	[30] = "CODE_SPENT",
	[31] = "CODE_LIFE",
	[32] = "CODE_ASKED",
	[33] = "CODE_LEASED",
	[34] = "CODE_SHARE",
}

local types = {
	[1] = "FRAMES",
	[2] = "BLOCKS",
	[3] = "ENDPOINT",
	[4] = "POOL",
}

local bodies = {
	[1] = "beacon",
	[2] = "hello",
	[3] = "idle",
	[4] = "request",
	[5] = "response",
}
local operands = {
	[3] = "clause",
	[4] = "addend",
	[10] = "grant",
	[11] = "derive",
	[14] = "piece",
	[15] = "change",
	[17] = "expel",
	[19] = "protect",
	[20] = "alloc",
	[24] = "ticket",
	[25] = "recall",
}
local structs = {}

-- Fields of a structure, in the order of the wire.
local all = {}
local function field(struct, name, at, size, is_number, proto, bits)
	local f = { at = at, size = size, is_number = is_number, proto = proto,
		bits = bits or {} }

	table.insert(structs[struct], f)
	structs[struct][name] = f
	table.insert(all, proto)
	for _, bit in ipairs(f.bits) do
		table.insert(all, bit)
	end
end

structs.header = { size = 48 }
field("header", "version", 0, 1, true,
	ProtoField.uint8("deos.header.version", "version", base.DEC, nil, nil,
		"1"))
field("header", "kind", 1, 1, true,
	ProtoField.uint8("deos.header.kind", "kind", base.DEC, kinds, nil,
		"what follows: the table of kinds"))
field("header", "length", 2, 2, true,
	ProtoField.uint16("deos.header.length", "length", base.DEC, nil, nil,
		"bytes from this header to the end of the tag"))
field("header", "sender", 4, 2, true,
	ProtoField.uint16("deos.header.sender", "sender", base.DEC, nil, nil,
		"the index that the receiver gave the sender; 65535 before there is one"))
field("header", "grant", 6, 1, true,
	ProtoField.uint8("deos.header.grant", "grant", base.DEC, nil, nil,
		"request frames that the receiver may have open at the sender"))
field("header", "want", 7, 1, true,
	ProtoField.uint8("deos.header.want", "want", base.DEC, nil, nil,
		"request frames that the sender would like to have open at the receiver"))
field("header", "from", 8, 4, true,
	ProtoField.uint32("deos.header.from", "from", base.HEX, nil, nil,
		"low half of the sender's incarnation"))
field("header", "to", 12, 4, true,
	ProtoField.uint32("deos.header.to", "to", base.HEX, nil, nil,
		"low half of the receiver's incarnation; 0 before it is known"))
field("header", "sequence", 16, 6, true,
	ProtoField.uint64("deos.header.sequence", "sequence", base.DEC, nil, nil,
		"counts the frames of this direction of the session, from 1"))
field("header", "turn", 22, 1, true,
	ProtoField.uint8("deos.header.turn", "turn", base.DEC, nil, nil,
		"counts how often `grant` was lowered"))
field("header", "turn_seen", 23, 1, true,
	ProtoField.uint8("deos.header.turn_seen", "turn_seen", base.DEC, nil, nil,
		"the receiver's newest `turn` that the sender keeps to"))
field("header", "clock", 24, 4, true,
	ProtoField.uint32("deos.header.clock", "clock", base.DEC, nil, nil,
		"the sender's clock, in microseconds"))
field("header", "echo", 28, 4, true,
	ProtoField.uint32("deos.header.echo", "echo", base.DEC, nil, nil,
		"the receiver's newest clock that the sender has seen"))
field("header", "done", 32, 4, true,
	ProtoField.uint32("deos.header.done", "done", base.DEC, nil, nil,
		"the sender has its answers to all of its requests below this number"))
field("header", "seen_newest", 36, 4, true,
	ProtoField.uint32("deos.header.seen_newest", "seen_newest", base.DEC, nil, nil,
		"newest of the receiver's requests that has come whole"))
field("header", "seen", 40, 8, true,
	ProtoField.uint64("deos.header.seen", "seen", base.HEX, nil, nil,
		"bit n mod 64: request n came whole, for the 64 numbers up to seen_newest"))

structs.beacon = { size = 64 }
field("beacon", "uuid", 0, 16, false,
	ProtoField.bytes("deos.beacon.uuid", "uuid", base.NONE,
		"names the node for good"))
field("beacon", "incarnation", 16, 8, true,
	ProtoField.uint64("deos.beacon.incarnation", "incarnation", base.HEX, nil, nil,
		"random, fresh at each boot"))
field("beacon", "public_key", 24, 32, false,
	ProtoField.bytes("deos.beacon.public_key", "public_key", base.NONE,
		"X25519, fresh at each boot"))
field("beacon", "mac", 56, 6, false,
	ProtoField.ether("deos.beacon.mac", "mac",
		"where to send to"))
field("beacon", "mtu", 62, 2, true,
	ProtoField.uint16("deos.beacon.mtu", "mtu", base.DEC, nil, nil,
		"bytes that its interface takes behind an Ethernet header"))

structs.hello = { size = 120 }
field("hello", "uuid", 0, 16, false,
	ProtoField.bytes("deos.hello.uuid", "uuid", base.NONE,
		"as in a beacon"))
field("hello", "incarnation", 16, 8, true,
	ProtoField.uint64("deos.hello.incarnation", "incarnation", base.HEX, nil, nil,
		"as in a beacon"))
field("hello", "public_key", 24, 32, false,
	ProtoField.bytes("deos.hello.public_key", "public_key", base.NONE,
		"as in a beacon"))
field("hello", "mac", 56, 6, false,
	ProtoField.ether("deos.hello.mac", "mac",
		"as in a beacon"))
field("hello", "mtu", 62, 2, true,
	ProtoField.uint16("deos.hello.mtu", "mtu", base.DEC, nil, nil,
		"as in a beacon"))
field("hello", "index", 64, 2, true,
	ProtoField.uint16("deos.hello.index", "index", base.DEC, nil, nil,
		"what the receiver is to write into `sender`"))
field("hello", "minor", 66, 1, true,
	ProtoField.uint8("deos.hello.minor", "minor", base.DEC, nil, nil,
		"newest minor version that the sender speaks"))
field("hello", "reserved", 67, 1, true,
	ProtoField.uint8("deos.hello.reserved", "reserved", base.DEC, nil, nil,
		"0"))
field("hello", "reserved2", 68, 4, true,
	ProtoField.uint32("deos.hello.reserved2", "reserved2", base.DEC, nil, nil,
		"0"))
field("hello", "to_incarnation", 72, 8, true,
	ProtoField.uint64("deos.hello.to_incarnation", "to_incarnation", base.HEX, nil, nil,
		"the receiver's incarnation, as the sender knows it"))
field("hello", "nonce", 80, 16, false,
	ProtoField.bytes("deos.hello.nonce", "nonce", base.NONE,
		"the sender's, fresh"))
field("hello", "nonce_seen", 96, 16, false,
	ProtoField.bytes("deos.hello.nonce_seen", "nonce_seen", base.NONE,
		"the receiver's, or zero before one came"))
field("hello", "proof", 112, 8, true,
	ProtoField.uint64("deos.hello.proof", "proof", base.HEX, nil, nil,
		"SipHash of header and body up to here under the pair key"))

structs.idle = { size = 8 }
field("idle", "carries", 0, 2, true,
	ProtoField.uint16("deos.idle.carries", "carries", base.DEC, nil, nil,
		"longest frame that came from the receiver, counted from the header to " ..
		"the tag's end"))
field("idle", "answer", 2, 2, true,
	ProtoField.uint16("deos.idle.answer", "answer", base.DEC, nil, nil,
		"1: most of the sender's lease has gone by without an echo, answer at " ..
		"once; else 0"))
field("idle", "reserved", 4, 4, true,
	ProtoField.uint32("deos.idle.reserved", "reserved", base.DEC, nil, nil,
		"0"))

structs.request = { size = 32 }
field("request", "number", 0, 4, true,
	ProtoField.uint32("deos.request.number", "number", base.DEC, nil, nil,
		"counts the requests of this direction of the session"))
field("request", "op", 4, 1, true,
	ProtoField.uint8("deos.request.op", "op", base.DEC, ops, nil,
		"the table of operations"))
field("request", "flags", 5, 1, true,
	ProtoField.uint8("deos.request.flags", "flags", base.DEC, nil, nil,
		"WHOLE 1: everything in one part, in the answer too; CANCEL 2: do not run " ..
		"it; MORE 4: another request follows, and both only read"),
	{ ProtoField.bool("deos.request.flags.whole", "WHOLE", 8, nil, 1),
	  ProtoField.bool("deos.request.flags.cancel", "CANCEL", 8, nil, 2),
	  ProtoField.bool("deos.request.flags.more", "MORE", 8, nil, 4) })
field("request", "part", 6, 1, true,
	ProtoField.uint8("deos.request.part", "part", base.DEC, nil, nil,
		"which part this is, from 0"))
field("request", "pieces", 7, 1, true,
	ProtoField.uint8("deos.request.pieces", "pieces", base.DEC, nil, nil,
		"of MCAS, READV and PUTV: clauses or pieces before the data; 0 with MCAS: " ..
		"as many as there are, and no data"))
field("request", "environment", 8, 4, true,
	ProtoField.uint32("deos.request.environment", "environment", base.HEX, nil, nil,
		"who asks, on the sender's node"))
field("request", "slot", 12, 4, true,
	ProtoField.uint32("deos.request.slot", "slot", base.DEC, nil, nil,
		"of the capability in the receiver's export table, below 2^24; or 2^32 - " ..
		"1: none"))
field("request", "generation", 16, 4, true,
	ProtoField.uint32("deos.request.generation", "generation", base.HEX, nil, nil,
		"of the capability"))
field("request", "offset", 20, 8, true,
	ProtoField.uint64("deos.request.offset", "offset", base.HEX, nil, nil,
		"bytes from the start of the capability's range; or the service; or 0"))
field("request", "length", 28, 4, true,
	ProtoField.uint32("deos.request.length", "length", base.DEC, nil, nil,
		"bytes of data that the whole operation moves"))

structs.response = { size = 32 }
field("response", "number", 0, 4, true,
	ProtoField.uint32("deos.response.number", "number", base.DEC, nil, nil,
		"of the request"))
field("response", "execution", 4, 4, true,
	ProtoField.uint32("deos.response.execution", "execution", base.DEC, nil, nil,
		"counts runs at the owner: parts of two runs do not mix"))
field("response", "status", 8, 1, true,
	ProtoField.uint8("deos.response.status", "status", base.DEC, statuses, nil,
		"the table of statuses"))
field("response", "code", 9, 1, true,
	ProtoField.uint8("deos.response.code", "code", base.DEC, codes, nil,
		"why, when it was not done: the table of codes"))
field("response", "part", 10, 1, true,
	ProtoField.uint8("deos.response.part", "part", base.DEC, nil, nil,
		"which part this is, from 0"))
field("response", "parts", 11, 1, true,
	ProtoField.uint8("deos.response.parts", "parts", base.DEC, nil, nil,
		"how many there are"))
field("response", "clause", 12, 1, true,
	ProtoField.uint8("deos.response.clause", "clause", base.DEC, nil, nil,
		"of MCAS: which one matched; 255: none"))
field("response", "held", 13, 1, true,
	ProtoField.uint8("deos.response.held", "held", base.DEC, nil, nil,
		"bit n: part n of the request has come, for PENDING; of DONE: the time at " ..
		"the owner, see rcap.md"))
field("response", "length", 14, 2, true,
	ProtoField.uint16("deos.response.length", "length", base.DEC, nil, nil,
		"bytes of data in all parts together"))
field("response", "old_low", 16, 8, true,
	ProtoField.uint64("deos.response.old_low", "old_low", base.HEX, nil, nil,
		"of MCAS and FETCH_ADD: what was there before"))
field("response", "old_high", 24, 8, true,
	ProtoField.uint64("deos.response.old_high", "old_high", base.HEX, nil, nil,
		"of MCAS on 16 bytes: the upper half"))

structs.clause = { size = 80 }
field("clause", "compare_low", 0, 8, true,
	ProtoField.uint64("deos.clause.compare_low", "compare_low", base.HEX, nil, nil,
		"matches when (old & compare_mask) == (compare & compare_mask)"))
field("clause", "compare_high", 8, 8, true,
	ProtoField.uint64("deos.clause.compare_high", "compare_high", base.HEX, nil, nil,
		"upper half, for 16 bytes; else 0"))
field("clause", "compare_mask_low", 16, 8, true,
	ProtoField.uint64("deos.clause.compare_mask_low", "compare_mask_low", base.HEX, nil, nil,
		""))
field("clause", "compare_mask_high", 24, 8, true,
	ProtoField.uint64("deos.clause.compare_mask_high", "compare_mask_high", base.HEX, nil, nil,
		""))
field("clause", "swap_low", 32, 8, true,
	ProtoField.uint64("deos.clause.swap_low", "swap_low", base.HEX, nil, nil,
		"then (old & ~swap_mask) | (swap & swap_mask) is stored"))
field("clause", "swap_high", 40, 8, true,
	ProtoField.uint64("deos.clause.swap_high", "swap_high", base.HEX, nil, nil,
		""))
field("clause", "swap_mask_low", 48, 8, true,
	ProtoField.uint64("deos.clause.swap_mask_low", "swap_mask_low", base.HEX, nil, nil,
		""))
field("clause", "swap_mask_high", 56, 8, true,
	ProtoField.uint64("deos.clause.swap_mask_high", "swap_mask_high", base.HEX, nil, nil,
		""))
field("clause", "chain_offset", 64, 8, true,
	ProtoField.uint64("deos.clause.chain_offset", "chain_offset", base.DEC, nil, nil,
		"where something happens then, in the same capability"))
field("clause", "chain_length", 72, 4, true,
	ProtoField.uint32("deos.clause.chain_length", "chain_length", base.DEC, nil, nil,
		"its bytes: READ at most 4096, WRITE at most 1024, NOTIFY 4; 0: nothing " ..
		"happens"))
field("clause", "chain", 76, 4, true,
	ProtoField.uint32("deos.clause.chain", "chain", base.DEC, nil, nil,
		"what: 0 a READ, 1 a WRITE of the first bytes behind the clauses, 2 a " ..
		"NOTIFY"))

structs.piece = { size = 16 }
field("piece", "offset", 0, 8, true,
	ProtoField.uint64("deos.piece.offset", "offset", base.HEX, nil, nil,
		"counted from the request's offset"))
field("piece", "length", 8, 4, true,
	ProtoField.uint32("deos.piece.length", "length", base.DEC, nil, nil,
		"bytes, at least 1"))
field("piece", "reserved", 12, 4, true,
	ProtoField.uint32("deos.piece.reserved", "reserved", base.DEC, nil, nil,
		"0"))

structs.change = { size = 24 }
field("change", "compare", 0, 8, true,
	ProtoField.uint64("deos.change.compare", "compare", base.DEC, nil, nil,
		"the pieces are written when (old & compare_mask) == (compare & " ..
		"compare_mask)"))
field("change", "compare_mask", 8, 8, true,
	ProtoField.uint64("deos.change.compare_mask", "compare_mask", base.HEX, nil, nil,
		"0: in any case"))
field("change", "add", 16, 8, true,
	ProtoField.uint64("deos.change.add", "add", base.DEC, nil, nil,
		"and then added to the word at the request's offset"))

structs.addend = { size = 8 }
field("addend", "value", 0, 8, true,
	ProtoField.uint64("deos.addend.value", "value", base.DEC, nil, nil,
		"added, modulo 2^64"))

structs.grant = { size = 32 }
field("grant", "environment", 0, 4, true,
	ProtoField.uint32("deos.grant.environment", "environment", base.HEX, nil, nil,
		"who gets it"))
field("grant", "slot", 4, 4, true,
	ProtoField.uint32("deos.grant.slot", "slot", base.DEC, nil, nil,
		"in the sender's export table"))
field("grant", "generation", 8, 4, true,
	ProtoField.uint32("deos.grant.generation", "generation", base.HEX, nil, nil,
		"of that slot"))
field("grant", "type", 12, 1, true,
	ProtoField.uint8("deos.grant.type", "type", base.DEC, types, nil,
		"the table of capability types"))
field("grant", "rights", 13, 1, true,
	ProtoField.uint8("deos.grant.rights", "rights", base.DEC, nil, nil,
		"READ 1, WRITE 2, DERIVE 8"),
	{ ProtoField.bool("deos.grant.rights.read", "READ", 8, nil, 1),
	  ProtoField.bool("deos.grant.rights.write", "WRITE", 8, nil, 2),
	  ProtoField.bool("deos.grant.rights.derive", "DERIVE", 8, nil, 8) })
field("grant", "reserved", 14, 2, true,
	ProtoField.uint16("deos.grant.reserved", "reserved", base.DEC, nil, nil,
		"0"))
field("grant", "count", 16, 8, true,
	ProtoField.uint64("deos.grant.count", "count", base.DEC, nil, nil,
		"units in its range"))
field("grant", "word", 24, 8, true,
	ProtoField.uint64("deos.grant.word", "word", base.HEX, nil, nil,
		"chosen by the granting environment, shown to the other"))

structs.derive = { size = 56 }
field("derive", "uuid", 0, 16, false,
	ProtoField.bytes("deos.derive.uuid", "uuid", base.NONE,
		"the other's node"))
field("derive", "incarnation", 16, 8, true,
	ProtoField.uint64("deos.derive.incarnation", "incarnation", base.HEX, nil, nil,
		"of that node"))
field("derive", "environment", 24, 4, true,
	ProtoField.uint32("deos.derive.environment", "environment", base.HEX, nil, nil,
		"on that node"))
field("derive", "rights", 28, 1, true,
	ProtoField.uint8("deos.derive.rights", "rights", base.DEC, nil, nil,
		"of the new capability"))
field("derive", "reserved", 29, 1, true,
	ProtoField.uint8("deos.derive.reserved", "reserved", base.DEC, nil, nil,
		"0"))
field("derive", "reserved2", 30, 2, true,
	ProtoField.uint16("deos.derive.reserved2", "reserved2", base.DEC, nil, nil,
		"0"))
field("derive", "base", 32, 8, true,
	ProtoField.uint64("deos.derive.base", "base", base.DEC, nil, nil,
		"first unit, counted from the start of the sender's range"))
field("derive", "count", 40, 8, true,
	ProtoField.uint64("deos.derive.count", "count", base.DEC, nil, nil,
		"units"))
field("derive", "word", 48, 8, true,
	ProtoField.uint64("deos.derive.word", "word", base.HEX, nil, nil,
		"shown to the other"))

structs.holders = { size = 8 }
field("holders", "count", 0, 4, true,
	ProtoField.uint32("deos.holders.count", "count", base.DEC, nil, nil,
		"holders that follow"))
field("holders", "next", 4, 4, true,
	ProtoField.uint32("deos.holders.next", "next", base.DEC, nil, nil,
		"the offset to ask for the next with; 0: there are no more"))

structs.holder = { size = 56 }
field("holder", "uuid", 0, 16, false,
	ProtoField.bytes("deos.holder.uuid", "uuid", base.NONE,
		"of its node"))
field("holder", "incarnation", 16, 8, true,
	ProtoField.uint64("deos.holder.incarnation", "incarnation", base.HEX, nil, nil,
		"of its node"))
field("holder", "environment", 24, 4, true,
	ProtoField.uint32("deos.holder.environment", "environment", base.HEX, nil, nil,
		"on its node"))
field("holder", "slot", 28, 4, true,
	ProtoField.uint32("deos.holder.slot", "slot", base.DEC, nil, nil,
		"in the owner's export table"))
field("holder", "generation", 32, 4, true,
	ProtoField.uint32("deos.holder.generation", "generation", base.HEX, nil, nil,
		"of that slot"))
field("holder", "type", 36, 1, true,
	ProtoField.uint8("deos.holder.type", "type", base.DEC, types, nil,
		"the table of capability types"))
field("holder", "rights", 37, 1, true,
	ProtoField.uint8("deos.holder.rights", "rights", base.DEC, nil, nil,
		"READ 1, WRITE 2, DERIVE 8"),
	{ ProtoField.bool("deos.holder.rights.read", "READ", 8, nil, 1),
	  ProtoField.bool("deos.holder.rights.write", "WRITE", 8, nil, 2),
	  ProtoField.bool("deos.holder.rights.derive", "DERIVE", 8, nil, 8) })
field("holder", "alive", 38, 2, true,
	ProtoField.uint16("deos.holder.alive", "alive", base.DEC, nil, nil,
		"1: there is a session with its node, in that incarnation; else 0"))
field("holder", "base", 40, 8, true,
	ProtoField.uint64("deos.holder.base", "base", base.DEC, nil, nil,
		"first unit, counted from the start of the range of the one asked about"))
field("holder", "count", 48, 8, true,
	ProtoField.uint64("deos.holder.count", "count", base.DEC, nil, nil,
		"units"))

structs.expel = { size = 8 }
field("expel", "slot", 0, 4, true,
	ProtoField.uint32("deos.expel.slot", "slot", base.DEC, nil, nil,
		"of the capability that goes, in the owner's export table"))
field("expel", "generation", 4, 4, true,
	ProtoField.uint32("deos.expel.generation", "generation", base.HEX, nil, nil,
		"of that slot"))

structs.protect = { size = 12 }
field("protect", "slot", 0, 4, true,
	ProtoField.uint32("deos.protect.slot", "slot", base.DEC, nil, nil,
		"of the capability, in the owner's export table; 2^32 - 1: the sender's " ..
		"own"))
field("protect", "generation", 4, 4, true,
	ProtoField.uint32("deos.protect.generation", "generation", base.HEX, nil, nil,
		"of that slot; 0 for the sender's own"))
field("protect", "rights", 8, 1, true,
	ProtoField.uint8("deos.protect.rights", "rights", base.DEC, nil, nil,
		"that it keeps: READ 1, WRITE 2, DERIVE 8"),
	{ ProtoField.bool("deos.protect.rights.read", "READ", 8, nil, 1),
	  ProtoField.bool("deos.protect.rights.write", "WRITE", 8, nil, 2),
	  ProtoField.bool("deos.protect.rights.derive", "DERIVE", 8, nil, 8) })
field("protect", "reserved", 9, 1, true,
	ProtoField.uint8("deos.protect.reserved", "reserved", base.DEC, nil, nil,
		"0"))
field("protect", "reserved2", 10, 2, true,
	ProtoField.uint16("deos.protect.reserved2", "reserved2", base.DEC, nil, nil,
		"0"))

structs.alloc = { size = 28 }
field("alloc", "base", 0, 8, true,
	ProtoField.uint64("deos.alloc.base", "base", base.DEC, nil, nil,
		"first unit that may be taken, counted from the start of the sender's " ..
		"range"))
field("alloc", "word", 8, 8, true,
	ProtoField.uint64("deos.alloc.word", "word", base.HEX, nil, nil,
		"shown with the capability, as with a GRANT"))
field("alloc", "range", 16, 4, true,
	ProtoField.uint32("deos.alloc.range", "range", base.DEC, nil, nil,
		"units from there that may be taken, 1 to 4096"))
field("alloc", "count", 20, 4, true,
	ProtoField.uint32("deos.alloc.count", "count", base.DEC, nil, nil,
		"units in a row that are taken, 1 to 16"))
field("alloc", "rights", 24, 1, true,
	ProtoField.uint8("deos.alloc.rights", "rights", base.DEC, nil, nil,
		"of the new capability: no others than the pool's"))
field("alloc", "reserved", 25, 1, true,
	ProtoField.uint8("deos.alloc.reserved", "reserved", base.DEC, nil, nil,
		"0"))
field("alloc", "reserved2", 26, 2, true,
	ProtoField.uint16("deos.alloc.reserved2", "reserved2", base.DEC, nil, nil,
		"0"))

structs.secret = { size = 24 }
field("secret", "clock", 0, 8, true,
	ProtoField.uint64("deos.secret.clock", "clock", base.DEC, nil, nil,
		"the owner's, in microseconds since its boot, when the frame was sent"))
field("secret", "key", 8, 16, false,
	ProtoField.bytes("deos.secret.key", "key", base.NONE,
		"the secret of the slot, under a mask: rcap.md"))

structs.ticket = { size = 136 }
field("ticket", "owner", 0, 16, false,
	ProtoField.bytes("deos.ticket.owner", "owner", base.NONE,
		"the node that it is to be redeemed at"))
field("ticket", "owner_incarnation", 16, 8, true,
	ProtoField.uint64("deos.ticket.owner_incarnation", "owner_incarnation", base.HEX, nil, nil,
		"of that node"))
field("ticket", "maker", 24, 16, false,
	ProtoField.bytes("deos.ticket.maker", "maker", base.NONE,
		"the node of the holder who made it"))
field("ticket", "maker_incarnation", 40, 8, true,
	ProtoField.uint64("deos.ticket.maker_incarnation", "maker_incarnation", base.HEX, nil, nil,
		"of that node"))
field("ticket", "maker_environment", 48, 4, true,
	ProtoField.uint32("deos.ticket.maker_environment", "maker_environment", base.DEC, nil, nil,
		"on that node"))
field("ticket", "slot", 52, 4, true,
	ProtoField.uint32("deos.ticket.slot", "slot", base.DEC, nil, nil,
		"of the maker's capability in the owner's export table"))
field("ticket", "generation", 56, 4, true,
	ProtoField.uint32("deos.ticket.generation", "generation", base.HEX, nil, nil,
		"of that slot"))
field("ticket", "serial", 60, 4, true,
	ProtoField.uint32("deos.ticket.serial", "serial", base.DEC, nil, nil,
		"counts the tickets from one capability, from 1"))
field("ticket", "uuid", 64, 16, false,
	ProtoField.bytes("deos.ticket.uuid", "uuid", base.NONE,
		"the node that may redeem it"))
field("ticket", "incarnation", 80, 8, true,
	ProtoField.uint64("deos.ticket.incarnation", "incarnation", base.HEX, nil, nil,
		"of that node"))
field("ticket", "environment", 88, 4, true,
	ProtoField.uint32("deos.ticket.environment", "environment", base.HEX, nil, nil,
		"on that node"))
field("ticket", "rights", 92, 1, true,
	ProtoField.uint8("deos.ticket.rights", "rights", base.DEC, nil, nil,
		"of the new capability"))
field("ticket", "reserved", 93, 1, true,
	ProtoField.uint8("deos.ticket.reserved", "reserved", base.DEC, nil, nil,
		"0"))
field("ticket", "reserved2", 94, 2, true,
	ProtoField.uint16("deos.ticket.reserved2", "reserved2", base.DEC, nil, nil,
		"0"))
field("ticket", "base", 96, 8, true,
	ProtoField.uint64("deos.ticket.base", "base", base.DEC, nil, nil,
		"first unit, counted from the start of the maker's range"))
field("ticket", "count", 104, 8, true,
	ProtoField.uint64("deos.ticket.count", "count", base.DEC, nil, nil,
		"units"))
field("ticket", "expires", 112, 8, true,
	ProtoField.uint64("deos.ticket.expires", "expires", base.DEC, nil, nil,
		"when its time is over, by the owner's clock, in microseconds since its " ..
		"boot"))
field("ticket", "tag", 120, 16, false,
	ProtoField.bytes("deos.ticket.tag", "tag", base.NONE,
		"SipHash-2-4 with 128 bits of all before it, under the secret of the slot"))

structs.recall = { size = 32 }
field("recall", "environment", 0, 4, true,
	ProtoField.uint32("deos.recall.environment", "environment", base.HEX, nil, nil,
		"who holds it"))
field("recall", "slot", 4, 4, true,
	ProtoField.uint32("deos.recall.slot", "slot", base.DEC, nil, nil,
		"in the sender's export table"))
field("recall", "generation", 8, 4, true,
	ProtoField.uint32("deos.recall.generation", "generation", base.HEX, nil, nil,
		"of that slot"))
field("recall", "deadline", 12, 4, true,
	ProtoField.uint32("deos.recall.deadline", "deadline", base.DEC, nil, nil,
		"of a request: by the sender's clock, as in the header, in microseconds; " ..
		"else 0"))
field("recall", "gone", 16, 2, true,
	ProtoField.uint16("deos.recall.gone", "gone", base.DEC, nil, nil,
		"1: all but the first `keep` units are gone; 0: they are asked for until " ..
		"the deadline"))
field("recall", "reserved", 18, 2, true,
	ProtoField.uint16("deos.recall.reserved", "reserved", base.DEC, nil, nil,
		"0"))
field("recall", "reserved2", 20, 4, true,
	ProtoField.uint32("deos.recall.reserved2", "reserved2", base.DEC, nil, nil,
		"0"))
field("recall", "keep", 24, 8, true,
	ProtoField.uint64("deos.recall.keep", "keep", base.DEC, nil, nil,
		"units that stay, counted from the start of the range"))
local other = {
	tag = ProtoField.uint64("deos.tag", "tag", base.HEX, nil, nil,
		"SipHash-2-4 of all from the header up to here"),
	data = ProtoField.bytes("deos.data", "data", base.NONE, "what the operation moves"),
	padding = ProtoField.bytes("deos.padding", "padding", base.NONE, "under the tag"),
	request_in = ProtoField.framenum("deos.request_in", "asked in", base.NONE,
		frametype.REQUEST),
	response_in = ProtoField.framenum("deos.response_in", "answered in", base.NONE,
		frametype.RESPONSE),
	time = ProtoField.relative_time("deos.time", "answered after"),
}
for _, proto in pairs(other) do
	table.insert(all, proto)
end
deos.fields = all

local flaw = ProtoExpert.new("deos.flaw", "not well formed", expert.group.MALFORMED,
	expert.severity.ERROR)
local stranger = ProtoExpert.new("deos.stranger", "another version",
	expert.group.UNDECODED, expert.severity.WARN)
local refused = ProtoExpert.new("deos.refused", "refused", expert.group.RESPONSE_CODE,
	expert.severity.NOTE)
deos.experts = { flaw, stranger, refused }

-- By both incarnations and the number: the frames that asked and answered first.
local asked, answered = {}, {}

function deos.init()
	asked, answered = {}, {}
end

-- A number of at most four bytes.
local function number(struct, name, range, at)
	local f = structs[struct][name]

	return range(at + f.at, f.size):le_uint()
end

-- Adds a structure to the tree. Returns where it ends.
local function show(struct, range, at, tree)
	local size = structs[struct].size
	local branch = tree:add(deos, range(at, size), struct)

	for _, f in ipairs(structs[struct]) do
		local bytes = range(at + f.at, f.size)
		local leaf

		if f.is_number then
			leaf = branch:add_le(f.proto, bytes)
		else
			leaf = branch:add(f.proto, bytes)
		end
		for _, bit in ipairs(f.bits) do
			leaf:add_le(bit, bytes)
		end
	end
	return at + size
end

-- A request and its answer.
local function relate(range, at, pinfo, tree, answers)
	local from = number("header", "from", range, 0)
	local to = number("header", "to", range, 0)
	local n = number(answers and "response" or "request", "number", range, at)
	local key = answers and string.format("%x %x %x", to, from, n) or
		string.format("%x %x %x", from, to, n)
	local here = answers and answered or asked
	local there = (answers and asked or answered)[key]

	if not here[key] then
		here[key] = { frame = pinfo.number, time = pinfo.abs_ts,
			op = not answers and number("request", "op", range, at) or nil }
	end
	if there then
		local which = answers and other.request_in or other.response_in
		local passed = pinfo.abs_ts - there.time

		tree:add(which, there.frame):set_generated()
		if answers and passed >= 0 then
			-- Times come as floating point: microseconds are what it holds.
			local us = math.floor(passed * 1e6 + 0.5)

			tree:add(other.time, NSTime(math.floor(us / 1000000), us % 1000000 * 1000))
				:set_generated()
		end
	end
	return there and there.op
end

local function say_request(range, at)
	local op = number("request", "op", range, at)
	local slot = number("request", "slot", range, at)
	local text = string.format("%s #%u", ops[op] or "?",
		number("request", "number", range, at))

	if number("request", "flags", range, at) % 4 >= 2 then
		text = text .. " CANCEL"
	end
	if slot ~= 0xffffffff then
		text = text .. string.format(" slot %u.%u", slot,
			number("request", "generation", range, at))
	end
	return text .. string.format(" %u bytes, part %u",
		number("request", "length", range, at), number("request", "part", range, at))
end

-- Whether another request stands behind it.
local function more_follows(range, at)
	return number("request", "flags", range, at) % 8 >= 4
end

local function say_response(range, at, op)
	local code = number("response", "code", range, at)
	local text = string.format("%s #%u %s", op and ops[op] or "",
		number("response", "number", range, at),
		statuses[number("response", "status", range, at)] or "?")

	if code ~= 0 then
		text = text .. " " .. (codes[code] or tostring(code))
	end
	return text .. string.format(" %u bytes, part %u of %u",
		number("response", "length", range, at), number("response", "part", range, at),
		number("response", "parts", range, at))
end

-- What stands between the body and the tag.
local function show_rest(kind, op, pieces, range, at, stop, tree)
	local operand = kind == 4 and operands[op]

	if operand == "change" and at + structs.change.size <= stop then
		at = show(operand, range, at, tree)
		operand = "piece"
	end
	while operand and pieces > 0 and at + structs[operand].size <= stop do
		at = show(operand, range, at, tree)
		pieces = pieces - 1
	end
	if operand == "grant" and at + structs.secret.size == stop then
		at = show("secret", range, at, tree)
	end
	if at < stop then
		tree:add(kind == 3 and other.padding or other.data, range(at, stop - at))
	end
end

function deos.dissector(buffer, pinfo, root)
	local tag = 8
	local head = structs.header.size
	local tree = root:add(deos, buffer())

	pinfo.cols.protocol = "DEOS"
	pinfo.cols.info = ""
	if buffer:len() < head + tag then
		tree:add_proto_expert_info(flaw, "it ends before its header and tag do")
		return
	end

	local length = number("header", "length", buffer, 0)
	local kind = number("header", "kind", buffer, 0)

	show("header", buffer, 0, tree)
	if number("header", "version", buffer, 0) ~= 1 then
		tree:add_proto_expert_info(stranger)
		return
	end
	if length > buffer:len() then
		tree:add_proto_expert_info(flaw, "its length is more than there is")
		return
	end

	local body = bodies[kind]

	if not body then
		tree:add_proto_expert_info(flaw, "no such kind")
		return
	end
	if length < head + structs[body].size + tag then
		tree:add_proto_expert_info(flaw, "its length is less than its kind's")
		return
	end
	tree:set_len(length)
	pinfo.cols.info = kinds[kind]

	local at = show(body, buffer, head, tree)
	local op
	local pieces = 1

	if kind == 4 then
		op = number("request", "op", buffer, head)
		pieces = number("request", "pieces", buffer, head)
		if pieces == 0 then
			pieces = ops[op] == "MCAS" and 3 or 1
		end
		relate(buffer, head, pinfo, tree, false)
		pinfo.cols.info:append(" " .. say_request(buffer, head))
		local last = head
		while more_follows(buffer, last) and at + structs.request.size <= length - tag do
			last, at = at, show("request", buffer, at, tree)
			relate(buffer, last, pinfo, tree, false)
			pinfo.cols.info:append("; " .. say_request(buffer, last))
		end
	elseif kind == 5 then
		op = relate(buffer, head, pinfo, tree, true)
		pinfo.cols.info:append(" " .. say_response(buffer, head, op))
		if number("response", "code", buffer, head) ~= 0 then
			tree:add_proto_expert_info(refused)
		end
	end
	show_rest(kind, op, pieces, buffer, at, length - tag, tree)
	tree:add_le(other.tag, buffer(length - tag, tag))
end

DissectorTable.get("ethertype"):add(0x88b5, deos)
