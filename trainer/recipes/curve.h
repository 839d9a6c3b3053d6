// The loss curve of a run as a picture.
#pragma once

#include <string>

#include "base/status.h"

namespace mcv::trainer {

struct CurveOptions {
  int width = 1200;
  int height = 480;  // of each panel
};

// Reads a run's log.jsonl and draws a PNG: one panel with the losses, one with the shares of right
// patches and answer tokens, over the number of pictures seen.
Status DrawCurve(const std::string& log_path, const std::string& png_path,
                 const CurveOptions& options = {});

}  // namespace mcv::trainer
