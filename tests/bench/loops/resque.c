// A list over hiredis, as a consumer of Resque's queues needs it that loses nothing: a round trip
// takes the batch before out of the list of what is in hand, and moves the next there. ADDRESS is a
// port.
#include "redis_reply.h"

int main(int argc, char** argv) {
  struct Loop loop = ReadLoop(argc, argv);
  redisContext* redis = redisConnect("127.0.0.1", atoi(loop.address));
  Check(redis != NULL && redis->err == 0, "connect");
  for (long sent = 0; sent < loop.jobs; sent += 1000) {
    const long some = loop.jobs - sent < 1000 ? loop.jobs - sent : 1000;
    for (long i = 0; i < some; ++i)
      redisAppendCommand(redis, "RPUSH loop {\"class\":\"Echo\",\"n\":%ld,\"args\":[%s]}", sent + i,
                         loop.payload);
    for (long i = 0; i < some; ++i) freeReplyObject(Next(redis));
  }
  Begin(&loop);
  redisReply** held = calloc((size_t)loop.batch, sizeof *held);
  size_t holding = 0;
  for (long done = 0; done < loop.jobs;) {
    for (size_t i = 0; i < holding; ++i) redisAppendCommand(redis, "LREM held 1 %s", held[i]->str);
    for (int i = 0; i < loop.batch; ++i) redisAppendCommand(redis, "LMOVE loop held LEFT RIGHT");
    for (size_t i = 0; i < holding; ++i) {
      freeReplyObject(Next(redis));
      freeReplyObject(held[i]);
    }
    done += (long)holding;
    holding = 0;
    for (int i = 0; i < loop.batch; ++i) {
      redisReply* reply = Next(redis);
      if (reply->type == REDIS_REPLY_STRING) {
        held[holding++] = reply;
      } else {
        freeReplyObject(reply);
      }
    }
  }
  free(held);
  redisFree(redis);
  return End(&loop);
}
