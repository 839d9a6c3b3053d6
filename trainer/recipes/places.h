// Where the resampler's queries start to look.
#pragma once

#include <vector>

#include "trainer/data/generator.h"
#include "trainer/modules/resampler.h"

namespace mcv::trainer {

// `count` places spread over the patches of all grids by how often each patch occurs (weighted
// k-means from a fixed start): pictures of every shape are looked at from edge to edge. Sorted by
// row bands, then columns, as people read.
std::vector<Place> SpreadPlaces(const std::vector<GridShare>& grids, int count);

}  // namespace mcv::trainer
