// The parts of a goldens folder that belong to no run: slicing cases, position buckets, tokenizer
// vectors, decoded pictures, dequantised tensors.
#pragma once

#include "apps/parity/goldens.h"
#include "apps/parity/model_under_test.h"
#include "apps/parity/report.h"

namespace mcv::parity {

// Each notes in the report if its part is not there.
void ReplaySlicingCases(const Goldens& goldens, Report* report);
void ReplayPositionBuckets(const Goldens& goldens, Report* report);
void ReplayTokenizers(const Goldens& goldens, Report* report);
void ReplayDecodedPictures(const Goldens& goldens, Machine* machine, Report* report);
// The dequantised tensors of a run's LLM file, in the file's own layout.
void ReplayTensors(const Run& run, Report* report);
// expected/peer is another program's output: listed, not judged.
void NotePeers(const Goldens& goldens, Report* report);

}  // namespace mcv::parity
