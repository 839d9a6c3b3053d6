#include "engine/stats.h"

#include <sys/resource.h>

namespace mcv {

const char* PictureSourceName(PictureSource source) {
  switch (source) {
    case PictureSource::kEncoded:
      return "encoded";
    case PictureSource::kMemory:
      return "memory";
    case PictureSource::kDisk:
      return "disk";
  }
  return "unknown";
}

uint64_t PeakResidentBytes() {
  rusage usage = {};
  if (getrusage(RUSAGE_SELF, &usage) != 0) return 0;
  return static_cast<uint64_t>(usage.ru_maxrss) * 1024;  // Linux counts in KiB
}

}  // namespace mcv
