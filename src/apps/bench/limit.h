// The least time, or the least memory, that a row can take on this machine.
#pragma once

#include <optional>
#include <string>

#include "apps/bench/machine_limits.h"
#include "apps/bench/model_facts.h"
#include "apps/bench/plan.h"

namespace mcv::bench {

struct RowLimit {
  double value = 0.0;  // in RowUnit(row): what nobody can do better than
  std::string basis;   // which limit of the machine: "bf16", "int8", "read", "file + cache"
};

// The two square pictures: one view of the model's own resolution, and three times its side.
int ViewSide(const ModelConfig& config);
int PictureSide(const ModelConfig& config);
int PictureViews(const ModelConfig& config);

// Operations of all views of a square picture.
double PictureOperations(const ModelConfig& config, int side);

// `prompt_tokens`: of the run that showed the large picture, 0 if unknown. Nothing for rows that
// the machine's arithmetic and memory do not bound: loading, and what waits for the disk.
std::optional<RowLimit> LimitOf(const Row& row, const ModelFacts& model, const Limits& machine,
                                int64_t prompt_tokens, int64_t decode_tokens);

// How near a value comes to the limit: 1 is the limit itself.
double ShareOfLimit(const Row& row, double value, const RowLimit& limit);

}  // namespace mcv::bench
