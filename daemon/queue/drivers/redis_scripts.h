// The Lua that runs inside the Redis server, as text. Each script is one atomic step of the queue,
// by the server's own clock. ARGV[1] is always the stem of our keys. The keys are made inside the
// scripts, so a cluster of several nodes is not supported.
#pragma once

namespace workmand::redis {

/// Stands before every script: time, waiting callers, unique keys, the bell.
extern const char* const kPrelude;

// Jobs in streams (redis.cc); all need kStreamPrelude, too.
extern const char* const kStreamPrelude;
extern const char* const kStreamPut;
extern const char* const kStreamFetch;
extern const char* const kStreamSettle;
/// The only one without a prelude: it is called for every batch of jobs that are done.
extern const char* const kStreamDone;
extern const char* const kStreamTick;
extern const char* const kStreamSize;
extern const char* const kStreamOldest;
extern const char* const kStreamLetters;
extern const char* const kStreamRetry;
extern const char* const kStreamDrop;

// Jobs in lists (redis_lists.cc); all need kListPrelude, too.
extern const char* const kListPrelude;
extern const char* const kListPut;
extern const char* const kListFetch;
extern const char* const kListSettle;
extern const char* const kListDone;  ///< without a prelude, as kStreamDone
extern const char* const kListRetry;

}  // namespace workmand::redis
