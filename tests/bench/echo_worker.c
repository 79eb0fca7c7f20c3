// A worker in C without a JSON library, about as fast as a worker can be: the benchmarks use it to
// load the daemon, never to show what a worker of your own would reach. It answers each job with
// done and its args spliced in, all complete lines of one read with one write.
//
//   bench_echo_worker [--prefetch N] [--concurrency N] [--sample FILE COUNT]
//
// --sample makes FILE unless it exists, with two lines: the daemon's hello and the job line number
// COUNT.
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { kMaxLine = 1 << 16 };

static char input[kMaxLine];
// An answer is hardly longer than its job line.
static char output[2 * kMaxLine];

static char hello[kMaxLine];
static size_t hello_size;
static const char* sample_path;
static long sample_at;
static long jobs;

static void Die(const char* what) {
  fprintf(stderr, "bench_echo_worker: %s\n", what);
  exit(1);
}

/// A slice of the line.
struct Text {
  const char* begin;
  size_t size;
};

/// The three members of a job message that matter here.
struct Message {
  struct Text type;
  struct Text id;
  struct Text args;
};

/// Behind the string that begins at `p`. Like all that follows it trusts the daemon to write valid
/// JSON; the line feed stops it in any case.
static const char* StringEnd(const char* p) {
  for (++p; *p != '"'; ++p) {
    if (*p == '\\') ++p;
    if (*p == '\n') return p;
  }
  return p + 1;
}

/// Behind the value that begins at `p`.
static const char* ValueEnd(const char* p) {
  int depth = 0;
  while (*p != '\n') {
    if (*p == '"') {
      p = StringEnd(p);
      if (depth == 0) return p;
      continue;
    }
    if (*p == '{' || *p == '[') ++depth;
    if (*p == '}' || *p == ']') {
      if (depth == 0) return p;  // of the object around a number or a word
      if (--depth == 0) return p + 1;
    }
    if (*p == ',' && depth == 0) return p;
    ++p;
  }
  return p;
}

static bool Is(struct Text text, const char* word) {
  return text.size == strlen(word) && memcmp(text.begin, word, text.size) == 0;
}

/// Reads the line at `p`. The daemon writes messages without space between tokens.
static struct Message ReadMessage(const char* p) {
  struct Message message = {{p, 0}, {p, 0}, {"null", 4}};
  while (*p == '{' || *p == ',') {
    const struct Text key = {p + 1, (size_t)(StringEnd(p + 1) - (p + 1))};
    const char* begin = key.begin + key.size;
    if (*begin != ':') break;
    p = ValueEnd(++begin);
    const struct Text value = {begin, (size_t)(p - begin)};
    if (Is(key, "\"type\"")) message.type = value;
    if (Is(key, "\"id\"")) message.id = value;
    if (Is(key, "\"args\"")) {
      message.args = value;
      break;  // it stands behind the other two
    }
  }
  return message;
}

static char* Append(char* out, const char* text, size_t size) {
  memcpy(out, text, size);
  return out + size;
}

static void WriteSample(const char* line, size_t size) {
  FILE* file = fopen(sample_path, "wx");
  if (file == NULL && errno == EEXIST) return;  // another worker was first
  if (file == NULL) Die("cannot write the sample");
  fwrite(hello, 1, hello_size, file);
  fwrite(line, 1, size, file);
  fclose(file);
}

/// Appends the answer to the line of `size` bytes, its line feed included.
static char* Answer(const char* line, size_t size, char* out) {
  static const char kDone[] = "{\"type\":\"done\",\"id\":";
  static const char kResult[] = ",\"result\":";
  const struct Message message = ReadMessage(line);
  if (Is(message.type, "\"hello\"")) {
    memcpy(hello, line, size);
    hello_size = size;
  }
  if (!Is(message.type, "\"job\"")) return out;
  if (++jobs == sample_at) WriteSample(line, size);
  out = Append(out, kDone, sizeof kDone - 1);
  out = Append(out, message.id.begin, message.id.size);
  out = Append(out, kResult, sizeof kResult - 1);
  out = Append(out, message.args.begin, message.args.size);
  return Append(out, "}\n", 2);
}

static void WriteAll(const char* text, size_t size) {
  while (size > 0) {
    const ssize_t written = write(STDOUT_FILENO, text, size);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) Die("cannot write to stdout");
    text += written;
    size -= (size_t)written;
  }
}

/// Until the daemon closes stdin.
static void Serve(void) {
  size_t kept = 0;
  for (;;) {
    const ssize_t got = read(STDIN_FILENO, input + kept, sizeof input - kept);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return;
    const char* line = input;
    const char* end = input + kept + got;
    const char* search = input + kept;  // what was kept holds no line feed
    char* out = output;
    for (const char* lf = NULL; (lf = memchr(search, '\n', (size_t)(end - search))) != NULL;) {
      out = Answer(line, (size_t)(lf + 1 - line), out);
      line = search = lf + 1;
    }
    WriteAll(output, (size_t)(out - output));
    kept = (size_t)(end - line);
    if (kept == sizeof input) Die("a line is too long for this worker");
    memmove(input, line, kept);
  }
}

int main(int argc, char** argv) {
  long prefetch = 0;
  long concurrency = 1;
  for (int i = 1; i < argc; ++i) {
    const int left = argc - i - 1;
    if (strcmp(argv[i], "--prefetch") == 0 && left >= 1) {
      prefetch = strtol(argv[++i], NULL, 10);
    } else if (strcmp(argv[i], "--concurrency") == 0 && left >= 1) {
      concurrency = strtol(argv[++i], NULL, 10);
    } else if (strcmp(argv[i], "--sample") == 0 && left >= 2) {
      sample_path = argv[++i];
      sample_at = strtol(argv[++i], NULL, 10);
    } else {
      Die("usage: [--prefetch N] [--concurrency N] [--sample FILE COUNT]");
    }
  }
  char ready[160];
  const int size = snprintf(ready, sizeof ready,
                            "{\"type\":\"ready\",\"tasks\":[\"Echo\"],\"prefetch\":%ld,"
                            "\"concurrency\":%ld}\n",
                            prefetch, concurrency);
  WriteAll(ready, (size_t)size);
  Serve();
  return 0;
}
