#include "trainer/recipes/losses.h"

namespace mcv::trainer {
namespace {

// Share of rows with a target whose largest logit is the target.
Tensor HitShare(const Tensor& logits, const Tensor& targets) {
  const torch::NoGradGuard guard;
  const Tensor asked = targets >= 0;
  const Tensor hits = (logits.argmax(1) == targets) & asked;
  return hits.sum().to(at::kFloat) / asked.sum().clamp_min(1).to(at::kFloat);
}

// Mean over the rows with a target; zero when there is none.
Tensor MeanCrossEntropy(const Tensor& logits, const Tensor& targets) {
  const Tensor sum = torch::nn::functional::cross_entropy(
      logits, targets,
      torch::nn::functional::CrossEntropyFuncOptions().ignore_index(-1).reduction(torch::kSum));
  return sum / (targets >= 0).sum().clamp_min(1).to(at::kFloat);
}

}  // namespace

AuxiliaryHeads::AuxiliaryHeads(int64_t vision_width, int64_t patch_classes, int64_t things) {
  patch_ =
      register_module("patch", std::make_shared<Dense>(vision_width, patch_classes, true, 0.5));
  place_ =
      register_module("place", std::make_shared<Dense>(vision_width, 2 * kPlaceCells, true, 0.5));
  number_ =
      register_module("number", std::make_shared<Dense>(vision_width, kNumberClasses, true, 0.5));
  presence_ = register_module("presence", std::make_shared<Dense>(vision_width, things, true, 0.5));
  // Few of all things are in a picture: start from "absent" instead of learning that first.
  const torch::NoGradGuard guard;
  presence_->bias.fill_(-4.0);
}

AuxiliaryHeads::PatchLogits AuxiliaryHeads::Patches(const Tensor& encoded) const {
  const Tensor place = (*place_)(encoded).to(at::kFloat);
  return {(*patch_)(encoded).to(at::kFloat), place.narrow(1, 0, kPlaceCells),
          place.narrow(1, kPlaceCells, kPlaceCells), (*number_)(encoded).to(at::kFloat)};
}

Tensor AuxiliaryHeads::PresenceLogits(const Tensor& encoded,
                                      const std::vector<int64_t>& offsets) const {
  std::vector<int64_t> counts;
  for (size_t i = 0; i + 1 < offsets.size(); ++i) counts.push_back(offsets[i + 1] - offsets[i]);
  std::vector<Tensor> means;
  for (const Tensor& rows : encoded.to(at::kFloat).split_with_sizes(counts, 0)) {
    means.push_back(rows.mean(0));
  }
  return (*presence_)(torch::stack(means));
}

TrainedModel::TrainedModel(const ModelConfig& config, int64_t patch_classes, int64_t things) {
  model_ = register_module("model", std::make_shared<MiniCpmV>(config));
  heads_ = register_module(
      "aux", std::make_shared<AuxiliaryHeads>(config.vision.width, patch_classes, things));
}

std::vector<std::pair<std::string, Tensor>> TrainedModel::Parameters() const {
  std::vector<std::pair<std::string, Tensor>> parameters;
  for (const auto& p : model_->named_parameters()) parameters.emplace_back(p.key(), p.value());
  for (const auto& p : heads_->named_parameters()) {
    parameters.emplace_back("aux." + p.key(), p.value());
  }
  return parameters;
}

namespace {

void AddDenseLosses(const AuxiliaryHeads& heads, const Tensor& encoded, const PatchTargets& targets,
                    const LossWeights& weights, Losses& losses) {
  const AuxiliaryHeads::PatchLogits logits = heads.Patches(encoded);
  losses.dense = MeanCrossEntropy(logits.label, targets.label);
  const Tensor place =
      MeanCrossEntropy(logits.column, targets.column) + MeanCrossEntropy(logits.row, targets.row);
  const Tensor number = MeanCrossEntropy(logits.number, targets.number);
  losses.total = losses.total +
                 weights.dense * (losses.dense + weights.place * place + weights.number * number);
  losses.patch_hits = HitShare(logits.label, targets.label);
  losses.column_hits = HitShare(logits.column, targets.column);
  losses.number_hits = HitShare(logits.number, targets.number);
}

}  // namespace

Losses ComputeLosses(TrainedModel& model, const StepBatch& batch, const Stage& stage,
                     const LossWeights& weights, at::ScalarType type) {
  Losses losses;
  Tensor encoded;
  {
    // A fixed encoder needs no graph.
    const torch::AutoGradMode mode(torch::GradMode::is_enabled() && stage.Trains("vpm."));
    encoded = model.model().Encode(batch.pictures, type);
  }
  losses.total = torch::zeros({}, encoded.options().dtype(at::kFloat));
  if (stage.dense_loss) {
    AddDenseLosses(model.heads(), encoded, batch.patches, weights, losses);
    if (batch.scenes && weights.presence > 0.0) {
      const Tensor presence = model.heads().PresenceLogits(encoded, batch.pictures.offsets);
      losses.presence = torch::binary_cross_entropy_with_logits(presence, batch.presence, {}, {},
                                                                at::Reduction::Sum) /
                        static_cast<double>(presence.size(0));
      losses.total = losses.total + weights.presence * losses.presence;
    }
  }
  if (stage.answer_loss) {
    const Tensor features = model.model().Resample(encoded, batch.pictures);
    const Tensor logits = model.model().Decode(features, batch.text, type);
    losses.answer = MeanCrossEntropy(logits, batch.targets);
    losses.answer_hits = HitShare(logits, batch.targets);
    losses.total = losses.total + losses.answer;
  }
  return losses;
}

}  // namespace mcv::trainer
