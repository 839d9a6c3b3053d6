// A loaded file's segments and notes are read where the loader put them: the file itself may have
// been replaced by an update since, or belong to a program that only uses this library.

#include "base/build_id.h"

#include <elf.h>
#include <link.h>

#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "base/sha256.h"

namespace mcv {
namespace {

using Bytes = std::span<const std::byte>;

struct Search {
  uintptr_t address;
  bool use_notes;
  std::vector<std::byte> found;
};

Bytes SegmentBytes(const dl_phdr_info& object, const ElfW(Phdr) & segment) {
  return {reinterpret_cast<const std::byte*>(object.dlpi_addr + segment.p_vaddr), segment.p_memsz};
}

bool Holds(const dl_phdr_info& object, uintptr_t address) {
  for (int i = 0; i < object.dlpi_phnum; ++i) {
    if (object.dlpi_phdr[i].p_type != PT_LOAD) continue;
    const Bytes bytes = SegmentBytes(object, object.dlpi_phdr[i]);
    const auto begin = reinterpret_cast<uintptr_t>(bytes.data());
    if (address >= begin && address - begin < bytes.size()) return true;
  }
  return false;
}

constexpr size_t Padded(size_t bytes) { return (bytes + 3) / 4 * 4; }

// The description of the note that the linker calls "GNU" and build id.
std::vector<std::byte> BuildIdIn(Bytes notes) {
  while (notes.size() >= sizeof(ElfW(Nhdr))) {
    ElfW(Nhdr) note;
    std::memcpy(&note, notes.data(), sizeof note);
    notes = notes.subspan(sizeof note);
    const size_t name_bytes = Padded(note.n_namesz);
    const size_t all_bytes = name_bytes + Padded(note.n_descsz);
    if (all_bytes > notes.size()) break;
    const std::string_view name(reinterpret_cast<const char*>(notes.data()), note.n_namesz);
    if (note.n_type == NT_GNU_BUILD_ID && name == std::string_view("GNU\0", 4)) {
      const Bytes id = notes.subspan(name_bytes, note.n_descsz);
      return {id.begin(), id.end()};
    }
    notes = notes.subspan(all_bytes);
  }
  return {};
}

// Code is position independent: where it was loaded does not change its bytes.
std::vector<std::byte> DigestOfCode(const dl_phdr_info& object) {
  Sha256 sha;
  for (int i = 0; i < object.dlpi_phnum; ++i) {
    const auto& segment = object.dlpi_phdr[i];
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_X) == 0) continue;
    if ((segment.p_flags & PF_R) != 0) sha.Update(SegmentBytes(object, segment));
  }
  const auto digest = sha.Finish();
  const Bytes bytes = std::as_bytes(std::span(digest));
  return {bytes.begin(), bytes.end()};
}

int Visit(dl_phdr_info* object, size_t, void* data) {
  auto* search = static_cast<Search*>(data);
  if (!Holds(*object, search->address)) return 0;
  for (int i = 0; search->use_notes && search->found.empty() && i < object->dlpi_phnum; ++i) {
    if (object->dlpi_phdr[i].p_type != PT_NOTE) continue;
    search->found = BuildIdIn(SegmentBytes(*object, object->dlpi_phdr[i]));
  }
  if (search->found.empty()) search->found = DigestOfCode(*object);
  return 1;
}

std::vector<std::byte> Find(const void* address, bool use_notes) {
  Search search = {reinterpret_cast<uintptr_t>(address), use_notes, {}};
  ::dl_iterate_phdr(Visit, &search);
  return std::move(search.found);
}

}  // namespace

std::vector<std::byte> BuildIdOf(const void* address) { return Find(address, true); }

std::vector<std::byte> CodeDigestOf(const void* address) { return Find(address, false); }

}  // namespace mcv
