// How the bench calls what it measures.
#pragma once

#include <string>

#include "apps/bench/model_facts.h"

namespace mcv::cli {

// File names with sizes; no folders.
std::string ModelText(const bench::ModelFacts& model);

}  // namespace mcv::cli
