"""The limits of many replicas, as scripts that Redis runs one after the other, by its own clock.

Law: a request takes its place in all of its limits or in none, and no stretch of a minute ever holds more than its
limit: what passed is counted by the second, and the last 61 seconds count (as in :mod:`~llm_gateway.access.windows`).

A window is a hash of seconds and amounts. Requests at the same time are a sorted set of tickets by the end of their
lease: those of a replica that died end by themselves. Beside a limit at which replicas wait stands ``:waiting``, the
replicas by when they began to; whoever waits longest is let in first.
"""

from llm_gateway.storage.redis_server import Script

ADMIT = Script("""
local ticket, lease_ms, replica, manner, grace_ms = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4], ARGV[5]
local time = redis.call('TIME')
local second = tonumber(time[1])
local now = second * 1000 + math.floor(tonumber(time[2]) / 1000)

local function room_in_window(key, limit, amount)
  local sum, slots = 0, {}
  local told = redis.call('HGETALL', key)
  for n = 1, #told, 2 do
    local at, passed = tonumber(told[n]), tonumber(told[n + 1])
    if at < second - 60 or at > second + 60 then
      redis.call('HDEL', key, told[n])
    else
      sum = sum + passed
      slots[#slots + 1] = {at, passed}
    end
  end
  local excess = sum + amount - limit
  if excess <= 0 then return sum, 0 end
  table.sort(slots, function(one, other) return one[1] < other[1] end)
  for _, slot in ipairs(slots) do
    excess = excess - slot[2]
    if excess <= 0 then return sum, math.max(1, (slot[1] + 61) * 1000 - now) end
  end
  return sum, 61000
end

local function room_beside(key, limit)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
  local busy = redis.call('ZCARD', key)
  return busy, busy < limit and 0 or 1000
end

local function others_wait(key)
  local queue = key .. ':waiting'
  while true do
    local first = redis.call('ZRANGE', queue, 0, 0)[1]
    if not first or first == replica then return false end
    if redis.call('EXISTS', queue .. ':' .. first) == 1 then return true end
    redis.call('ZREM', queue, first)
  end
end

local longest, tight, totals = 0, 0, {}
for i, key in ipairs(KEYS) do
  local kind, limit, amount = ARGV[3 + 3 * i], tonumber(ARGV[4 + 3 * i]), tonumber(ARGV[5 + 3 * i])
  local wait
  if kind == 'beside' then
    totals[i], wait = room_beside(key, limit)
  else
    totals[i], wait = room_in_window(key, limit, amount)
  end
  if wait == 0 and manner ~= 'refuse' and others_wait(key) then wait = 100 end
  if wait > longest then longest, tight = wait, i end
end

if tight > 0 then
  if manner == 'turn' then
    local queue = KEYS[tight] .. ':waiting'
    redis.call('ZADD', queue, 'NX', now, replica)
    redis.call('PEXPIRE', queue, 60000)
    redis.call('SET', queue .. ':' .. replica, '1', 'PX', grace_ms)
  end
  return {tight, longest}
end

for i, key in ipairs(KEYS) do
  local amount = tonumber(ARGV[5 + 3 * i])
  if ARGV[3 + 3 * i] == 'beside' then
    redis.call('ZADD', key, now + lease_ms, ticket)
    redis.call('PEXPIRE', key, lease_ms)
    totals[i] = totals[i] + 1
  else
    redis.call('HINCRBY', key, second, amount)
    redis.call('EXPIRE', key, 125)
    totals[i] = totals[i] + amount
  end
  if manner == 'turn' then redis.call('ZREM', key .. ':waiting', replica) end
end
return {0, second, unpack(totals)}
""")
"""ARGV: ticket, its lease in ms, replica, manner, grace in ms; then kind, limit and amount for each key.

``manner``: ``refuse`` where nobody ever waits, ``come`` for one that came just now, ``turn`` for one that waits.
Gives 0, the second, and the totals; or the number of the tightest limit, and the time until it has room in ms.
"""

SETTLE = Script("""
for i, key in ipairs(KEYS) do
  local correction = ARGV[2 + i]
  if correction == 'beside' then
    redis.call('ZREM', key, ARGV[1])
  elseif redis.call('HEXISTS', key, ARGV[2]) == 1 then
    redis.call('HINCRBY', key, ARGV[2], correction)
  end
end
return 1
""")
"""ARGV: ticket, second; then for each key ``beside`` or what is to be added to that second."""

RENEW = Script("""
local time = redis.call('TIME')
local ends = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) + tonumber(ARGV[1])
for i, key in ipairs(KEYS) do
  redis.call('ZADD', key, ends, ARGV[1 + i])
  redis.call('PEXPIRE', key, ARGV[1])
end
return 1
""")
"""ARGV: lease in ms, then a ticket for each key. Those that were lost meanwhile are taken anew."""
