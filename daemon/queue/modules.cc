#include "daemon/queue/modules.h"

#include <algorithm>
#include <cstdlib>
#include <dlfcn.h>
#include <filesystem>
#include <set>

#include "daemon/base/log.h"

namespace workmand {
namespace {

constexpr const char* kPathVariable = "WORKMAN_QUEUE_PATH";
constexpr std::string_view kSuffix = ".so";

std::vector<std::string> SplitAtColons(std::string_view path) {
  std::vector<std::string> folders;
  while (!path.empty()) {
    const std::size_t colon = std::min(path.find(':'), path.size());
    if (colon > 0) folders.emplace_back(path.substr(0, colon));
    path.remove_prefix(std::min(colon + 1, path.size()));
  }
  return folders;
}

tl::unexpected<Error> Unusable(const std::string& file, const std::string& why) {
  return Fail(ErrorCode::kRefused, "the driver module " + file + " cannot be used: " + why);
}

Result<const DriverModule*> Accept(const DriverModule* module, std::string_view name,
                                   const std::string& file) {
  if (module == nullptr) return Unusable(file, "its function returns nothing");
  if (module->abi != kDriverAbi) {
    return Unusable(file, "it was built for edition " + std::to_string(module->abi) +
                              " of the driver interface, and this program has edition " +
                              std::to_string(kDriverAbi) + "; build it again");
  }
  if (module->sizes != FoldDriverSizes()) {
    return Unusable(file,
                    "it was built with other headers, or another compiler or library, than "
                    "this program; build it again");
  }
  if (module->name == nullptr || module->name != name) {
    const std::string own = module->name == nullptr ? "" : module->name;
    return Unusable(file, "it is the driver \"" + own + "\"");
  }
  return module;
}

Result<const DriverModule*> LoadFile(const std::string& file, std::string_view name) {
  void* const handle = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* const why = dlerror();
    return Unusable(file, why == nullptr ? "unknown reason" : why);
  }
  void* const symbol = dlsym(handle, kDriverModuleSymbol);
  if (symbol == nullptr) {
    return Unusable(file, std::string("it exports no ") + kDriverModuleSymbol);
  }
  const auto function = reinterpret_cast<DriverModuleFunction>(symbol);
  Result<const DriverModule*> module = Accept(function(), name, file);
  if (module) log::Debug("driver module loaded", {{"file", file}});
  return module;
}

}  // namespace

std::vector<std::string> ModuleFolders() {
  if (const char* const path = std::getenv(kPathVariable)) return SplitAtColons(path);
  std::vector<std::string> folders;
  std::error_code error;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
  if (!error) {
    folders.push_back((program.parent_path().parent_path() / "lib/workman/queues").string());
  }
  if (std::find(folders.begin(), folders.end(), WORKMAN_QUEUE_DIR) == folders.end()) {
    folders.emplace_back(WORKMAN_QUEUE_DIR);
  }
  return folders;
}

bool IsModuleName(std::string_view name) {
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyz0123456789_-";
  return !name.empty() && name.find_first_not_of(kLetters) == std::string_view::npos;
}

std::vector<std::string> ListModules(std::span<const std::string> folders) {
  std::set<std::string> names;
  for (const std::string& folder : folders) {
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
      const std::string file = entry.path().filename().string();
      if (!file.ends_with(kSuffix)) continue;
      const std::string name = file.substr(0, file.size() - kSuffix.size());
      if (IsModuleName(name)) names.insert(name);
    }
  }
  return {names.begin(), names.end()};
}

Result<const DriverModule*> LoadModule(std::string_view name,
                                       std::span<const std::string> folders) {
  if (IsModuleName(name)) {
    for (const std::string& folder : folders) {
      const std::string file = folder + "/" + std::string(name) + std::string(kSuffix);
      std::error_code error;
      if (std::filesystem::exists(file, error)) return LoadFile(file, name);
    }
  }
  return Fail(ErrorCode::kNotFound,
              "there is no module of the driver \"" + std::string(name) + "\"");
}

}  // namespace workmand
