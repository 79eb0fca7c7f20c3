// Jobs in streams: one per task and priority, with one consumer group. A job is
// {id, task, payload, unique, max, ends, seen, at, priority}, all strings.
#include "daemon/queue/drivers/redis_scripts.h"

namespace workmand::redis {

const char* const kStreamPrelude = R"lua(
-- A hold is over when its entry has been idle for so long: every hold sets its idle time to LONG
-- less its lease, because a consumer cannot know the lease of another one.
local LONG = 2592000000
local PRIORITIES = {'high', 'normal', 'low'}
local function stream(task, priority) return S .. ':task:' .. task .. ':' .. priority end
local function idle_for(lease) return ms(math.max(LONG - tonumber(lease), 0)) end
local function place(j, delay)
  if delay > 0 then
    redis.call('ZADD', S .. ':delayed:' .. j[2], ms(now() + delay), cmsgpack.pack(j))
  else
    redis.call('XADD', stream(j[2], j[9]), '*', 'task', j[2], 'id', j[1], 'payload', j[3],
               'unique', j[4], 'max', j[5], 'ends', j[6], 'seen', j[7], 'at', j[8])
  end
  ring()
end
local function job_of(entry, task, priority)
  local f = {}
  for i = 1, #entry[2], 2 do f[entry[2][i]] = entry[2][i + 1] end
  return {f.id or entry[1], task, f.payload or '', f.unique or '', f.max or '0', f.ends or '0',
          f.seen or '0', f.at or string.match(entry[1], '^%d+'), priority}
end
-- ARGV[i..]: id, task, payload, unique, max, priority, delay, producer.
local function put(i)
  local task = ARGV[i + 1]
  redis.call('SADD', S .. ':tasks', task)
  local id, new = claim_unique(task, ARGV[i + 3], ARGV[i])
  wait_for(id, ARGV[i + 7])
  if new then
    place({id, task, ARGV[i + 2], ARGV[i + 3], ARGV[i + 4], '0', '0', ms(now()), ARGV[i + 5]},
          tonumber(ARGV[i + 6]))
  end
  return id
end
)lua";

const char* const kStreamPut = "return put(2)";

// ARGV: stem, group, consumer, n, lease, look for holds that are over, tasks...
// Returns {bell, ms until something falls due or -1, jobs}.
const char* const kStreamFetch = R"lua(
local group, consumer, n, lease = ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5]
local t, due, out = now(), -1, {}
local function give(key, entry, count, task, priority)
  local j = job_of(entry, task, priority)
  redis.call('XCLAIM', key, group, consumer, '0', entry[1], 'IDLE', idle_for(lease), 'JUSTID')
  out[#out + 1] = {key, entry[1], count, j[1], task, j[3], j[4], j[5], j[6], j[7], j[8], priority,
                   redis.call('EXISTS', S .. ':waiters:' .. j[1])}
end
local function take(key, want, task, priority)
  if want <= 0 or redis.call('EXISTS', key) == 0 then return end
  for try = 1, 2 do
    local got = redis.pcall('XREADGROUP', 'GROUP', group, consumer, 'COUNT', want, 'STREAMS', key,
                            '>')
    if not got then return end
    if not got.err then
      for _, entry in ipairs(got[1][2]) do give(key, entry, 1, task, priority) end
      return
    end
    if try == 2 or not string.find(got.err, 'NOGROUP', 1, true) then error(got.err) end
    redis.call('XGROUP', 'CREATE', key, group, '0')
  end
