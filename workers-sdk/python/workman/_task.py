"""Tasks, their options and hooks, and the exceptions that a task may raise."""

from workman._text import ms

NO_OPTIONS = ("run", "hook", "announcement", "name")
HOOKS = ("on_boot", "on_exit", "before_fork", "after_fork", "on_start", "on_done",
         "on_fail", "on_abort")


class Failure(Exception):
    """The job failed. `code` and `data` go to the queue with the message; `after` is in seconds."""
    retry, after = None, None

    def __init__(self, message="", code=None, data=None, after=None):
        super().__init__(message)
        self.code, self.data, self.after = code, data, after


class Retry(Failure):
    """Try again, `after` so many seconds (None: the back-off), never beyond max_attempts."""
    retry = True


class Permanent(Failure):
    """No further try can help."""
    retry = False


class Abort(Exception):
    """Not done, give it back: no attempt is counted. requeue=None leaves it to the policy."""

    def __init__(self, reason="given back by the task", requeue=None, after=None):
        super().__init__(reason)
        self.requeue, self.after = requeue, after


class Refused(Exception):
    """The daemon did not take an enqueue(…, now=True)."""


class ForceKilled(BaseException):
    """Raised in the running job by SIGABRT. `reason` is "timeout", "shutdown" or "revoked"."""
    reason = "shutdown"


tasks = {}
hooks = {name: [] for name in HOOKS}


class Task:
    """A class with a run(self, args, job) is a task of the class's name; `abstract=True` is not.

    Options, for the daemon (the profile wins): timeout and stall in seconds, max_attempts, limit,
    backoff (seconds, or (first, most) to grow from one to the other), payload ("json", "text",
    "base64"), policy (of an abort that no hook decides: "requeue", "fail" or "drop").
    Hooks: on_start(job), on_done(job, result), on_fail(job, error), on_abort(job, error), which
    says by True or False whether the job goes back; in place of a hook, on_abort may be the policy.
    """
    name = timeout = stall = max_attempts = limit = backoff = payload = desc = policy = None
    on_start = on_done = on_fail = on_abort = None

    def __init_subclass__(cls, abstract=False, **options):
        super().__init_subclass__(**options)
        if not abstract and cls.run is not Task.run:
            if "name" not in cls.__dict__ or not cls.name:
                cls.name = cls.__name__
            tasks[cls.name] = cls()

    def run(self, args, job):
        raise NotImplementedError

    def hook(self, name):
        return getattr(self, name)

    def announcement(self):
        """What `ready` says of this task."""
        backoff, policy = self.backoff, self.policy or self.on_abort
        if isinstance(backoff, (int, float)):
            backoff = {"kind": "const", "base_ms": ms(backoff)}
        elif isinstance(backoff, (tuple, list)):
            backoff = {"kind": "exp", "base_ms": ms(backoff[0]), "max_ms": ms(backoff[1])}
        members = {"timeout_ms": ms(self.timeout), "stall_ms": ms(self.stall), "limit": self.limit,
                   "max_attempts": self.max_attempts, "payload": self.payload, "desc": self.desc,
                   "backoff": backoff, "on_abort": policy if isinstance(policy, str) else None}
        members = {key: value for key, value in members.items() if value is not None}
        return {"name": self.name, **members} if members else self.name


class Function(Task, abstract=True):
    """What @task makes of a function: still callable, and its hooks are set by decorators."""

    def __init__(self, function, name, options):
        for option in options:
            if option.startswith("_") or option in NO_OPTIONS or not hasattr(Task, option):
                raise TypeError("unknown option of a task: " + option)
        if isinstance(options.get("on_abort"), str):
            options["policy"] = options.pop("on_abort")
        self.hooks = {key: options.pop(key) for key in HOOKS if key in options}
        self.__dict__.update(options)
        self.function, self.name = function, name or function.__name__
        self.__doc__ = function.__doc__
        code = getattr(function, "__code__", None)
        bound = 1 if getattr(function, "__self__", None) is not None else 0
        takes_job = code is None or code.co_flags & 4 or code.co_argcount - bound > 1
        self.run = function if takes_job else lambda args, job: function(args)

    def __call__(self, *args, **options):
        return self.function(*args, **options)

    def hook(self, name):
        return self.hooks.get(name)


def _setter(name):
    def decorate(self, function):
        self.hooks[name] = function
        return function
    return decorate


def _register(name):
    def decorate(function):
        hooks[name].append(function)
        return function
    return decorate


for _name in HOOKS[4:]:
    setattr(Function, _name, _setter(_name))
# Global hooks: the last four run for every task, before the task's own.
(on_boot, on_exit, before_fork, after_fork,
 on_start, on_done, on_fail, on_abort) = map(_register, HOOKS)


def task(function=None, name=None, **options):
    """Makes a task of a function (args) or (args, job): @task, @task("name"), @task(timeout=30)."""
    if function is None or isinstance(function, str):
        return lambda decorated: task(decorated, function or name, **options)
    made = Function(function, name, options)
    tasks[made.name] = made
    return made
