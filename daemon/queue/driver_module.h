// What a driver module is: a shared object NAME.so that exports one function, from which the
// program that loads it gets the three functions of drivers.h and a number that says for which
// edition of this interface it was built. A module needs nothing else of the program; how one is
// built is in docs/queues.md ("A driver of your own").
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <vector>

#include "daemon/base/job.h"
#include "daemon/base/result.h"
#include "daemon/queue/queue.h"
#include "daemon/queue/registry.h"

namespace workmand {

/// The edition of the interface. +1 with every change of queue.h, job.h, QueueOptions or
/// DriverConfig that a module built before it would not survive: a virtual function more, a value
/// in the middle of an enum, another meaning.
inline constexpr std::uint32_t kDriverAbi = 4;

/// The sizes of what crosses, folded into one number: tells modules apart that were built with
/// another standard library, or while somebody forgot to raise kDriverAbi.
constexpr std::uint64_t FoldDriverSizes() {
  std::uint64_t folded = sizeof(void*);
  for (const std::size_t size :
       {sizeof(Job), sizeof(Update), sizeof(Enqueue), sizeof(Reply), sizeof(ProgressNote),
        sizeof(DeadLetter), sizeof(Subscription), sizeof(Caps), sizeof(QueueOptions),
        sizeof(QueueOptions::Value), sizeof(QueueKeyError), sizeof(DriverConfig), sizeof(Waker),
        sizeof(Result<std::unique_ptr<Queue>>)}) {
    folded = folded * 1'000'003U + size;
  }
  return folded;
}

/// The first two members stay where they are for ever: they are read before the rest is trusted.
struct DriverModule {
  std::uint32_t abi = kDriverAbi;
  std::uint64_t sizes = FoldDriverSizes();
  const char* name = nullptr;  ///< as in `queue.driver`, and as the file is called
  Caps (*caps)() = nullptr;
  std::vector<QueueKeyError> (*check)(const QueueOptions&) = nullptr;
  Result<std::unique_ptr<Queue>> (*open)(const DriverConfig&, Role) = nullptr;
};

using DriverModuleFunction = const DriverModule* (*)();
/// The symbol that a module exports, a DriverModuleFunction.
inline constexpr const char* kDriverModuleSymbol = "workman_queue_driver";

}  // namespace workmand

/// Makes a shared object a driver module; stands once in it, outside every namespace. CAPS, CHECK
/// and OPEN are what drivers.h says of XCaps, CheckXOptions and OpenX.
#define WORKMAN_QUEUE_DRIVER(NAME, CAPS, CHECK, OPEN)                                    \
  extern "C" [[gnu::visibility("default")]] const ::workmand::DriverModule*              \
  workman_queue_driver();                                                                \
  const ::workmand::DriverModule* workman_queue_driver() {                               \
    static constexpr ::workmand::DriverModule kModule{                                   \
        ::workmand::kDriverAbi, ::workmand::FoldDriverSizes(), NAME, CAPS, CHECK, OPEN}; \
    return &kModule;                                                                     \
  }
