// A tube of beanstalkd over its text protocol, for which Debian has no library: a pipeline deletes
// the batch before and reserves the next. ADDRESS is a port.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop.h"

int main(int argc, char** argv) {
  struct Loop loop = ReadLoop(argc, argv);
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  const struct sockaddr_in address = {.sin_family = AF_INET,
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                      .sin_port = htons((uint16_t)atoi(loop.address))};
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  Check(connect(fd, (const struct sockaddr*)&address, sizeof address) == 0, "connect");
  FILE* in = fdopen(fd, "r");
  FILE* out = fdopen(dup(fd), "w");
  char line[65536];
  fputs("use loop\r\nwatch loop\r\n", out);
  fflush(out);
  Check(fgets(line, sizeof line, in) != NULL && fgets(line, sizeof line, in) != NULL, "use");
  for (long sent = 0; sent < loop.jobs; sent += 500) {
    const long some = loop.jobs - sent < 500 ? loop.jobs - sent : 500;
    for (long i = 0; i < some; ++i)
      fprintf(out, "put 0 0 60 %zu\r\n%s\r\n", strlen(loop.payload), loop.payload);
    fflush(out);
    for (long i = 0; i < some; ++i) Check(fgets(line, sizeof line, in) != NULL, "put");
  }
  Begin(&loop);
  unsigned long long* held = calloc((size_t)loop.batch, sizeof *held);
  for (long done = 0, holding = 0; done < loop.jobs;) {
    for (long i = 0; i < holding; ++i) fprintf(out, "delete %llu\r\n", held[i]);
    for (int i = 0; i < loop.batch; ++i) fputs("reserve-with-timeout 0\r\n", out);
    fflush(out);
    for (long i = 0; i < holding; ++i)
      Check(fgets(line, sizeof line, in) != NULL && strncmp(line, "DELETED", 7) == 0, "delete");
    done += holding;
    holding = 0;
    for (int i = 0; i < loop.batch; ++i) {
      Check(fgets(line, sizeof line, in) != NULL, "reserve");
      size_t size = 0;
      if (sscanf(line, "RESERVED %llu %zu", &held[holding], &size) != 2) continue;
      Check(fread(line, 1, size + 2, in) == size + 2, "body");
      ++holding;
    }
  }
  free(held);
  return End(&loop);
}
