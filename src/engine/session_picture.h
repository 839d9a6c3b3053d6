// A picture of a session: what session.cc and session_pictures.cc share.
#pragma once

#include <string>

#include "engine/pictures/picture_cache.h"
#include "engine/session.h"
#include "family/vision/slicing.h"

namespace mcv {

struct Session::Picture {
  std::string key;  // equal pixels, equal keys
  SlicePlan plan;
  PictureCache::Rows rows;  // [views * Q, E]; shared with the cache
  PictureStats stats;
};

}  // namespace mcv
