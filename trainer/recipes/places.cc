#include "trainer/recipes/places.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "base/status.h"

namespace mcv::trainer {
namespace {

struct Patch {
  Place at;
  double weight;
};

double SquaredDistance(const Place& a, const Place& b) {
  return (a.column - b.column) * (a.column - b.column) + (a.row - b.row) * (a.row - b.row);
}

size_t Nearest(const std::vector<Place>& places, const Place& to) {
  const auto nearer = [&](const Place& a, const Place& b) {
    return SquaredDistance(a, to) < SquaredDistance(b, to);
  };
  return static_cast<size_t>(std::min_element(places.begin(), places.end(), nearer) -
                             places.begin());
}

std::vector<Patch> WeighPatches(const std::vector<GridShare>& grids) {
  std::map<std::pair<int, int>, double> weights;
  for (const GridShare& share : grids) {
    for (int row = 0; row < share.grid.rows; ++row) {
      for (int col = 0; col < share.grid.cols; ++col) weights[{row, col}] += share.share;
    }
  }
  std::vector<Patch> patches;
  for (const auto& [cell, weight] : weights) {
    if (weight > 0) {
      patches.push_back({{double(cell.second), double(cell.first)}, weight});
    }
  }
  return patches;
}

// The first place is the commonest patch, each next one that with the largest weighted distance to
// those before.
std::vector<Place> FarApart(const std::vector<Patch>& patches, int count) {
  std::vector<Place> places;
  while (static_cast<int>(places.size()) < count) {
    const auto worth = [&](const Patch& patch) {
      if (places.empty()) return patch.weight;
      return patch.weight * SquaredDistance(places[Nearest(places, patch.at)], patch.at);
    };
    const auto best =
        std::max_element(patches.begin(), patches.end(),
                         [&](const Patch& a, const Patch& b) { return worth(a) < worth(b); });
    places.push_back(best->at);
  }
  return places;
}

}  // namespace

std::vector<Place> SpreadPlaces(const std::vector<GridShare>& grids, int count) {
  const std::vector<Patch> patches = WeighPatches(grids);
  MCV_CHECK(!patches.empty() && count > 0);
  std::vector<Place> places = FarApart(patches, count);
  constexpr int kRounds = 50;
  for (int round = 0; round < kRounds; ++round) {
    std::vector<Place> sums(places.size());
    std::vector<double> weights(places.size(), 0.0);
    for (const Patch& patch : patches) {
      const size_t owner = Nearest(places, patch.at);
      sums[owner].column += patch.weight * patch.at.column;
      sums[owner].row += patch.weight * patch.at.row;
      weights[owner] += patch.weight;
    }
    for (size_t i = 0; i < places.size(); ++i) {
      if (weights[i] > 0) places[i] = {sums[i].column / weights[i], sums[i].row / weights[i]};
    }
  }
  std::sort(places.begin(), places.end(), [](const Place& a, const Place& b) {
    return std::pair(std::lround(a.row), a.column) < std::pair(std::lround(b.row), b.column);
  });
  return places;
}

}  // namespace mcv::trainer