end
local function reclaim(key, task, priority)
  if redis.call('EXISTS', key) == 0 then return end
  local cursor = '0-0'
  while #out < n do
    local got = redis.pcall('XAUTOCLAIM', key, group, consumer, LONG, cursor, 'COUNT', n - #out)
    if got.err then return end
    for _, entry in ipairs(got[2]) do
      if entry and entry[2] then
        local pending = redis.call('XPENDING', key, group, entry[1], entry[1], '1')
        give(key, entry, pending[1][4], task, priority)
      end
    end
    cursor = got[1]
    if cursor == '0-0' then return end
  end
end
for i = 7, #ARGV do
  local delayed = S .. ':delayed:' .. ARGV[i]
  for _, packed in ipairs(redis.call('ZRANGEBYSCORE', delayed, '-inf', ms(t), 'LIMIT', '0', '500')) do
    redis.call('ZREM', delayed, packed)
    place(cmsgpack.unpack(packed), 0)
  end
  local first = redis.call('ZRANGE', delayed, '0', '0', 'WITHSCORES')
  if first[2] and (due < 0 or first[2] - t < due) then due = math.max(first[2] - t, 0) end
end
for _, priority in ipairs(PRIORITIES) do
  if ARGV[6] == '1' then
    for i = 7, #ARGV do reclaim(stream(ARGV[i], priority), ARGV[i], priority) end
  end
  local share = math.max(math.ceil((n - #out) / math.max(#ARGV - 6, 1)), 1)
  for i = 7, #ARGV do
    take(stream(ARGV[i], priority), math.min(share, n - #out), ARGV[i], priority)
  end
  for i = 7, #ARGV do take(stream(ARGV[i], priority), n - #out, ARGV[i], priority) end
end
return {bell(), due, out}
)lua";

// ARGV: stem, group, consumer, key, entry, count, task, priority, kind, bytes, delay, never ran,
// a, b, ttl of results, then the follow-ups, eight words each.
const char* const kStreamSettle = R"lua(
local group, consumer, key, entry, task, priority = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[7],
  ARGV[8]
local kind, bytes, delay, ttl = ARGV[9], ARGV[10], tonumber(ARGV[11]), ARGV[15]
local held = redis.pcall('XPENDING', key, group, entry, entry, '1', consumer)
if held.err or not held[1] or held[1][4] ~= tonumber(ARGV[6]) then return 'lost' end
if kind == 'extend' then
  redis.call('XCLAIM', key, group, consumer, '0', entry, 'IDLE', idle_for(delay), 'JUSTID')
  return 'ok'
end
local found = redis.call('XRANGE', key, entry, entry)[1]
if not found then return 'lost' end
local j = job_of(found, task, priority)
if kind == 'progress' or kind == 'data' then
  tell(j[1], kind, bytes, ARGV[13], ARGV[14], ttl)
  return 'ok'
end
redis.call('XACK', key, group, entry)
redis.call('XDEL', key, entry)
local seen = tonumber(j[7]) + tonumber(ARGV[6])
if kind == 'done' or kind == 'dead' then
  free_unique(task, j[4], j[1])
  answer(j[1], kind == 'done' and 'done' or 'failed', bytes, ttl)
end
if kind == 'dead' then
  j[6], j[7] = ms(j[6] + 1), ms(seen)
  redis.call('HSET', S .. ':dead', j[1], cmsgpack.pack({j, bytes, ms(now())}))
  redis.call('ZADD', S .. ':dead:at', ms(now()), j[1])
elseif kind == 'retry' then
  j[6], j[7] = ms(j[6] + 1), ms(seen)
  place(j, delay)
elseif kind == 'abort' then
  j[7] = ms(ARGV[12] == '1' and seen - 1 or seen)
  place(j, delay)
end
for i = 16, #ARGV, 8 do put(i) end
return 'ok'
)lua";

// ARGV: stem, group, consumer, key, and for each job entry and count. Jobs that nobody waits for,
// and without a unique key. Returns for each whether it was ours still.
const char* const kStreamDone = R"lua(
local group, consumer, key = ARGV[2], ARGV[3], ARGV[4]
local answers, ours = {}, {}
for i = 5, #ARGV, 2 do
  local held = redis.pcall('XPENDING', key, group, ARGV[i], ARGV[i], '1', consumer)
  local good = not held.err and held[1] and held[1][4] == tonumber(ARGV[i + 1])
  answers[#answers + 1] = good and 'ok' or 'lost'
  if good then ours[#ours + 1] = ARGV[i] end
end
if #ours > 0 then
  redis.call('XACK', key, group, unpack(ours))
  redis.call('XDEL', key, unpack(ours))
end
return answers
)lua";

// ARGV: stem, group, retention, whether to look for consumers that are gone.
const char* const kStreamTick = R"lua(
local keep = tonumber(ARGV[3])
if keep > 0 then
  local old = redis.call('ZRANGEBYSCORE', S .. ':dead:at', '-inf', ms(now() - keep), 'LIMIT', '0',
                         '1000')
  for _, id in ipairs(old) do
    redis.call('HDEL', S .. ':dead', id)
    redis.call('ZREM', S .. ':dead:at', id)
  end
end
if ARGV[4] == '1' then
  for _, task in ipairs(redis.call('SMEMBERS', S .. ':tasks')) do
    for _, priority in ipairs(PRIORITIES) do
      local key = stream(task, priority)
      local consumers = redis.pcall('XINFO', 'CONSUMERS', key, ARGV[2])
      for _, c in ipairs(consumers.err and {} or consumers) do
        -- name, pending and idle stand at 2, 4 and 6.
        if c[4] == 0 and c[6] > 86400000 then
          redis.call('XGROUP', 'DELCONSUMER', key, ARGV[2], c[2])
        end
      end
    end
  end
end
return 'ok'
)lua";

// ARGV: stem, group, task ("" = all).
const char* const kStreamSize = R"lua(
local tasks = ARGV[3] == '' and redis.call('SMEMBERS', S .. ':tasks') or {ARGV[3]}
local sum = 0
for _, task in ipairs(tasks) do
  sum = sum + redis.call('ZCARD', S .. ':delayed:' .. task)
  for _, priority in ipairs(PRIORITIES) do
    local key = stream(task, priority)
    local pending = redis.pcall('XPENDING', key, ARGV[2])
    sum = sum + redis.call('XLEN', key) - (pending.err and 0 or pending[1])
  end
end
return sum
)lua";

// ARGV: stem, group. Returns the age of the oldest job that is ready in ms, or -1.
const char* const kStreamOldest = R"lua(
local oldest
for _, task in ipairs(redis.call('SMEMBERS', S .. ':tasks')) do
  for _, priority in ipairs(PRIORITIES) do
    local key, after = stream(task, priority), '-'
    local groups = redis.pcall('XINFO', 'GROUPS', key)
    for _, g in ipairs(groups.err and {} or groups) do
      if g[2] == ARGV[2] then after = '(' .. g[8] end
    end
    local first = redis.call('XRANGE', key, after, '+', 'COUNT', '1')[1]
    if first then
      local at = tonumber(job_of(first, task, priority)[8])
      if not oldest or at < oldest then oldest = at end
    end
  end
end
return oldest and math.max(now() - oldest, 0) or -1
)lua";

// ARGV: stem, limit. Rows: id, task, payload, error, ends, seen, failed at.
const char* const kStreamLetters = R"lua(
local out = {}
for _, id in ipairs(redis.call('ZREVRANGE', S .. ':dead:at', '0', tonumber(ARGV[2]) - 1)) do
  local packed = redis.call('HGET', S .. ':dead', id)
  if packed then
    local dead = cmsgpack.unpack(packed)
    local j = dead[1]
    out[#out + 1] = {j[1], j[2], j[3], dead[2], j[6], j[7], dead[3]}
  end
end
return out
)lua";

// ARGV: stem, id. A unique key that a younger job has by now is left to that one.
const char* const kStreamRetry = R"lua(
local packed = redis.call('HGET', S .. ':dead', ARGV[2])
if not packed then return 0 end
redis.call('HDEL', S .. ':dead', ARGV[2])
redis.call('ZREM', S .. ':dead:at', ARGV[2])
local j = cmsgpack.unpack(packed)[1]
j[6], j[7] = '0', '0'
local _, ours = claim_unique(j[2], j[4], j[1])
if not ours then j[4] = '' end
place(j, 0)
return 1
)lua";

const char* const kStreamDrop = R"lua(
redis.call('ZREM', S .. ':dead:at', ARGV[2])
return redis.call('HDEL', S .. ':dead', ARGV[2])
)lua";

}  // namespace workmand::redis
