// The system's cache of files: emptied so that the next reader has to go to the disk, or filled so
// that it need not.
#pragma once

#include <string>
#include <vector>

#include "base/status.h"

namespace mcv::bench {

// Asks the system to forget the files and returns the share of their pages that it still holds, 0
// to 1: pages that are mapped by a running process, or not yet written, stay. IoError names a file
// that cannot be read.
Result<double> DropFromCache(const std::vector<std::string>& paths);

// Reads what is not cached yet, so that the next reader does not wait for the disk.
Status ReadIntoCache(const std::vector<std::string>& paths);

}  // namespace mcv::bench
