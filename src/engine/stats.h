// What an answer cost.
#pragma once

#include <cstdint>

namespace mcv {

struct PictureStats {
  int views = 0;        // overview and slices
  int64_t patches = 0;  // over all views
  int64_t rows = 0;     // rows that the picture takes in the prompt
  double resize_seconds = 0.0;
  double encode_seconds = 0.0;
};

struct AnswerStats {
  int64_t prompt_tokens = 0;     // the whole conversation up to the answer, pictures included
  int64_t reused_tokens = 0;     // of these, kept from earlier turns
  int64_t generated_tokens = 0;  // the answer, its stop token excepted
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
