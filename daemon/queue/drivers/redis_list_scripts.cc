// Jobs in lists, as Resque, Sidekiq and Celery keep them: the elements are theirs, and what we must
// know besides stands in a member "workman" at the end of an element: an object without braces
// inside. Root is the clients' own namespace ("resque:" or ""), below which queues are
// `queue:NAME`.
#include "daemon/queue/drivers/redis_scripts.h"

namespace workmand::redis {

const char* const kListPrelude = R"lua(
local style, root = ARGV[2], ARGV[3]
-- Resque takes from the left, the others from the right.
local first, push, push_first = 0, 'RPUSH', 'LPUSH'
if style ~= 'resque' then first, push, push_first = -1, 'LPUSH', 'RPUSH' end
local function queue_key(queue)
  return style == 'celery' and queue or root .. 'queue:' .. queue
end
local function tell_queue(queue)
  if style ~= 'celery' then redis.call('SADD', root .. 'queues', queue) end
end
-- What an element is called: its class, and the id that it came with, if any. Resque writes the class
-- first; whether the rest is JSON is found out by who reads it.
local function name_of(element)
  local class, id = style == 'resque' and string.match(element, '^{"class":"([^"\\]+)",')
  if class then return class end
  local ok, j = pcall(cjson.decode, element)
  if not ok or type(j) ~= 'table' then return nil end
  if style ~= 'celery' then
    class, id = j.class, j.jid
  elseif type(j.headers) == 'table' then
    class, id = j.headers.task, j.headers.id
  end
  return type(class) == 'string' and class or nil, type(id) == 'string' and id or nil
end

local function split(element)
  if string.find(element, '"workman":', 1, true) then
    local body, meta = string.match(element, '^(.*),"workman":({[^{}]*})}%s*$')
    if body then return body .. '}', cjson.decode(meta) end
  end
  return element, {}
end
-- The id comes first: waits() looks for it there.
local function join(body, meta)
  local id, rest = meta.id, {}
  for name, value in pairs(meta) do
    if name ~= 'id' then rest[name] = value end
  end
  local text = cjson.encode(id)
  if next(rest) then text = text .. ',' .. string.sub(cjson.encode(rest), 2, -2) end
  text = string.gsub(text, '[{}]', {['{'] = '\\u007b', ['}'] = '\\u007d'})
  return string.match(body, '^(.*)}%s*$') .. ',"workman":{"id":' .. text .. '}}'
end
-- 1 when a caller of ours waits for the job.
local function waits(element)
  local at = string.find(element, ',"workman":{"id":"', 1, true)
  if not at then return 0 end
  return redis.call('EXISTS', S .. ':waiters:' .. string.match(element, '^[^"]*', at + 18))
end
-- What is held of a job: {queue, element, id, 1 = it is no job}. The id is for one without an id of ours.
-- Returns its queue, its body, its meta with this delivery counted, and what is put back of it as it is.
local function unhold(packed)
  local queue, element, id, broken = unpack(cmsgpack.unpack(packed))
  local body, meta = split(element)
  meta.id = meta.id or id
  meta.seen = (meta.seen or 0) + 1
  return queue, body, meta, broken == 1 and element
end

local function place(queue, element, delay, where, command)
  if delay <= 0 then
    redis.call(command or push, queue_key(queue), element)
  elseif style == 'sidekiq' then
    redis.call('ZADD', root .. where, string.format('%.3f', (now() + delay) / 1000), element)
  else
    redis.call('ZADD', S .. ':delayed', ms(now() + delay), cmsgpack.pack({queue, element}))
  end
  ring()
end
-- Puts what is due on its queue; returns the ms until the next is, or -1.
local function fall_due()
  local t, due = now(), -1
  local keys = style == 'sidekiq' and {root .. 'schedule', root .. 'retry'} or {S .. ':delayed'}
  local unit = style == 'sidekiq' and 1000 or 1
  for _, key in ipairs(keys) do
    local until_now = string.format('%.3f', t / unit)
    for _, member in ipairs(redis.call('ZRANGEBYSCORE', key, '-inf', until_now, 'LIMIT', '0',
                                       '500')) do
      redis.call('ZREM', key, member)
      local queue, element = 'default', member
      if style == 'sidekiq' then
        local ok, j = pcall(cjson.decode, member)
        if ok and type(j) == 'table' and type(j.queue) == 'string' then queue = j.queue end
      else
        queue, element = unpack(cmsgpack.unpack(member))
      end
      tell_queue(queue)
      place(queue, element, 0)
    end
    local following = redis.call('ZRANGE', key, '0', '0', 'WITHSCORES')[2]
    if following then
      local left = math.max(math.ceil(following * unit - t), 0)
      if due < 0 or left < due then due = left end
    end
  end
  return due
end
-- ARGV[i..]: queue, element, id, task, unique, delay, producer.
local function put(i)
  tell_queue(ARGV[i])
  local id, new = claim_unique(ARGV[i + 3], ARGV[i + 4], ARGV[i + 2])
  wait_for(id, ARGV[i + 6])
  if new then place(ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 5]), 'schedule') end
  return id
