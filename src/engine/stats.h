// What an answer cost.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace mcv {

// Where a picture's rows came from: the encoder, or a cache that had them (picture_cache.h).
enum class PictureSource { kEncoded, kMemory, kDisk };
const char* PictureSourceName(PictureSource source);  // "encoded", "memory", "disk"

struct PictureStats {
  PictureSource source = PictureSource::kEncoded;
  int views = 0;                // overview and slices
  int64_t patches = 0;          // over all views
  int64_t rows = 0;             // rows that the picture takes in the prompt
  double resize_seconds = 0.0;  // this and the next are 0 unless it was encoded
  double encode_seconds = 0.0;
  double lookup_seconds = 0.0;           // in the cache, whether it was there or not
  double store_seconds = 0.0;            // into the cache
  std::vector<std::string> cache_notes;  // why the cache could not be used, for the user
};

struct AnswerStats {
  int64_t prompt_tokens = 0;        // the whole conversation up to the answer, pictures included
  int64_t reused_tokens = 0;        // of these, kept from earlier turns
  int64_t forgotten_questions = 0;  // with their answers, to make room (AskOptions::may_forget)
  int64_t generated_tokens = 0;     // the answer, its stop token excepted
  double prefill_seconds = 0.0;
  double decode_seconds = 0.0;       // all tokens but the first
  double first_token_seconds = 0.0;  // from the question to the first token
  // 0 when there was nothing to measure.
  double PrefillTokensPerSecond() const {
    return prefill_seconds > 0 ? (prompt_tokens - reused_tokens) / prefill_seconds : 0.0;
  }
  double DecodeTokensPerSecond() const {
    return decode_seconds > 0 && generated_tokens > 1 ? (generated_tokens - 1) / decode_seconds
                                                      : 0.0;
  }
};

// The most physical memory that this process has held, mapped files included.
uint64_t PeakResidentBytes();

}  // namespace mcv
