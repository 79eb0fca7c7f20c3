/* workmand-launch: sets for one process what a plain spawn cannot (limits, niceness, user, folder,
 * parent-death signal) and becomes the command. Driven by workmand for each worker; it keeps no
 * state, reads no file but the user database, and never returns to its caller on success. */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { kExitUsage = 64, kExitFailed = 127, kMaxLimits = 32 };

typedef struct {
  int report_fd; /* -1 = complain on stderr */
  int last_fd;   /* the last one that the command keeps */
  pid_t parent;  /* 0 = no parent-death signal */
  const char* limits[kMaxLimits];
  size_t limit_count;
  const char* nice;
  const char* umask;
  const char* user;
  const char* group;
  const char* directory;
  char** command;
} Options;

static const char kHelp[] =
    "usage: workmand-launch [OPTION...] -- COMMAND [ARG...]\n"
    "\n"
    "Applies the options in the order below, then becomes COMMAND, which is looked up in PATH.\n"
    "\n"
    "  --rlimit NAME=SOFT:HARD  a resource limit, e.g. nofile=1024:4096; \"unlimited\" is a "
    "value;\n"
    "                           an empty HARD keeps the hard limit. Without core= the soft limit\n"
    "                           of core dumps is set to 0.\n"
    "  --nice N                 niceness, absolute\n"
    "  --umask N                file mode mask; octal with a leading 0\n"
    "  --user NAME              user, with its groups and, without --group, its main group\n"
    "  --group NAME             group\n"
    "  --chdir DIR              working directory\n"
    "  --parent PID             die (SIGKILL) when this parent dies\n"
    "  --report-fd N            write a failure there instead of to stderr; nothing = success\n"
    "  --last-fd N              keep the descriptors up to N (default: 2) and close the others\n"
    "\n"
    "Signals are set to their defaults. Exit status: that of COMMAND; 127 when it could not be\n"
    "started; 64 for wrong usage.\n";

static const struct {
  const char* name;
  int resource;
} kLimitNames[] = {
    {"as", RLIMIT_AS},           {"core", RLIMIT_CORE},         {"cpu", RLIMIT_CPU},
    {"data", RLIMIT_DATA},       {"fsize", RLIMIT_FSIZE},       {"locks", RLIMIT_LOCKS},
    {"memlock", RLIMIT_MEMLOCK}, {"msgqueue", RLIMIT_MSGQUEUE}, {"nice", RLIMIT_NICE},
    {"nofile", RLIMIT_NOFILE},   {"nproc", RLIMIT_NPROC},       {"rss", RLIMIT_RSS},
    {"rtprio", RLIMIT_RTPRIO},   {"rttime", RLIMIT_RTTIME},     {"sigpending", RLIMIT_SIGPENDING},
    {"stack", RLIMIT_STACK},
};

/* Reports "WHAT: reason" and ends the process. */
__attribute__((noreturn, format(printf, 3, 4))) static void Fail(const Options* options, int status,
                                                                 const char* format, ...) {
  char text[512];
  va_list args;
  va_start(args, format);
  const int length = vsnprintf(text, sizeof(text), format, args);
  va_end(args);
  const size_t size = length < 0                      ? 0
                      : (size_t)length < sizeof(text) ? (size_t)length
                                                      : sizeof(text) - 1;
  if (options->report_fd >= 0) {
    /* Nobody is left to be told when this fails. */
    if (write(options->report_fd, text, size) < 0) _exit(status);
  } else {
    dprintf(STDERR_FILENO, "workmand-launch: %s\n", text);
  }
  _exit(status);
}

/* A whole number of any base C knows; anything else is wrong usage. */
static long ParseNumber(const Options* options, const char* text) {
  char* end = NULL;
  errno = 0;
  const long number = strtol(text, &end, 0);
  if (errno != 0 || end == text || *end != '\0') {
    Fail(options, kExitUsage, "not a number: %s", text);
  }
  return number;
}

