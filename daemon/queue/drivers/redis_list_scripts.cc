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
-- What an element is called: its class, and the id that it came with, if any.
local function name_of(j)
  if type(j) ~= 'table' then return nil end
  if style ~= 'celery' then return j.class, j.jid end
  if type(j.headers) ~= 'table' then return nil end
  return j.headers.task, j.headers.id
end

local function split(element)
  if string.find(element, '"workman":', 1, true) then
    local body, meta = string.match(element, '^(.*),"workman":({[^{}]*})}%s*$')
    if body then return body .. '}', cjson.decode(meta) end
  end
  return element, {}
end
local function join(body, meta)
  local text = string.gsub(string.sub(cjson.encode(meta), 2, -2), '[{}]',
                           {['{'] = '\\u007b', ['}'] = '\\u007d'})
  return string.match(body, '^(.*)}%s*$') .. ',"workman":{' .. text .. '}}'
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
    local next = redis.call('ZRANGE', key, '0', '0', 'WITHSCORES')[2]
    if next then
      local left = math.max(math.ceil(next * unit - t), 0)
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
local wanted, out, t = {}, {}, now()
for i = 7, 6 + tasks do wanted[ARGV[i]] = true end
local due = fall_due()
-- Holds that are over go back to where they came from, with one delivery more.
for _, handle in ipairs(redis.call('ZRANGEBYSCORE', S .. ':leases', '-inf', ms(t), 'LIMIT', '0',
                                   '100')) do
  redis.call('ZREM', S .. ':leases', handle)
  local packed = redis.call('HGET', S .. ':held', handle)
  if packed then
    redis.call('HDEL', S .. ':held', handle)
    local queue, body, meta = unpack(cmsgpack.unpack(packed))
    place(queue, meta.broken and body or join(body, meta), 0, '', push_first)
  end
end
local function hold(queue, element, class, id)
  local body, meta = split(element)
  meta.id = meta.id or (type(id) == 'string' and id)
    or string.format('w%.0f', redis.call('INCR', S .. ':next'))
  meta.seen = (meta.seen or 0) + 1
  meta.broken = not class or nil
  local handle = string.format('%.0f', redis.call('INCR', S .. ':next'))
  redis.call('HSET', S .. ':held', handle, cmsgpack.pack({queue, body, meta}))
  redis.call('ZADD', S .. ':leases', ms(t + lease), handle)
  out[#out + 1] = {handle, queue, body, class or '', meta.id, meta.seen,
                   meta.ends or 0, meta.max or 0, meta.unique or '', meta.whole or 0,
                   redis.call('EXISTS', S .. ':waiters:' .. meta.id)}
end
local function take(queue)
  local key, skipped = queue_key(queue), 0
  while #out < n and skipped < 1000 do
    -- Only behind jobs that stay it pays to look at more than are wanted.
    local count = skipped == 0 and n - #out or math.max(n - #out, 50)
    local page = first == 0 and redis.call('LRANGE', key, skipped, skipped + count - 1)
      or redis.call('LRANGE', key, -(skipped + count), -(skipped + 1))
    if #page == 0 then return end
    for p = 1, #page do
      if #out >= n then return end
      local element = page[first == 0 and p or #page + 1 - p]
      local ok, j = pcall(cjson.decode, element)
      local class, id = name_of(ok and j)
      if type(class) ~= 'string' then class = nil end
      if not class or wanted[class] then
        redis.call('LREM', key, first == 0 and 1 or -1, element)
        hold(queue, element, class, id)
      else
        skipped = skipped + 1
      end
    end
  end
end
if tasks > 0 then
  for i = 7 + tasks, #ARGV do take(ARGV[i]) end
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
local queue, body, meta = unpack(cmsgpack.unpack(packed))
if kind == 'extend' then
  redis.call('ZADD', S .. ':leases', ms(now() + delay), handle)
  return 'ok'
end
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
  place(queue, meta.broken and body or join(body, meta), delay, 'schedule', push_first)
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
local answers, i = {}, 4
while i <= #ARGV do
  local good = redis.call('HDEL', ARGV[1] .. ':held', ARGV[i]) == 1
  if good then redis.call('ZREM', ARGV[1] .. ':leases', ARGV[i]) end
  answers[#answers + 1] = good and 'ok' or 'lost'
  local commands = tonumber(ARGV[i + 1])
  i = i + 2
  for _ = 1, commands do
    local size = tonumber(ARGV[i])
    if good then redis.call(unpack(ARGV, i + 1, i + size)) end
    i = i + size + 1
  end
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
