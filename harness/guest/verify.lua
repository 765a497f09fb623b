-- SPDX-License-Identifier: BSD-2-Clause
-- wrk's script for test_network.py: every body must be the file's, byte for byte.
--   wrk -s verify.lua URL -- FILE
-- Ends with a line `bodies N wrong N`.

local threads = {}

function setup(thread)
   table.insert(threads, thread)
end

function init(args)
   local file = assert(io.open(args[1], "rb"))
   expected = file:read("*a")
   file:close()
   bodies, wrong = 0, 0
end

function response(status, headers, body)
   bodies = bodies + 1
   if status ~= 200 or body ~= expected then
      wrong = wrong + 1
   end
end

function done(summary, latency, requests)
   local bodies, wrong = 0, 0
   for _, thread in ipairs(threads) do
      bodies = bodies + thread:get("bodies")
      wrong = wrong + thread:get("wrong")
   end
   print(string.format("bodies %d wrong %d", bodies, wrong))
end
