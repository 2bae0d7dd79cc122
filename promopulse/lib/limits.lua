-- Judge one request of a caller, and count it if it is let through.
--
-- KEYS[1] the caller's, under one rate
-- ARGV: limit, window in ms, 1 to count or 0 to look
-- -> {1 if let through, requests left, ms until there is room (until the span ends if there is)}
--
-- Time is cut into spans as long as the window. A caller's hash holds how many requests came in the
-- span it is in and in the one before it; of the latter the part counts that the window still touches.

local limit, window, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local span, passed = math.floor(now / window), now % window

local kept = redis.call('HMGET', KEYS[1], 'span', 'count', 'before')
local at, count, before = tonumber(kept[1] or -1), tonumber(kept[2] or 0), tonumber(kept[3] or 0)
if at == span - 1 then
  count, before = 0, count
elseif at ~= span then
  count, before = 0, 0
end

local used = before * (window - passed) / window + count
if used < limit then
  if cost == 1 then
    redis.call('HSET', KEYS[1], 'span', span, 'count', count + 1, 'before', before)
    redis.call('PEXPIRE', KEYS[1], 2 * window - passed)
    used = used + 1
  end
  return {1, math.max(0, math.floor(limit - used)), window - passed}
end

local wait
if count < limit then
  wait = window - (limit - count) * window / before - passed
else
  wait = 2 * window - limit * window / count - passed
end
return {0, 0, math.floor(wait) + 1}
