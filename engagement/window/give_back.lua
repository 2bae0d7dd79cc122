-- Give back what a take was granted: its events turned out not to be new, or were not stored.
--
-- KEYS[1] as in take.lua
-- ARGV: the `now` of the take, window in ms, number of senders, the senders, events of each (left out: one each)

local STAMP = 4

local now, window, senders = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local offset = now % window
local key = KEYS[1] .. (now - offset) / window
local stamp = struct.pack('>I4', offset)

for i = 1, senders do
  local stamps, back = redis.call('HGET', key, ARGV[3 + i]), tonumber(ARGV[3 + senders + i] or 1)
  if stamps then
    -- Exactly the stamps of that take: another's, even a moment later, counts for longer.
    local at = #stamps - STAMP + 1
    while at > 0 and back > 0 do
      if stamps:sub(at, at + STAMP - 1) == stamp then
        stamps = stamps:sub(1, at - 1) .. stamps:sub(at + STAMP)
        back = back - 1
      end
      at = at - STAMP
    end
    redis.call('HSET', key, ARGV[3 + i], stamps)
  end
end
