// `env_file:`: environment variables for workers in a file of their own.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace workmand {

struct EnvFile {
  struct Problem {
    int line = 0;
    std::string sentence;  ///< never quotes the file: it may hold secrets
  };
  std::map<std::string, std::string> variables;
  std::vector<Problem> problems;
};

/// Lines of NAME=value; empty lines and those that begin with '#' are skipped. Quotes around the
/// whole value are taken off; nothing inside is replaced. A later line wins.
EnvFile ParseEnvFile(std::string_view text);

}  // namespace workmand
