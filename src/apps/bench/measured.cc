#include "apps/bench/measured.h"

#include <algorithm>

namespace mcv::bench {
namespace {

using nlohmann::json;

void Put(json* object, const char* name, const std::optional<double>& value) {
  if (value) (*object)[name] = *value;
}

Status Get(const json& object, const char* name, std::optional<double>* value) {
  const auto found = object.find(name);
  if (found == object.end()) return OkStatus();
  if (!found->is_number()) return Corrupt(std::string(name) + " is not a number");
  *value = found->get<double>();
  return OkStatus();
}

// Counts and bytes: whole, not negative, and small enough to be exact.
template <typename T>
Status GetCount(const json& object, const char* name, T* value) {
  std::optional<double> number;
  MCV_RETURN_IF_ERROR(Get(object, name, &number));
  if (!number) return OkStatus();
  const double most = sizeof(T) == 4 ? 2147483647.0 : 9007199254740992.0;
  if (!(*number >= 0 && *number <= most)) return Corrupt(std::string(name) + " is out of range");
  *value = static_cast<T>(*number);
  return OkStatus();
}

Status GetText(const json& object, const char* name, std::string* value) {
  const auto found = object.find(name);
  if (found == object.end()) return OkStatus();
  if (!found->is_string()) return Corrupt(std::string(name) + " is no text");
  *value = found->get<std::string>();
  return OkStatus();
}

Status GetAnswer(const json& object, std::vector<int32_t>* answer) {
  const auto found = object.find("answer");
  if (found == object.end()) return OkStatus();
  if (!found->is_array()) return Corrupt("answer is no list");
  for (const json& id : *found) {
    const int64_t number = id.is_number_integer() ? id.get<int64_t>() : -1;
    if (number < 0 || number > INT32_MAX) return Corrupt("answer holds what is no token");
    answer->push_back(static_cast<int32_t>(number));
  }
  return OkStatus();
}

}  // namespace

json ToJson(const Measured& measured) {
  json object = {{"views", measured.views},
                 {"prompt_tokens", measured.prompt_tokens},
                 {"wall_seconds", measured.wall_seconds},
                 {"peak_resident_bytes", measured.peak_resident_bytes}};
  Put(&object, "encode_seconds", measured.encode_seconds);
  Put(&object, "tokens_per_second", measured.tokens_per_second);
  Put(&object, "load_seconds", measured.load_seconds);
  Put(&object, "still_cached", measured.still_cached);
  Put(&object, "prefill_seconds", measured.prefill_seconds);
  Put(&object, "decode_rate", measured.decode_rate);
  Put(&object, "read_bytes_per_second", measured.read_rate);
  if (measured.own_bytes > 0) object["own_bytes"] = measured.own_bytes;
  if (!measured.answer.empty()) object["answer"] = measured.answer;
  if (!measured.setup.empty()) object["setup"] = measured.setup;
  return object;
}

Result<Measured> MeasuredFromJson(const json& object) {
  if (!object.is_object()) return Corrupt("a run is not an object");
  Measured measured;
  std::optional<double> wall;
  MCV_RETURN_IF_ERROR(Get(object, "encode_seconds", &measured.encode_seconds));
  MCV_RETURN_IF_ERROR(Get(object, "tokens_per_second", &measured.tokens_per_second));
  MCV_RETURN_IF_ERROR(Get(object, "load_seconds", &measured.load_seconds));
  MCV_RETURN_IF_ERROR(Get(object, "still_cached", &measured.still_cached));
  MCV_RETURN_IF_ERROR(Get(object, "prefill_seconds", &measured.prefill_seconds));
  MCV_RETURN_IF_ERROR(Get(object, "decode_rate", &measured.decode_rate));
  MCV_RETURN_IF_ERROR(Get(object, "read_bytes_per_second", &measured.read_rate));
  MCV_RETURN_IF_ERROR(GetAnswer(object, &measured.answer));
  MCV_RETURN_IF_ERROR(GetText(object, "setup", &measured.setup));
  MCV_RETURN_IF_ERROR(GetCount(object, "own_bytes", &measured.own_bytes));
  MCV_RETURN_IF_ERROR(Get(object, "wall_seconds", &wall));
  MCV_RETURN_IF_ERROR(GetCount(object, "views", &measured.views));
  MCV_RETURN_IF_ERROR(GetCount(object, "prompt_tokens", &measured.prompt_tokens));
  MCV_RETURN_IF_ERROR(GetCount(object, "peak_resident_bytes", &measured.peak_resident_bytes));
  measured.wall_seconds = wall.value_or(0.0);
  return measured;
}

std::optional<double> ValueOf(const Row& row, const Measured& measured) {
  switch (row.kind) {
    case RowKind::kEncodeView:
    case RowKind::kEncodePicture:
      if (!measured.encode_seconds || measured.views < 1) return std::nullopt;
      return *measured.encode_seconds / measured.views;
    case RowKind::kPrefill:
    case RowKind::kDecode:
    case RowKind::kDecodeMany:
      return measured.tokens_per_second;
    case RowKind::kFirstTokenWarm:
    case RowKind::kFirstTokenCold:
      return measured.wall_seconds;
    case RowKind::kMemory:
      return static_cast<double>(measured.peak_resident_bytes);
    case RowKind::kLoad:
      break;
  }
  return measured.load_seconds;
}

double Median(std::vector<double> values) {
  MCV_CHECK(!values.empty());
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2.0;
}

}  // namespace mcv::bench
