// The next reply of a pipeline, which must be a good one.
#pragma once

#include <hiredis/hiredis.h>

#include "loop.h"

static inline redisReply* Next(redisContext* redis) {
  void* reply = NULL;
  Check(redisGetReply(redis, &reply) == REDIS_OK, "redis");
  Check(((redisReply*)reply)->type != REDIS_REPLY_ERROR, ((redisReply*)reply)->str);
  return reply;
}
