// How far a picture's rows, which the resampler gives to the decoder, turn when the encoder does
// not compute exactly:
//
//   bench_encoder_error MODEL|nano PICTURE...
//
// For every picture the cosine of each row with the exact one, the smallest and the mean, with fast
// and with int8 numerics. "nano" is the model that is built into the program.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "apps/cli/options/default_model.h"
#include "engine/engine.h"
#include "family/vision/positions.h"
#include "family/vision/views.h"
#include "formats/image/image.h"
#include "model/vision/vision_encoder.h"

namespace mcv::bench {
namespace {

constexpr std::array kCompared = {Numerics::kFast, Numerics::kInt8};

struct Cosines {
  double smallest = 1.0;
  double sum = 0.0;
  int64_t count = 0;

  void Add(double cosine) {
    smallest = std::min(smallest, cosine);
    sum += cosine;
    ++count;
  }
  void Add(const Cosines& other) {
    smallest = std::min(smallest, other.smallest);
    sum += other.sum;
    count += other.count;
  }
  double mean() const { return count > 0 ? sum / static_cast<double>(count) : 0.0; }
};

double Cosine(const float* a, const float* b, int64_t n) {
  double ab = 0, aa = 0, bb = 0;
  for (int64_t i = 0; i < n; ++i) {
    ab += static_cast<double>(a[i]) * b[i];
    aa += static_cast<double>(a[i]) * a[i];
    bb += static_cast<double>(b[i]) * b[i];
  }
  return aa > 0 && bb > 0 ? ab / std::sqrt(aa * bb) : 0.0;
}

class Comparison {
 public:
  explicit Comparison(const Engine& engine) : engine_(engine), pool_(engine.threads()) {
    context_.pool = &pool_;
    context_.table = &engine.kernels();
  }

  Result<std::array<Cosines, 2>> Compare(const Image& image) {
    const std::vector<View> views = MakeViews(image, engine_.config().slicing, &pool_);
    std::array<Cosines, 2> result;
    MCV_ASSIGN_OR_RETURN(const std::vector<float> exact, Rows(views, Numerics::kExact));
    const int64_t width = engine_.config().resampler.width;
    for (size_t way = 0; way < kCompared.size(); ++way) {
      MCV_ASSIGN_OR_RETURN(const std::vector<float> rows, Rows(views, kCompared[way]));
      for (size_t i = 0; i < rows.size(); i += static_cast<size_t>(width)) {
        result[way].Add(Cosine(&exact[i], &rows[i], width));
      }
    }
    return result;
  }

 private:
  // [views * Q, E]
  Result<std::vector<float>> Rows(const std::vector<View>& views, Numerics numerics) {
    const ModelConfig& config = engine_.config();
    std::vector<PatchGrid> grids;
    for (const View& view : views) grids.push_back({view.patch_rows, view.patch_cols});
    const std::vector<ViewPositions> positions = PositionIds(grids, config.vision);
    VisionEncoder encoder(config, engine_.weights().vision(), engine_.weights().resampler(),
                          numerics, context_);
    const int64_t queries = encoder.rows_per_view();
    const int64_t count = queries * static_cast<int64_t>(views.size());
    std::vector<float> rows(static_cast<size_t>(count * encoder.width()));
    const MatView all(rows.data(), count, encoder.width());
    for (size_t i = 0; i < views.size(); ++i) {
      MCV_RETURN_IF_ERROR(encoder.Encode(views[i], positions[i], {},
                                         all.Rows(static_cast<int64_t>(i) * queries, queries)));
    }
    return rows;
  }

  const Engine& engine_;
  ThreadPool pool_;
  Context context_;
};

void Print(const std::string& name, const std::array<Cosines, 2>& cosines) {
  std::printf("%-28s", name.c_str());
  for (const Cosines& c : cosines) std::printf("  %.6f %.6f", c.smallest, c.mean());
  std::printf("\n");
  std::fflush(stdout);
}

Status Run(const std::string& model, const std::vector<std::string>& pictures) {
  EngineOptions options;
  if (model == "nano") {
    MCV_RETURN_IF_ERROR(cli::UseBuiltInModel(&options));
  } else {
    options.model = model;
  }
  MCV_ASSIGN_OR_RETURN(const auto engine, Engine::Open(options));
  Comparison comparison(*engine);
  std::printf("%s, kernels %s\n%-28s  fast: smallest, mean  int8: smallest, mean\n",
              engine->config().name.c_str(), std::string(engine->target_name()).c_str(), "");
  std::array<Cosines, 2> all;
  for (const std::string& path : pictures) {
    MCV_ASSIGN_OR_RETURN(const DecodedImage decoded, LoadImage(path));
    MCV_ASSIGN_OR_RETURN(const auto cosines, comparison.Compare(decoded.image));
    Print(path.substr(path.rfind('/') + 1), cosines);
    for (size_t way = 0; way < all.size(); ++way) all[way].Add(cosines[way]);
  }
  Print(std::to_string(pictures.size()) + " pictures", all);
  return OkStatus();
}

}  // namespace
}  // namespace mcv::bench

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: bench_encoder_error MODEL|nano PICTURE...\n");
    return 2;
  }
  const mcv::Status status = mcv::bench::Run(argv[1], {argv + 2, argv + argc});
  if (!status.ok()) std::fprintf(stderr, "bench_encoder_error: %s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