static rlim_t ParseLimit(const Options* options, const char* text, size_t size) {
  char copy[32];
  if (size >= sizeof(copy)) Fail(options, kExitUsage, "not a limit: %s", text);
  memcpy(copy, text, size);
  copy[size] = '\0';
  if (strcmp(copy, "unlimited") == 0) return RLIM_INFINITY;
  char* end = NULL;
  errno = 0;
  const unsigned long long number = strtoull(copy, &end, 10);
  if (errno != 0 || !isdigit((unsigned char)copy[0]) || *end != '\0') {
    Fail(options, kExitUsage, "not a limit: %s", copy);
  }
  return number;
}

static void SetLimit(const Options* options, const char* text) {
  const char* equals = strchr(text, '=');
  const char* colon = equals != NULL ? strchr(equals, ':') : NULL;
  if (colon == NULL) Fail(options, kExitUsage, "not NAME=SOFT:HARD: %s", text);
  for (size_t i = 0; i < sizeof(kLimitNames) / sizeof(kLimitNames[0]); ++i) {
    const char* name = kLimitNames[i].name;
    if (strlen(name) != (size_t)(equals - text) || strncmp(name, text, strlen(name)) != 0) continue;
    const int resource = kLimitNames[i].resource;
    struct rlimit limit;
    if (getrlimit((__rlimit_resource_t)resource, &limit) != 0) {
      Fail(options, kExitFailed, "rlimit %s: %s", text, strerror(errno));
    }
    limit.rlim_cur = ParseLimit(options, equals + 1, (size_t)(colon - equals - 1));
    if (colon[1] != '\0') limit.rlim_max = ParseLimit(options, colon + 1, strlen(colon + 1));
    if (limit.rlim_cur > limit.rlim_max) limit.rlim_cur = limit.rlim_max;
    if (setrlimit((__rlimit_resource_t)resource, &limit) != 0) {
      Fail(options, kExitFailed, "rlimit %s: %s", text, strerror(errno));
    }
    return;
  }
  Fail(options, kExitUsage, "unknown limit: %s", text);
}

/* SIGABRT is an ordinary way to end a worker, and its default action dumps core. */
static void SetLimits(const Options* options) {
  bool core_set = false;
  for (size_t i = 0; i < options->limit_count; ++i) {
    SetLimit(options, options->limits[i]);
    core_set = core_set || strncmp(options->limits[i], "core=", 5) == 0;
  }
  if (!core_set) SetLimit(options, "core=0:");
}

static bool IsNumber(const char* text) {
  return *text != '\0' && strspn(text, "0123456789") == strlen(text);
}

static void SetUser(const Options* options) {
  gid_t gid = getgid();
  uid_t uid = getuid();
  const char* name = NULL;
  if (options->user != NULL) {
    const struct passwd* user = getpwnam(options->user);
    if (user == NULL && IsNumber(options->user)) {
      user = getpwuid((uid_t)ParseNumber(options, options->user));
    }
    if (user == NULL) Fail(options, kExitFailed, "no such user: %s", options->user);
    uid = user->pw_uid;
    gid = user->pw_gid;
    name = user->pw_name;
  }
  if (options->group != NULL) {
    const struct group* group = getgrnam(options->group);
    if (group != NULL) {
      gid = group->gr_gid;
    } else if (IsNumber(options->group)) {
      gid = (gid_t)ParseNumber(options, options->group);
    } else {
      Fail(options, kExitFailed, "no such group: %s", options->group);
    }
  }
  if (uid == getuid() && uid == geteuid() && gid == getgid() && gid == getegid()) return;
  if ((name != NULL ? initgroups(name, gid) : setgroups(1, &gid)) != 0) {
    Fail(options, kExitFailed, "groups of %s: %s", name != NULL ? name : options->group,
         strerror(errno));
  }
  if (setgid(gid) != 0) Fail(options, kExitFailed, "setgid %u: %s", gid, strerror(errno));
  if (setuid(uid) != 0) Fail(options, kExitFailed, "setuid %u: %s", uid, strerror(errno));
}

