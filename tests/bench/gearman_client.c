// Asks for jobs one after the other, waits for each result, and prints how long that took: the
// median and the 99th percentile in microseconds, as a JSON object.
//
//   bench_gearman_client PORT TASK JOBS
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <libgearman/gearman.h>

static double Now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int Compare(const void* a, const void* b) {
  const double x = *(const double*)a;
  const double y = *(const double*)b;
  return (x > y) - (x < y);
}

int main(int argc, char** argv) {
  const long jobs = argc == 4 ? strtol(argv[3], NULL, 10) : 0;
  if (jobs < 1) {
    fputs("usage: bench_gearman_client PORT TASK JOBS\n", stderr);
    return 64;
  }
  static const char kWorkload[] = "{\"text\":\"awaited\"}";
  gearman_client_st* client = gearman_client_create(NULL);
  gearman_client_add_server(client, "127.0.0.1", (in_port_t)strtoul(argv[1], NULL, 10));
  double* times = calloc((size_t)jobs, sizeof *times);
  if (times == NULL) abort();
  for (long i = 0; i < jobs; ++i) {
    size_t size = 0;
    gearman_return_t result = GEARMAN_SUCCESS;
    const double begin = Now();
    void* answer =
        gearman_client_do(client, argv[2], NULL, kWorkload, sizeof kWorkload - 1, &size, &result);
    times[i] = Now() - begin;
    if (result != GEARMAN_SUCCESS || size != sizeof kWorkload - 1 ||
        memcmp(answer, kWorkload, size) != 0) {
      fprintf(stderr, "bench_gearman_client: %s\n", gearman_client_error(client));
      return 1;
    }
    free(answer);
  }
  qsort(times, (size_t)jobs, sizeof *times, Compare);
  printf("{\"p50_us\":%.1f,\"p99_us\":%.1f}\n", times[jobs / 2], times[jobs - 1 - jobs / 100]);
  free(times);
  gearman_client_free(client);
  return 0;
}
