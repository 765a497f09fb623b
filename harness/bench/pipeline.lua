-- SPDX-License-Identifier: BSD-2-Clause
-- wrk sends 16 requests at once on each connection and counts every response.
local DEPTH = 16
local batch

init = function()
	local one = wrk.format("GET")
	batch = string.rep(one, DEPTH)
end

request = function()
	return batch
end