end
)lua";

const char* const kListPut = "return put(4)";

// ARGV: stem, style, root, n, lease, how many tasks, tasks..., queues...
// Returns {bell, ms until something falls due or -1, jobs}.
const char* const kListFetch = R"lua(
local n, lease, tasks = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local wanted, t = {}, now()
for i = 7, 6 + tasks do wanted[ARGV[i]] = true end
local due = fall_due()
-- Holds that are over go back to where they came from, with one delivery more.
for _, handle in ipairs(redis.call('ZRANGEBYSCORE', S .. ':leases', '-inf', ms(t), 'LIMIT', '0',
                                   '100')) do
  redis.call('ZREM', S .. ':leases', handle)
  local packed = redis.call('HGET', S .. ':held', handle)
  if packed then
    redis.call('HDEL', S .. ':held', handle)
    local queue, body, meta, whole = unhold(packed)
    place(queue, whole or join(body, meta), 0, '', push_first)
  end
end
local taken = {}
local function take(queue)
  -- `front`: how many were taken of the page before any was left, and go with one command.
  local key, skipped, front = queue_key(queue), 0, 0
  local function cut()
    if front == 0 then return end
    redis.call('LTRIM', key, first == 0 and front or 0, first == 0 and -1 or -(front + 1))
    front = 0
  end
  while #taken < n and skipped < 1000 do
    -- Only behind jobs that stay it pays to look at more than are wanted.
    local count = skipped == 0 and n - #taken or math.max(n - #taken, 50)
    local page = first == 0 and redis.call('LRANGE', key, skipped, skipped + count - 1)
      or redis.call('LRANGE', key, -(skipped + count), -(skipped + 1))
    if #page == 0 then return end
    for p = 1, #page do
      if #taken >= n then break end
      local element = page[first == 0 and p or #page + 1 - p]
      local class, id = name_of(element)
      if class and not wanted[class] then
        cut()
        skipped = skipped + 1
      else
        if skipped == 0 then
          front = front + 1
        else
          redis.call('LREM', key, first == 0 and 1 or -1, element)
        end
        taken[#taken + 1] = {queue, element, class, id}
      end
    end
    cut()
  end
end
if tasks > 0 then
  for i = 7 + tasks, #ARGV do take(ARGV[i]) end
end
local out, held, leases = {}, {}, {}
local function keep()
  redis.call('HSET', S .. ':held', unpack(held))
  redis.call('ZADD', S .. ':leases', unpack(leases))
  held, leases = {}, {}
end
if #taken > 0 then
  local last, ends = redis.call('INCRBY', S .. ':next', #taken) - #taken, ms(t + lease)
  for i, job in ipairs(taken) do
    local queue, element, class, id = unpack(job, 1, 4)
    local handle = string.format('%.0f', last + i)
    id = id or 'w' .. handle
    held[#held + 1] = handle
    held[#held + 1] = cmsgpack.pack({queue, element, id, class and 0 or 1})
    leases[#leases + 1] = ends
    leases[#leases + 1] = handle
    out[i] = {handle, queue, element, class or '', id, waits(element)}
    if #held >= 1000 then keep() end
  end
  if #held > 0 then keep() end
end
return {bell(), due, out}
)lua";

// ARGV: stem, style, root, handle, task, kind, bytes, delay, never ran, a, b, ttl of results, the
// body for a retry ("" = as it is), how many commands, each as its number of words and the words;
// then the follow-ups, seven words each.
const char* const kListSettle = R"lua(
local handle, task, kind, bytes, delay, ttl = ARGV[4], ARGV[5], ARGV[6], ARGV[7],
  tonumber(ARGV[8]), ARGV[12]
local packed = redis.call('HGET', S .. ':held', handle)
if not packed then return 'lost' end
if kind == 'extend' then
  redis.call('ZADD', S .. ':leases', ms(now() + delay), handle)
  return 'ok'
end
local queue, body, meta, whole = unhold(packed)
if kind == 'progress' or kind == 'data' then
  tell(meta.id, kind, bytes, ARGV[10], ARGV[11], ttl)
  return 'ok'
end
redis.call('HDEL', S .. ':held', handle)
redis.call('ZREM', S .. ':leases', handle)
if kind == 'done' or kind == 'dead' then
  free_unique(task, meta.unique or '', meta.id)
  answer(meta.id, kind == 'done' and 'done' or 'failed', bytes, ttl)
elseif kind == 'retry' then
  meta.ends = (meta.ends or 0) + 1
  place(queue, join(ARGV[13] == '' and body or ARGV[13], meta), delay, 'retry')
elseif kind == 'abort' then
  if ARGV[9] == '1' then meta.seen = meta.seen - 1 end
  place(queue, whole or join(body, meta), delay, 'schedule', push_first)
end
local i = 15
for _ = 1, tonumber(ARGV[14]) do
  local words = {}
  for w = 1, tonumber(ARGV[i]) do words[w] = ARGV[i + w] end
  redis.call(unpack(words))
  i = i + #words + 1
end
while i <= #ARGV do
  put(i)
  i = i + 7
end
return 'ok'
)lua";

// ARGV: stem, style, root, and for each job its handle and commands that go with its end: how many,
// and of each the number of its words and these. Jobs that nobody waits for, and without a unique
// key. Returns for each whether it was ours still.
const char* const kListDone = R"lua(
local answers, gone, counts, i = {}, {}, {}, 4
while i <= #ARGV do
  local good = redis.call('HDEL', ARGV[1] .. ':held', ARGV[i]) == 1
  if good then gone[#gone + 1] = ARGV[i] end
  answers[#answers + 1] = good and 'ok' or 'lost'
  local commands = tonumber(ARGV[i + 1])
  i = i + 2
  for _ = 1, commands do
    local size = tonumber(ARGV[i])
    if good and ARGV[i + 1] == 'INCR' then
      counts[ARGV[i + 2]] = (counts[ARGV[i + 2]] or 0) + 1
    elseif good then
      redis.call(unpack(ARGV, i + 1, i + size))
    end
    i = i + size + 1
  end
end
for key, count in pairs(counts) do redis.call('INCRBY', key, count) end
for from = 1, #gone, 1000 do
  redis.call('ZREM', ARGV[1] .. ':leases', unpack(gone, from, math.min(from + 999, #gone)))
end
return answers
)lua";

// ARGV: stem, style, root, kind ("list" or "zset"), key, element, queue ("" = only remove), the
// element to put. Takes a dead letter away, and puts it back on its queue; 0 = it is gone.
const char* const kListRetry = R"lua(
local removed = ARGV[4] == 'list' and redis.call('LREM', ARGV[5], '1', ARGV[6])
  or ARGV[4] == 'zset' and redis.call('ZREM', ARGV[5], ARGV[6])
if removed == 1 and ARGV[7] ~= '' then
  tell_queue(ARGV[7])
  place(ARGV[7], ARGV[8], 0)
end
return removed
)lua";

}  // namespace workmand::redis
