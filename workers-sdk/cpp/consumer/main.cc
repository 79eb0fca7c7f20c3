#include <workman/client.hpp>
#include <workman/worker.hpp>

int main(int argc, char** argv) {
  workman::Worker worker(argc, argv);
  worker.task("echo", [](const workman::json& args) { return args; });
  if (const char* path = std::getenv("MORE_TASKS")) worker.load(path);
  return worker.run();
}
