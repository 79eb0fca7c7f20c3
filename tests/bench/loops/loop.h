// What the bare loops share: each is called with ADDRESS JOBS BATCH PAYLOAD, fills its queue,
// empties it as a client of the same library would that loses nothing, and prints one JSON object.
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct Loop {
  const char* address;
  long jobs;
  int batch;
  const char* payload;
  double begin;
  double cpu;
};

static inline double Seconds(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static inline struct Loop ReadLoop(int argc, char** argv) {
  if (argc != 5) {
    fprintf(stderr, "usage: %s ADDRESS JOBS BATCH PAYLOAD\n", argv[0]);
    exit(64);
  }
  return (struct Loop){
      argv[1], strtol(argv[2], NULL, 10), (int)strtol(argv[3], NULL, 10), argv[4], 0, 0};
}

static inline void Check(int good, const char* what) {
  if (good) return;
  fprintf(stderr, "%s failed\n", what);
  exit(1);
}

/// From here on it is measured: the queue is full.
static inline void Begin(struct Loop* loop) {
  loop->begin = Seconds(CLOCK_MONOTONIC);
  loop->cpu = Seconds(CLOCK_PROCESS_CPUTIME_ID);
}

static inline int End(const struct Loop* loop) {
  const double seconds = Seconds(CLOCK_MONOTONIC) - loop->begin;
  const double cpu = Seconds(CLOCK_PROCESS_CPUTIME_ID) - loop->cpu;
  printf("{\"rate\":%.0f,\"cpu_us\":%.3f}\n", (double)loop->jobs / seconds,
         cpu * 1e6 / (double)loop->jobs);
  return 0;
}
