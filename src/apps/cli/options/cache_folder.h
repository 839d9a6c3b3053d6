// Where the program keeps what it can compute again.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "engine/pictures/picture_cache.h"

namespace mcv::cli {

// $MCV_CACHE_DIR, else $XDG_CACHE_HOME/minicpmv, else ~/.cache/minicpmv. Empty when $MCV_CACHE_DIR
// is "off" or nothing says where: then nothing is kept.
std::string DefaultCacheFolder();

// tuning.json in it; empty where there is none.
std::string DefaultTuningFile();

// `choice` is what the command line says: a folder, "off", or nothing for the default. Null for
// none.
std::shared_ptr<PictureCache> MakePictureCache(const std::string& choice, int64_t max_disk_bytes);

}  // namespace mcv::cli
