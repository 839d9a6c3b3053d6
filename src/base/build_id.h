// Which build of this program, or of this library in another program, is running.
#pragma once

#include <cstddef>
#include <vector>

namespace mcv {

// Bytes that stand for the code of the loaded file that `address` (of a function, for instance)
// lies in: the linker's build id where it wrote one, else a SHA-256 of the code as it lies in
// memory. Another build has others, a copy of the file or another time of change has the same.
// Empty if the address lies in no loaded file.
std::vector<std::byte> BuildIdOf(const void* address);

// What BuildIdOf falls back to.
std::vector<std::byte> CodeDigestOf(const void* address);

}  // namespace mcv
