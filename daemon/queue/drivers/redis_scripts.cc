#include "daemon/queue/drivers/redis_scripts.h"

namespace workmand::redis {

const char* const kPrelude = R"lua(
local S = ARGV[1]
local function now()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end
local function ms(n) return string.format('%.0f', n) end
-- Ends the wait of every daemon that sleeps.
local function ring() redis.call('XADD', S .. ':bell', 'MAXLEN', '1', '*', 'b', '') end
local function bell()
  local last = redis.call('XREVRANGE', S .. ':bell', '+', '-', 'COUNT', '1')
  return last[1] and last[1][1] or '0-0'
end

-- The key of a job that is not settled yet leads to its id. Returns the id of the job that counts,
-- and whether it is a new one.
local function claim_unique(task, unique, id)
  if unique == '' then return id, true end
  local keys = S .. ':unique:' .. task
  local there = redis.call('HGET', keys, unique)
  if there then return there, there == id end
  redis.call('HSET', keys, unique, id)
  return id, true
end
local function free_unique(task, unique, id)
  if unique == '' then return end
  local keys = S .. ':unique:' .. task
  if redis.call('HGET', keys, unique) == id then redis.call('HDEL', keys, unique) end
end

-- Who waits for a result is remembered for a week.
local function wait_for(id, producer)
  if producer == '' then return end
  redis.call('SADD', S .. ':waiters:' .. id, producer)
  redis.call('PEXPIRE', S .. ':waiters:' .. id, '604800000')
end
local function tell(id, kind, bytes, a, b, ttl)
  for _, producer in ipairs(redis.call('SMEMBERS', S .. ':waiters:' .. id)) do
    local key = S .. ':replies:' .. producer
    redis.call('XADD', key, '*', 'id', id, 'kind', kind, 'bytes', bytes, 'a', a, 'b', b)
    if tonumber(ttl) > 0 then redis.call('PEXPIRE', key, ttl) end
  end
end
local function answer(id, kind, bytes, ttl)
  tell(id, kind, bytes, '0', '0', ttl)
  redis.call('DEL', S .. ':waiters:' .. id)
end
)lua";

}  // namespace workmand::redis
