#include "noema/core/parallel.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "noema/core/settings.h"

namespace noema {
namespace {

thread_local bool inside_body = false;

// Workers that live as long as the process: starting a thread costs more than many of the loops here.
class Pool {
 public:
  static Pool& instance() {
    static Pool pool;
    return pool;
  }

  // Runs `work` on the caller and on `helpers` workers.
  void run(int helpers, const std::function<void()>& work) {
    std::lock_guard one_at_a_time(run_mutex_);
    {
      std::lock_guard lock(mutex_);
      while (static_cast<int>(workers_.size()) < helpers) workers_.emplace_back([this] { loop(); });
      work_ = &work;
      wanted_ = helpers;
      running_ = helpers;
      ++generation_;
    }
    wake_.notify_all();
    work();
    std::unique_lock lock(mutex_);
    done_.wait(lock, [this] { return running_ == 0; });
  }

 private:
  Pool() = default;
  ~Pool() {
    {
      std::lock_guard lock(mutex_);
      stop_ = true;
    }
    wake_.notify_all();
    for (std::thread& worker : workers_) worker.join();
  }

  void loop() {
    std::uint64_t seen = 0;
    std::unique_lock lock(mutex_);
    while (true) {
      wake_.wait(lock, [&] { return stop_ || (generation_ != seen && wanted_ > 0); });
      if (stop_) return;
      seen = generation_;
      --wanted_;
      const std::function<void()>* work = work_;
      lock.unlock();
      (*work)();
      lock.lock();
      if (--running_ == 0) done_.notify_all();
    }
  }

  std::mutex run_mutex_;
  std::mutex mutex_;
  std::condition_variable wake_, done_;
  std::vector<std::thread> workers_;
  const std::function<void()>* work_ = nullptr;
  std::uint64_t generation_ = 0;
  int wanted_ = 0;
  int running_ = 0;
  bool stop_ = false;
};

void run_pieces(std::int64_t pieces, const std::function<void(std::int64_t)>& piece) {
  const std::int64_t threads = std::min<std::int64_t>(thread_count(), pieces);
  if (threads <= 1 || inside_body) {
    for (std::int64_t i = 0; i < pieces; ++i) piece(i);
    return;
  }
  std::atomic<std::int64_t> next{0};
  std::exception_ptr failure;
  std::mutex failure_mutex;
  Pool::instance().run(static_cast<int>(threads) - 1, [&] {
    inside_body = true;
    for (std::int64_t i = next++; i < pieces; i = next++) {
      try {
        piece(i);
      } catch (...) {
        std::lock_guard lock(failure_mutex);
        if (!failure) failure = std::current_exception();
        next = pieces;
      }
    }
    inside_body = false;
  });
  if (failure) std::rethrow_exception(failure);
}

}  // namespace

void parallel_for(std::int64_t count, std::int64_t grain, const std::function<void(std::int64_t, std::int64_t)>& body) {
  if (count <= 0) return;
  grain = std::max<std::int64_t>(grain, 1);
  // Four pieces a thread even out uneven speeds.
  const std::int64_t pieces = std::clamp<std::int64_t>(count / grain, 1, 4 * thread_count());
  run_pieces(pieces, [&](std::int64_t i) { body(count * i / pieces, count * (i + 1) / pieces); });
}

void parallel_tasks(std::int64_t count, const std::function<void(std::int64_t)>& task) { run_pieces(count, task); }

}  // namespace noema
