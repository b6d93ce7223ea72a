// core/settings: how many threads and which device, set once by whoever owns the process.
#pragma once

#include <functional>
#include <string>

namespace noema {

/// Threads that the library may use at once; by default the processors this process may run on.
int thread_count();

/// Sets the thread count (at least 1) and tells every listener. Not while work is running.
void set_thread_count(int threads);

/// Calls `listener` now and at each change: a room sets its own library's threads so.
void on_thread_count(std::function<void(int)> listener);

/// "cpu" or "cuda:N": where networks run.
const std::string& device();

/// Accepts "auto", "cpu", "cuda" or "cuda:N". "auto" and "cuda" are resolved by the room that knows the devices.
void set_device(const std::string& name);

}  // namespace noema
