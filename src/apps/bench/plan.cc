#include "apps/bench/plan.h"

#include <algorithm>
#include <charconv>

#include "kernels/kernels.h"

namespace mcv::bench {
namespace {

constexpr int64_t kMostTokens = 1'000'000;

struct KindName {
  RowKind kind;
  const char* group;
  const char* place;  // after '@'; null: a number of tokens; "": no '@'
  const char* unit;
};

constexpr KindName kKinds[] = {
    {RowKind::kEncodeView, "encode", "view", "seconds"},
    {RowKind::kEncodePicture, "encode", "picture", "seconds"},
    {RowKind::kPrefill, "prefill", nullptr, "tokens/s"},
    {RowKind::kDecode, "decode", nullptr, "tokens/s"},
    {RowKind::kDecodeMany, "decode-many", nullptr, "tokens/s"},
    {RowKind::kFirstTokenWarm, "first-token", "warm", "seconds"},
    {RowKind::kFirstTokenCold, "first-token", "cold", "seconds"},
    {RowKind::kMemory, "memory", "", "bytes"},
    {RowKind::kLoad, "load", "", "seconds"},
};

const KindName& NameOf(RowKind kind) {
  return *std::find_if(std::begin(kKinds), std::end(kKinds),
                       [&](const KindName& name) { return name.kind == kind; });
}

Status UnknownRow(const std::string& name) {
  return InvalidArgument("--rows: '" + name +
                         "' is no row; expected encode, encode@view, encode@picture, prefill, "
                         "prefill@TOKENS, decode, decode@CONTEXT, decode-many, "
                         "decode-many@SEQUENCES, first-token, first-token@warm, "
                         "first-token@cold, memory or load");
}

// prefill@N with N >= 1, decode@N with N >= 0, decode-many@N with N up to what a step takes.
bool ParseCount(const std::string& text, RowKind kind, int64_t* tokens) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *tokens);
  const int64_t most = kind == RowKind::kDecodeMany ? int64_t{kMostSequences} : kMostTokens;
  return error == std::errc() && end == text.data() + text.size() && *tokens <= most &&
         *tokens >= (kind == RowKind::kDecode ? 0 : 1);
}

void AddRow(const Row& row, std::vector<Row>* rows) {
  if (std::find(rows->begin(), rows->end(), row) == rows->end()) rows->push_back(row);
}

Status AddNamed(const std::string& name, std::vector<Row>* rows) {
  bool found = false;
  for (const Row& row : AllRows()) {
    if (name != NameOf(row.kind).group && name != RowKey(row)) continue;
    AddRow(row, rows);
    found = true;
  }
  if (found) return OkStatus();
  const size_t at = name.find('@');
  if (at == std::string::npos) return UnknownRow(name);
  for (const KindName& kind : kKinds) {
    if (kind.place != nullptr || name.substr(0, at) != kind.group) continue;
    Row row{kind.kind, 0};
    if (!ParseCount(name.substr(at + 1), kind.kind, &row.tokens)) break;
    AddRow(row, rows);
    return OkStatus();
  }
  return UnknownRow(name);
}

JobKind JobOf(RowKind kind) {
  switch (kind) {
    case RowKind::kEncodeView:
      return JobKind::kView;
    case RowKind::kEncodePicture:
    case RowKind::kFirstTokenWarm:
    case RowKind::kMemory:
      return JobKind::kPicture;
    case RowKind::kFirstTokenCold:
      return JobKind::kPictureCold;
    case RowKind::kPrefill:
      return JobKind::kPrefill;
    case RowKind::kDecode:
      return JobKind::kDecode;
    case RowKind::kDecodeMany:
      return JobKind::kDecodeMany;
    case RowKind::kLoad:
      break;
  }
  return JobKind::kLoad;
}

Job* FindJob(std::vector<Job>* jobs, JobKind kind, int64_t tokens) {
  const auto found = std::find_if(jobs->begin(), jobs->end(), [&](const Job& job) {
    return job.kind == kind && job.tokens == tokens;
  });
  return found == jobs->end() ? nullptr : &*found;
}

}  // namespace

std::string RowKey(const Row& row) {
  const KindName& name = NameOf(row.kind);
  const std::string place = name.place == nullptr ? std::to_string(row.tokens) : name.place;
  return place.empty() ? name.group : std::string(name.group) + "@" + place;
}

std::string RowUnit(const Row& row) { return NameOf(row.kind).unit; }

bool LargerIsBetter(const Row& row) { return RowUnit(row) == "tokens/s"; }

std::vector<Row> AllRows() {
  return {
      {RowKind::kEncodeView, 0},     {RowKind::kEncodePicture, 0}, {RowKind::kPrefill, 96},
      {RowKind::kPrefill, 256},      {RowKind::kPrefill, 1024},    {RowKind::kDecode, 0},
      {RowKind::kDecode, 1024},      {RowKind::kDecode, 4096},     {RowKind::kDecodeMany, 1},
      {RowKind::kDecodeMany, 4},     {RowKind::kDecodeMany, 16},   {RowKind::kFirstTokenWarm, 0},
      {RowKind::kFirstTokenCold, 0}, {RowKind::kMemory, 0},        {RowKind::kLoad, 0}};
}

std::vector<Row> QuickRows() {
  return {{RowKind::kEncodeView, 0},
          {RowKind::kPrefill, 96},
          {RowKind::kDecode, 0},
          {RowKind::kLoad, 0}};
}

Result<std::vector<Row>> ParseRows(const std::vector<std::string>& names) {
  std::vector<Row> rows;
  for (const std::string& name : names) MCV_RETURN_IF_ERROR(AddNamed(name, &rows));
  std::stable_sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) {
    return a.kind != b.kind ? a.kind < b.kind : a.tokens < b.tokens;
  });
  return rows;
}

std::string JobKey(const Job& job) {
  switch (job.kind) {
    case JobKind::kView:
      return "view";
    case JobKind::kPicture:
      return "picture";
    case JobKind::kPictureCold:
      return "picture-cold";
    case JobKind::kPrefill:
      return "prefill@" + std::to_string(job.tokens);
    case JobKind::kDecode:
      return "decode@" + std::to_string(job.tokens);
    case JobKind::kDecodeMany:
      return "decode-many@" + std::to_string(job.tokens);
    case JobKind::kAnswer:
      return "answer";
    case JobKind::kLoad:
      break;
  }
  return "load";
}

std::vector<Job> JobsFor(const std::vector<Row>& rows, bool has_vision) {
  std::vector<Job> jobs;
  for (const Row& row : rows) {
    JobKind kind = JobOf(row.kind);
    // A run that shows a picture tells how long loading took; both sides log it there.
    if (kind == JobKind::kLoad && has_vision) {
      kind = FindJob(&jobs, JobKind::kView, 0) == nullptr &&
                     FindJob(&jobs, JobKind::kPicture, 0) != nullptr
                 ? JobKind::kPicture
                 : JobKind::kView;
    }
    Job* job = FindJob(&jobs, kind, row.tokens);
    if (job == nullptr) job = &jobs.emplace_back(Job{kind, row.tokens, {}});
    job->rows.push_back(row);
  }
  return jobs;
}

bool NeedsPicture(const Job& job) {
  return job.kind == JobKind::kView || job.kind == JobKind::kPicture ||
         job.kind == JobKind::kPictureCold || job.kind == JobKind::kAnswer;
}

}  // namespace mcv::bench