/* A changed user clears the parent-death signal, so this comes after. A parent that died before the
 * signal was asked for will never send it: then this process has another parent by now. */
static void BindToParent(const Options* options) {
  if (options->parent == 0) return;
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) {
    Fail(options, kExitFailed, "parent-death signal: %s", strerror(errno));
  }
  if (getppid() != options->parent) _exit(kExitFailed);
}

static void ResetSignals(void) {
  for (int signo = 1; signo < NSIG; ++signo) signal(signo, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Whatever the parent forgot to mark is not to reach the command, and neither is the report. */
static void CloseOnExec(const Options* options) {
  const unsigned first = (unsigned)options->last_fd + 1;
  if (close_range(first, ~0U, CLOSE_RANGE_CLOEXEC) == 0) return;
  if (options->report_fd >= 0)
    fcntl(options->report_fd, F_SETFD, FD_CLOEXEC); /* before Linux 5.11 */
}

/* The place for the value of option `name`, or NULL. */
static const char** TextOption(Options* options, const char* name) {
  if (strcmp(name, "--nice") == 0) return &options->nice;
  if (strcmp(name, "--umask") == 0) return &options->umask;
  if (strcmp(name, "--user") == 0) return &options->user;
  if (strcmp(name, "--group") == 0) return &options->group;
  if (strcmp(name, "--chdir") == 0) return &options->directory;
  if (strcmp(name, "--rlimit") != 0) return NULL;
  if (options->limit_count == kMaxLimits) Fail(options, kExitUsage, "too many limits");
  return &options->limits[options->limit_count++];
}

static void Parse(Options* options, char** args) {
  for (; *args != NULL && strcmp(*args, "--") != 0; args += 2) {
    if (strcmp(*args, "--help") == 0) {
      fputs(kHelp, stdout);
      exit(0);
    }
    const char* name = args[0];
    const char* value = args[1];
    if (value == NULL) Fail(options, kExitUsage, "no value for, or no such option: %s", name);
    const char** text = TextOption(options, name);
    if (text != NULL) {
      *text = value;
    } else if (strcmp(name, "--parent") == 0) {
      options->parent = (pid_t)ParseNumber(options, value);
    } else if (strcmp(name, "--report-fd") == 0) {
      options->report_fd = (int)ParseNumber(options, value);
    } else if (strcmp(name, "--last-fd") == 0) {
      options->last_fd = (int)ParseNumber(options, value);
    } else {
      Fail(options, kExitUsage, "unknown option: %s", name);
    }
  }
  if (*args == NULL || args[1] == NULL) {
    Fail(options, kExitUsage, "no command; see workmand-launch --help");
  }
  options->command = args + 1;
}

int main(int argc, char** argv) {
  Options options = {.report_fd = -1, .last_fd = STDERR_FILENO};
  Parse(&options, argv + (argc > 0));
  SetLimits(&options);
  if (options.nice != NULL &&
      setpriority(PRIO_PROCESS, 0, (int)ParseNumber(&options, options.nice)) != 0) {
    Fail(&options, kExitFailed, "nice %s: %s", options.nice, strerror(errno));
  }
  if (options.umask != NULL) umask((mode_t)ParseNumber(&options, options.umask));
  if (options.user != NULL || options.group != NULL) SetUser(&options);
  if (options.directory != NULL && chdir(options.directory) != 0) {
    Fail(&options, kExitFailed, "chdir %s: %s", options.directory, strerror(errno));
  }
  BindToParent(&options);
  ResetSignals();
  CloseOnExec(&options);
  execvp(options.command[0], options.command);
  const int error = errno;
  if (options.report_fd >= 0) Fail(&options, kExitFailed, "%s", strerror(error));
  Fail(&options, kExitFailed, "%s: %s", options.command[0], strerror(error));
}
