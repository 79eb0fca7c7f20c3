// A worker in C++ with a JSON library and nothing else. std::endl flushes: every answer must leave
// at once.
#include <chrono>
#include <functional>
#include <iostream>
#include <map>
#include <stdexcept>
#include <string>
#include <thread>

#include <nlohmann/json.hpp>

using nlohmann::json;

namespace {

json Sleep(const json& args) {
  std::this_thread::sleep_for(std::chrono::duration<double>(args.at("s").get<double>()));
  return args;
}

json Fail(const json& args) {
  throw std::runtime_error(args.at("message").get<std::string>());
}

void Send(const json& message) {
  std::cout << message.dump() << std::endl;
}

}  // namespace

// A line that is no JSON ends the worker, and workmand says so and starts another.
// NOLINTNEXTLINE(bugprone-exception-escape)
int main() {
  const std::map<std::string, std::function<json(const json&)>> tasks{
      {"Echo", [](const json& args) { return args; }}, {"Sleep", Sleep}, {"Fail", Fail}};

  Send({{"type", "ready"}, {"tasks", {"Echo", "Sleep", "Fail"}}});
  for (std::string line; std::getline(std::cin, line);) {
    const json job = json::parse(line);
    if (job["type"] != "job") continue;
    try {
      Send({{"type", "done"}, {"id", job["id"]}, {"result", tasks.at(job["task"])(job["args"])}});
    } catch (const std::exception& e) {
      Send({{"type", "fail"}, {"id", job["id"]}, {"error", {{"message", e.what()}}}});
    }
  }
}
