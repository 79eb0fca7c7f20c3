// conf/reference.yaml and docs/profile.md against the table of keys.
#include <algorithm>
#include <set>
#include <sstream>

#include <catch2/catch.hpp>

#include "daemon/profile/keys.h"
#include "tests/unit/profile/support.h"

namespace workmand::test {
namespace {

std::string Read(const std::string& name) {
  std::ifstream file(std::string(SOURCE_DIR) + "/" + name);
  std::ostringstream text;
  text << file.rdbuf();
  if (text.str().empty()) throw std::runtime_error(name + " cannot be read");
  return text.str();
}

/// The dotted names of the keys in a YAML text, also of those that are commented out ("# key:").
std::set<std::string> KeysIn(const std::string& text) {
  std::set<std::string> keys;
  std::vector<std::string> parents;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::size_t indent = line.find_first_not_of(' ');
    if (indent == std::string::npos) continue;
    if (line.compare(indent, 2, "# ") == 0) line.erase(indent, 2);
    indent = line.find_first_not_of(' ');
    const std::size_t colon = line.find(':');
    if (indent == std::string::npos || colon == std::string::npos) continue;
    parents.resize(std::min(parents.size(), indent / 2));
    parents.push_back(line.substr(indent, colon - indent));
    std::string path;
    for (const std::string& parent : parents) path += (path.empty() ? "" : ".") + parent;
    keys.insert(path);
  }
  return keys;
}

/// The reference shows the keys of one task with this name.
std::string InReference(std::string path) {
  const std::size_t any = path.find(".*.");
  return any == std::string::npos ? path : path.replace(any, 3, ".Resize.");
}

}  // namespace

TEST_CASE("the reference profile loads and equals the built-in defaults", "[profile]") {
  const Profile reference = Good(Read("conf/reference.yaml"));

  Profile defaults = Good(kMinimal);
  defaults.command = reference.command;
  CHECK(PrintProfile(reference) == PrintProfile(defaults));
  CHECK(reference == defaults);
}

TEST_CASE("the reference profile lists every key", "[profile]") {
  const std::set<std::string> listed = KeysIn(Read("conf/reference.yaml"));

  for (const std::string& key : AcceptedKeys()) {
    INFO(key);
    CHECK(listed.count(InReference(key)) == 1);
  }
  for (const FutureKey& key : FutureKeys()) {
    INFO(key.path);
    CHECK(listed.count(InReference(std::string(key.path))) == 1);
  }
}

TEST_CASE("the page about profiles names every key", "[profile]") {
  const std::string page = Read("docs/profile.md");

  for (const std::string& key : AcceptedKeys()) {
    INFO(key);
    CHECK(page.find("`" + key + "`") != std::string::npos);
  }
  for (const FutureKey& key : FutureKeys()) {
    INFO(key.path);
    CHECK(page.find("`" + std::string(key.path) + "`") != std::string::npos);
  }
}

}  // namespace workmand::test
