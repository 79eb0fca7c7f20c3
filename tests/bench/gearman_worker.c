// The limit for Gearman: a worker in its own process on the bare client library, with the no-op
// that the daemon's workers do as well. It works until it is killed.
//
//   bench_gearman_worker PORT TASK
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libgearman/gearman.h>

static void* Echo(gearman_job_st* job, void* context, size_t* size, gearman_return_t* result) {
  (void)context;
  *size = gearman_job_workload_size(job);
  *result = GEARMAN_SUCCESS;
  void* copy = malloc(*size + 1);  // the library frees it
  if (copy == NULL) abort();
  memcpy(copy, gearman_job_workload(job), *size);
  return copy;
}

int main(int argc, char** argv) {
  if (argc != 3) {
    fputs("usage: bench_gearman_worker PORT TASK\n", stderr);
    return 64;
  }
  gearman_worker_st* worker = gearman_worker_create(NULL);
  const in_port_t port = (in_port_t)strtoul(argv[1], NULL, 10);
  gearman_return_t result = gearman_worker_add_server(worker, "127.0.0.1", port);
  if (result == GEARMAN_SUCCESS) {
    result = gearman_worker_add_function(worker, argv[2], 0, Echo, NULL);
  }
  while (result == GEARMAN_SUCCESS) result = gearman_worker_work(worker);
  fprintf(stderr, "bench_gearman_worker: %s\n", gearman_worker_error(worker));
  return 1;
}
