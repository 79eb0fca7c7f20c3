// A stream with a group over hiredis: a round trip acknowledges and deletes the batch before, and
// reads the next. ADDRESS is a port.
#include "redis_reply.h"

int main(int argc, char** argv) {
  struct Loop loop = ReadLoop(argc, argv);
  redisContext* redis = redisConnect("127.0.0.1", atoi(loop.address));
  Check(redis != NULL && redis->err == 0, "connect");
  freeReplyObject(redisCommand(redis, "XGROUP CREATE loop workers 0 MKSTREAM"));
  for (long sent = 0; sent < loop.jobs; sent += 1000) {
    const long some = loop.jobs - sent < 1000 ? loop.jobs - sent : 1000;
    for (long i = 0; i < some; ++i)
      redisAppendCommand(redis, "XADD loop * task Echo payload %s", loop.payload);
    for (long i = 0; i < some; ++i) freeReplyObject(Next(redis));
  }
  Begin(&loop);
  char(*held)[32] = calloc((size_t)loop.batch, sizeof *held);
  size_t holding = 0;
  for (long done = 0; done < loop.jobs;) {
    for (size_t i = 0; i < holding; ++i) {
      redisAppendCommand(redis, "XACK loop workers %s", held[i]);
      redisAppendCommand(redis, "XDEL loop %s", held[i]);
    }
    redisAppendCommand(redis, "XREADGROUP GROUP workers me COUNT %d STREAMS loop >", loop.batch);
    for (size_t i = 0; i < 2 * holding; ++i) freeReplyObject(Next(redis));
    done += (long)holding;
    redisReply* reply = Next(redis);
    holding = 0;
    if (reply->type == REDIS_REPLY_ARRAY) {
      const redisReply* entries = reply->element[0]->element[1];
      for (; holding < entries->elements; ++holding)
        strcpy(held[holding], entries->element[holding]->element[0]->str);
    }
    freeReplyObject(reply);
  }
  free(held);
  redisFree(redis);
  return End(&loop);
}
