// Standard input byte by byte, waiting for signals at the same time.
#pragma once

#include <cstddef>

namespace mcv::cli {

class StandardInput {
 public:
  enum class Got { kByte, kEnd, kSignal };

  // The next byte; kSignal when a signal came (Interrupted() and Terminating() say which) before
  // there was one.
  Got Next(char* byte);

 private:
  char buffer_[4096];
  size_t at_ = 0;
  size_t size_ = 0;
};

}  // namespace mcv::cli
