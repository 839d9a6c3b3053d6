// What is measured: the rows of the table, and the runs that they come from.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"

namespace mcv::bench {

enum class RowKind {
  kEncodeView,     // a picture that is one view
  kEncodePicture,  // a large picture: overview and slices
  kPrefill,        // `tokens` into an empty context
  kDecode,         // one at a time after `tokens` of context
  kDecodeMany,     // `tokens` sequences at once, one token of each at a time
  kFirstTokenWarm,
  kFirstTokenCold,
  kMemory,
  kLoad,
};

struct Row {
  RowKind kind = RowKind::kLoad;
  int64_t tokens = 0;  // kPrefill, kDecode; of kDecodeMany sequences
  friend bool operator==(const Row&, const Row&) = default;
};

// "encode@view", "prefill@256", "memory": how rows are named on the command line and in JSON.
std::string RowKey(const Row& row);
// "seconds", "tokens/s", "bytes".
std::string RowUnit(const Row& row);
bool LargerIsBetter(const Row& row);

// All rows of the table: encode of a view and of a picture, prefill of 96, 256 and 1,024
// tokens, decode at 0, 1,024 and 4,096 tokens of context, decode of 1, 4 and 16 sequences, first
// token, memory, load.
std::vector<Row> AllRows();
// The few that take seconds.
std::vector<Row> QuickRows();
// "encode" stands for every row of that name, "encode@view" for one, "prefill@512" and "decode@64"
// for any number of tokens. Doubles are dropped, the order is the table's. InvalidArgument lists
// the names.
Result<std::vector<Row>> ParseRows(const std::vector<std::string>& names);

// One run of a fresh process on each side, and the rows that it gives values for.
// kAnswer: a view, the question and an answer, for the ladder (ladder.h).
enum class JobKind {
  kView,
  kPicture,
  kPictureCold,
  kPrefill,
  kDecode,
  kDecodeMany,
  kLoad,
  kAnswer
};

// What each of several sequences has read before it is timed.
inline constexpr int64_t kManyPromptTokens = 32;

struct Job {
  JobKind kind = JobKind::kView;
  int64_t tokens = 0;
  std::vector<Row> rows;
};

// "view", "picture", "picture-cold", "prefill@256", "load".
std::string JobKey(const Job& job);
// Rows that can be had from one run share it. Without vision the rows need no encoder.
std::vector<Job> JobsFor(const std::vector<Row>& rows, bool has_vision);

bool NeedsPicture(const Job& job);

}  // namespace mcv::bench
