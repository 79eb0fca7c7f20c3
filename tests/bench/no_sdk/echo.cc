// The loop without a library that the bench of the SDKs measures against.
#include <iostream>
#include <string>

#include <nlohmann/json.hpp>

using nlohmann::json;

// NOLINTNEXTLINE(bugprone-exception-escape): what throws ends the measurement.
int main() {
  const auto send = [](const json& message) { std::cout << message.dump() << std::endl; };
  send({{"type", "ready"}, {"tasks", {"kit.echo"}}});
  for (std::string line; std::getline(std::cin, line);) {
    const json job = json::parse(line);
    if (job["type"] != "job") continue;
    try {
      send({{"type", "done"}, {"id", job["id"]}, {"result", job["args"]}});
    } catch (const std::exception& error) {
      send({{"type", "fail"}, {"id", job["id"]}, {"error", {{"message", error.what()}}}});
    }
  }
}
