-- Take room for the events of many senders, in one call.
--
-- KEYS[1] begins the names of the window's keys; its hash tag keeps them on one node of a cluster.
-- ARGV: limit, window in ms, number of senders, the senders, events of each (left out: one each)
-- -> {now, index, granted, left, wait in ms, ...}: a sole sender, else those that got less
--
-- Time is cut into spans as long as the window. A span is one hash: sender -> when its events came,
-- 4 bytes each, in ms since the span began; and under '' how many the busiest of them has. A window
-- touches two spans, so that a request of any size costs two reads and one write, and what is over is
-- dropped a span at a time. The last span is read only if its busiest could stand in somebody's way.

local STAMP, FIELDS_A_WRITE, LONG = 4, 4000, 99

local limit, window, senders = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local offset = now % window
local span = (now - offset) / window
local key = KEYS[1] .. span

local last = KEYS[1] .. (span - 1)
local current = redis.call('HMGET', key, '', unpack(ARGV, 4, 3 + senders))
local known = tonumber(current[1]) or 0
local busiest, busiest_before, previous = known, 0, nil
if senders == 1 then
  previous = {redis.call('HGET', last, ARGV[4])}
else
  busiest_before = tonumber(redis.call('HGET', last, '')) or 0
end
local stamp = struct.pack('>I4', offset)
local taken, answer = {}, {now}

for i = 1, senders do
  local want = tonumber(ARGV[3 + senders + i] or 1)
  local here = current[i + 1] or ''
  if not previous and #here / STAMP + busiest_before + want > limit then
    previous = redis.call('HMGET', last, unpack(ARGV, 4, 3 + senders))
  end
  local before = previous and previous[i] or ''
  local gone, of_before, count = 0, #before / STAMP, (#here + #before) / STAMP
  if of_before > 0 and (senders == 1 or count + want > limit) then
    -- Those of the last span that are older than the window no longer count. They are in order.
    local high = of_before
    while gone < high do
      local middle = math.floor((gone + high) / 2)
      if struct.unpack('>I4', before, middle * STAMP + 1) < offset then
        gone = middle + 1
      else
        high = middle
      end
    end
    count = count - gone
  end
  local granted = math.max(0, math.min(want, limit - count))
  if granted > 0 then
    here = here .. string.rep(stamp, granted)
    taken[#taken + 1] = ARGV[3 + i]
    taken[#taken + 1] = here
    count = count + granted
    busiest = math.max(busiest, #here / STAMP)
  end
  if senders == 1 or granted < want then
    -- There is room again when this many have left; one that is exactly a window old still counts.
    local leave = gone + math.max(1, count - limit + 1)
    local wait = window
    if leave <= of_before then
      wait = struct.unpack('>I4', before, (leave - 1) * STAMP + 1) - offset + 1
    elseif leave <= gone + count then
      wait = struct.unpack('>I4', here, (leave - 1 - of_before) * STAMP + 1) + window - offset + 1
    end
    local n = #answer
    answer[n + 1], answer[n + 2] = i, granted
    answer[n + 3], answer[n + 4] = math.max(0, limit - count), wait
  end
end

if #taken > 0 then
  if busiest > known then
    -- A long value makes Redis keep the hash as a table at once, not as a list it has to walk.
    redis.call('HSET', key, '', string.format('%-' .. LONG .. 'd', busiest))
  end
  if known == 0 then
    redis.call('PEXPIRE', key, 3 * window)
    redis.call('UNLINK', KEYS[1] .. (span - 2))
  end
  for from = 1, #taken, FIELDS_A_WRITE do
    redis.call('HSET', key, unpack(taken, from, math.min(from + FIELDS_A_WRITE - 1, #taken)))
  end
end
return answer
