// A fuzz target without libFuzzer: feeds it every file that is named, and every file in folders
// that are named, each once. Driven by ctest over testdata/ with any compiler; never changes a
// file.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/fuzz/fuzz.h"

namespace {

namespace fs = std::filesystem;

std::vector<fs::path> FilesOf(const fs::path& place) {
  if (!fs::is_directory(place)) return {place};
  std::vector<fs::path> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(place)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

void Feed(const std::string& bytes) {
  const std::vector<std::uint8_t> input(bytes.begin(), bytes.end());
  LLVMFuzzerTestOneInput(input.data(), input.size());
}

/// Returns how many inputs the file held: a file of lines (.jsonl) holds one in each.
int Replay(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error(path.string() + " cannot be read");
  // Said first: the last name before an abort is the culprit.
  std::fprintf(stderr, "%s\n", path.c_str());
  if (path.extension() != ".jsonl") {
    Feed({std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()});
    return 1;
  }
  int inputs = 0;
  for (std::string line; std::getline(file, line); ++inputs) Feed(line);
  return inputs;
}

}  // namespace

int main(int argc, char** argv) try {
  int inputs = 0;
  for (const std::string& place : std::vector<std::string>(argv + 1, argv + argc)) {
    for (const fs::path& path : FilesOf(place)) inputs += Replay(path);
  }
  std::printf("%d inputs\n", inputs);
  // A test over nothing proves nothing.
  return inputs > 0 ? 0 : 1;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
