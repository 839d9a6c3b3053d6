// Batches drawn ahead by worker threads, handed out in order.
//
// Workers take tickets (batch numbers), draw a batch each and put it in a bounded window; Next()
// returns batch after batch in ticket order, so the sequence does not depend on the number of
// threads and a run can resume at any batch.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "trainer/data/generator.h"

namespace mcv::trainer {

struct Batch {
  uint64_t number = 0;          // samples [number * group_size, (number + 1) * group_size)
  GroupPlan plan;               // kind and grid that all samples share
  std::vector<Sample> samples;  // group_size of them
};

class Loader {
 public:
  struct Options {
    Split split = Split::kTrain;
    uint64_t first_batch = 0;
    int num_threads = 1;
    int window = 8;  // batches drawn ahead at most
  };
  Loader(std::shared_ptr<const DataAssets> assets, const DataConfig& config,
         const Options& options);
  ~Loader();  // stops and joins the workers
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  // Blocks until the next batch is there. One consumer thread.
  Batch Next();

 private:
  void Work();

  const std::shared_ptr<const DataAssets> assets_;
  const DataConfig config_;
  const Options options_;

  std::mutex mutex_;
  std::condition_variable batch_ready_;
  std::condition_variable window_moved_;
  std::map<uint64_t, Batch> ready_;
  uint64_t next_ticket_ = 0;
  uint64_t next_batch_ = 0;
  bool stopping_ = false;
  std::vector<std::thread> workers_;
};

}  // namespace mcv::trainer
