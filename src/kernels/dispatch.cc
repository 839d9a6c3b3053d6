// Which table runs: the best one that this processor can execute, unless MCV_TARGET or the caller
// names another.
#include <array>
#include <cstdlib>
#include <utility>

#include "kernels/table.h"

namespace mcv {

namespace {

constexpr std::pair<std::string_view, Numerics> kNumericsNames[] = {
    {"exact", Numerics::kExact}, {"fast", Numerics::kFast}, {"int8", Numerics::kInt8}};

}  // namespace

std::string_view NumericsName(Numerics numerics) {
  for (const auto& [name, value] : kNumericsNames) {
    if (value == numerics) return name;
  }
  return "";
}

std::optional<Numerics> NumericsNamed(std::string_view name) {
  for (const auto& [known, value] : kNumericsNames) {
    if (known == name) return value;
  }
  return std::nullopt;
}

std::span<const KernelTable* const> AllTables() {
  static const std::array tables = {
#if defined(MCV_AVX512_KERNELS)
    &Avx512Bf16Table(),
    &Avx512VnniTable(),
#endif
#if defined(MCV_AVX2_KERNELS)
    &Avx2Table(),
#endif
    &PortableTable(),
    &RefTable(),
  };
  return tables;
}

std::vector<std::string_view> AvailableTargets() {
  std::vector<std::string_view> names;
  for (const KernelTable* table : AllTables()) {
    if (table->runs_here()) names.push_back(table->name);
  }
  return names;
}

Result<const KernelTable*> ChooseTarget(std::string_view name) {
  std::string_view source = "the caller";
  if (name.empty()) {
    if (const char* forced = std::getenv("MCV_TARGET"); forced != nullptr && *forced != '\0') {
      name = forced;
      source = "MCV_TARGET";
    }
  }
  bool built_in = false;
  for (const KernelTable* table : AllTables()) {
    if (!name.empty() && name != table->name) continue;
    built_in = true;
    if (table->runs_here()) return table;
  }
  std::string message("no kernel target \"");
  message.append(name).append("\" (named by ").append(source).append("): ");
  message.append(built_in ? "this processor cannot run it" : "this build has none");
  message.append("; available here:");
  for (std::string_view target : AvailableTargets()) message.append(" ").append(target);
  return InvalidArgument(message);
}

std::string_view TargetName(const KernelTable& table) { return table.name; }

}  // namespace mcv
