// Tasks in a shared object: a reload of the daemon takes the new one.
#include <workman/worker.hpp>

extern "C" void workman_tasks(workman::Worker& worker) {
  worker.task("double", [](const workman::json& args) { return args.get<int>() * 2; });
  worker.task("refuse", [](workman::Job&) { throw workman::Permanent("no", "refused"); });
}
