-- SPDX-License-Identifier: BSD-2-Clause
-- What net/wire/deos.lua is made of: dissector.py puts tables and structures where this
-- says, and leaves this comment away. It reads frames in the parser's order (wire.c):
-- lengths, version, kind, body, and then what the kind says that there is.

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

-- (tables)
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

-- (structures)
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
