#include "trainer/data/loader.h"

#include <utility>

namespace mcv::trainer {

Loader::Loader(std::shared_ptr<const DataAssets> assets, const DataConfig& config,
               const Options& options)
    : assets_(std::move(assets)),
      config_(config),
      options_(options),
      next_ticket_(options.first_batch),
      next_batch_(options.first_batch) {
  MCV_CHECK(options.num_threads > 0 && options.window > 0);
  for (int i = 0; i < options.num_threads; ++i) workers_.emplace_back([this] { Work(); });
}

Loader::~Loader() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  window_moved_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

Batch Loader::Next() {
  std::unique_lock lock(mutex_);
  batch_ready_.wait(lock, [&] { return ready_.contains(next_batch_); });
  auto node = ready_.extract(next_batch_++);
  lock.unlock();
  window_moved_.notify_all();
  return std::move(node.mapped());
}

void Loader::Work() {
  DataGenerator generator(assets_, config_);
  const uint64_t group_size = static_cast<uint64_t>(config_.group_size);
  for (;;) {
    uint64_t ticket;
    {
      std::unique_lock lock(mutex_);
      window_moved_.wait(lock, [&] {
        return stopping_ || next_ticket_ < next_batch_ + static_cast<uint64_t>(options_.window);
      });
      if (stopping_) return;
      ticket = next_ticket_++;
    }
    Batch batch;
    batch.number = ticket;
    batch.plan = PlanGroup(config_, options_.split, ticket);
    batch.samples.reserve(group_size);
    for (uint64_t i = 0; i < group_size; ++i) {
      batch.samples.push_back(generator.Make(options_.split, ticket * group_size + i, batch.plan));
    }
    {
      const std::lock_guard lock(mutex_);
      ready_.emplace(ticket, std::move(batch));
    }
    batch_ready_.notify_one();
  }
}

}  // namespace mcv::trainer
