// Tasks of any callable and of any class. Part of workman/worker.hpp.
#pragma once

#include "workman/worker.hpp"

namespace workman {

namespace detail {

/// The name of a type as it is written, without "workman::detail::" of ours.
inline std::string TypeName(const std::type_info& type) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> name(
      abi::__cxa_demangle(type.name(), nullptr, nullptr, &status), std::free);
  return status == 0 ? name.get() : type.name();
}

}  // namespace detail

template <typename F>
std::function<Value(Job&)> Worker::Wrap(F function) {
  return [function = std::move(function)](Job& job) mutable -> Value {
    const auto call = [&]() -> decltype(auto) {
      if constexpr (std::is_invocable_v<F&, Job&>) {
        return function(job);
      } else if constexpr (std::is_invocable_v<F&, const json&, Job&>) {
        return function(job.args(), job);
      } else {
        return function(job.args());
      }
    };
    if constexpr (std::is_void_v<decltype(call())>) {
      call();
      return {};
    } else {
      return call();
    }
  };
}

template <typename T>
Task& Worker::add(T object) {
  const auto self = std::make_shared<T>(std::move(object));
  std::string name;
  if constexpr (requires { std::string(T::name); }) {
    name = T::name;
  } else {
    name = detail::TypeName(typeid(T));
    name = name.substr(name.rfind(':') + 1);
  }
  Options options;
  if constexpr (requires { Options(T::options); }) options = T::options;
  Task& made = [&]() -> Task& {
    if constexpr (requires(Job & job) { self->run(job); }) {
      return task(name, options, [self](Job& job) { return self->run(job); });
    } else if constexpr (requires(Job & job) { self->run(job.args(), job); }) {
      return task(name, options,
                  [self](const json& args, Job& job) { return self->run(args, job); });
    } else {
      return task(name, options, [self](const json& args) { return self->run(args); });
    }
  }();
  if constexpr (requires(Job & job) { self->on_start(job); }) {
    made.on_start([self](Job& job) { self->on_start(job); });
  }
  if constexpr (requires(Job & job) { self->on_done(job); }) {
    made.on_done([self](Job& job) { self->on_done(job); });
  }
  if constexpr (requires(Job & job, std::string text) { self->on_fail(job, text); }) {
    made.on_fail([self](Job& job, const std::string& text) { self->on_fail(job, text); });
  }
  if constexpr (requires(Job & job, ForceKilled why) { self->on_abort(job, why); }) {
    made.on_abort([self](Job& job, const ForceKilled& why) { return self->on_abort(job, why); });
  }
  return made;
}

inline Task& Worker::Add(std::unique_ptr<Task> task) {
  Task& made = *task;
  by_name_[made.name()] = &made;
  std::erase_if(tasks_, [&](const auto& other) { return other->name() == made.name(); });
  tasks_.push_back(std::move(task));
  return made;
}

inline void Worker::load(const std::string& path) {
  loader([path](Worker& worker) {
    void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    void* entry = library != nullptr ? ::dlsym(library, "workman_tasks") : nullptr;
    if (entry == nullptr) throw std::runtime_error(::dlerror());
    reinterpret_cast<void (*)(Worker&)>(entry)(worker);
  });
}

}  // namespace workman
