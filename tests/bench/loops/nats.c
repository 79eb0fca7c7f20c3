// A stream of JetStream over cnats: fetches batches and acknowledges each message, without waiting
// for the server's word. ADDRESS is a port.
#include <nats/nats.h>

#include "loop.h"

int main(int argc, char** argv) {
  struct Loop loop = ReadLoop(argc, argv);
  char url[64];
  snprintf(url, sizeof url, "nats://127.0.0.1:%s", loop.address);
  natsConnection* connection = NULL;
  jsCtx* stream = NULL;
  Check(natsConnection_ConnectTo(&connection, url) == NATS_OK, "connect");
  Check(natsConnection_JetStream(&stream, connection, NULL) == NATS_OK, "JetStream");
  jsStreamConfig config;
  jsStreamConfig_Init(&config);
  const char* subjects[] = {"loop"};
  config.Name = "LOOP";
  config.Subjects = subjects;
  config.SubjectsLen = 1;
  config.Retention = js_WorkQueuePolicy;
  config.Storage = js_FileStorage;
  Check(js_AddStream(NULL, stream, &config, NULL, NULL) == NATS_OK, "stream");
  for (long i = 0; i < loop.jobs; ++i)
    Check(js_PublishAsync(stream, "loop", loop.payload, (int)strlen(loop.payload), NULL) == NATS_OK,
          "publish");
  Check(js_PublishAsyncComplete(stream, NULL) == NATS_OK, "publish");
  natsSubscription* subscription = NULL;
  Check(js_PullSubscribe(&subscription, stream, "loop", "workers", NULL, NULL, NULL) == NATS_OK,
        "subscribe");
  Begin(&loop);
  for (long done = 0; done < loop.jobs;) {
    natsMsgList list;
    Check(natsSubscription_Fetch(&list, subscription, loop.batch, 5000, NULL) == NATS_OK, "fetch");
    for (int i = 0; i < list.Count; ++i) Check(natsMsg_Ack(list.Msgs[i], NULL) == NATS_OK, "ack");
    done += list.Count;
    natsMsgList_Destroy(&list);
  }
  natsConnection_Flush(connection);
  const int status = End(&loop);
  natsSubscription_Destroy(subscription);
  jsCtx_Destroy(stream);
  natsConnection_Destroy(connection);
  nats_Close();
  return status;
}
