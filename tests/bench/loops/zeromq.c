// A PULL socket over libzmq, fed by a PUSH socket of another process: this program, called with
// ADDRESS JOBS 0 PAYLOAD, which then stays until it is killed. ADDRESS is an endpoint, at which the
// PULL side listens.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#include "loop.h"

static void Feed(const struct Loop* loop) {
  void* context = zmq_ctx_new();
  void* push = zmq_socket(context, ZMQ_PUSH);
  Check(zmq_connect(push, loop->address) == 0, "connect");
  for (long i = 0; i < loop->jobs; ++i) {
    Check(zmq_send(push, "Echo", 4, ZMQ_SNDMORE) >= 0, "send");
    Check(zmq_send(push, loop->payload, strlen(loop->payload), 0) >= 0, "send");
  }
  // What is on its way when a connection ends is lost (docs/queues/zeromq.md).
  for (;;) pause();
}

int main(int argc, char** argv) {
  struct Loop loop = ReadLoop(argc, argv);
  if (loop.batch == 0) Feed(&loop);
  const pid_t feeder = fork();
  if (feeder == 0) Feed(&loop);
  void* context = zmq_ctx_new();
  void* pull = zmq_socket(context, ZMQ_PULL);
  Check(zmq_bind(pull, loop.address) == 0, "bind");
  Begin(&loop);
  char buffer[4096];
  for (long done = 0; done < loop.jobs; ++done) {
    Check(zmq_recv(pull, buffer, sizeof buffer, 0) == 4, "the task");
    Check(zmq_recv(pull, buffer, sizeof buffer, 0) >= 0, "the payload");
  }
  const int status = End(&loop);
  kill(feeder, SIGKILL);
  waitpid(feeder, NULL, 0);
  zmq_close(pull);
  zmq_ctx_term(context);
  return status;
}
