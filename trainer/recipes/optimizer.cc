#include "trainer/recipes/optimizer.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/status.h"

namespace mcv::trainer {
namespace {

// Matrices between rows of activations; tables and heads that are looked up or read out are not.
bool IsHiddenMatrix(const std::string& name, const Tensor& tensor) {
  if (tensor.dim() != 2) return false;
  const auto contains = [&](const char* part) { return name.find(part) != std::string::npos; };
  if (contains(".layers.")) return true;
  return name.rfind("resampler.", 0) == 0 && !contains("query");
}

// Biases, norms, tables and queries have no natural size to shrink to.
bool Decays(const std::string& name, const Tensor& tensor) {
  if (tensor.dim() < 2) return false;
  const auto contains = [&](const char* part) { return name.find(part) != std::string::npos; };
  return !contains("embed") && !contains("query");
}

constexpr int64_t kGrain = 1 << 15;

// Sum of squares in a fixed order: chunks of kGrain, each in double.
double SumOfSquares(const Tensor& tensor) {
  if (!tensor.is_cpu()) return tensor.to(at::kDouble).square().sum().item<double>();
  const Tensor t = tensor.contiguous();
  const float* data = ConstData<float>(t);
  const int64_t count = t.numel();
  const int64_t chunks = (count + kGrain - 1) / kGrain;
  std::vector<double> sums(static_cast<size_t>(chunks));
  at::parallel_for(0, chunks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t chunk = begin; chunk < end; ++chunk) {
      // Sixteen running sums, so that the loop need not wait for one addition after the other.
      double lanes[16] = {};
      const int64_t last = std::min(count, (chunk + 1) * kGrain);
      int64_t i = chunk * kGrain;
      for (; i + 16 <= last; i += 16) {
        for (int l = 0; l < 16; ++l) lanes[l] += double(data[i + l]) * data[i + l];
      }
      for (; i < last; ++i) lanes[0] += double(data[i]) * data[i];
      double sum = 0.0;
      for (const double lane : lanes) sum += lane;
      sums[chunk] = sum;
    }
  });
  double total = 0.0;
  for (const double sum : sums) total += sum;
  return total;
}

}  // namespace

namespace {

// One Newton-Schulz step of Muon: singular values in (0, 1] go to about 1 within five.
constexpr double kA = 3.4445, kB = -4.7750, kC = 2.0315;
constexpr int kNewtonSchulzSteps = 5;

template <class Multiply>
Tensor NewtonSchulz(Tensor x, const Multiply& multiply) {
  for (int i = 0; i < kNewtonSchulzSteps; ++i) {
    const Tensor gram = multiply(x, x.transpose(-2, -1));
    const Tensor polynomial = kB * gram + kC * multiply(gram, gram);
    x = kA * x + multiply(polynomial, x);
  }
  return x;
}

}  // namespace

Tensor Orthogonalise(const Tensor& matrices, at::ScalarType type) {
  const Tensor norms = matrices.flatten(1).norm(2, 1).view({-1, 1, 1}) + 1e-7;
  const Tensor x = (matrices / norms).to(type);
  if (!x.is_cpu() || type != at::kFloat) {
    return NewtonSchulz(x, [](const Tensor& a, const Tensor& b) { return torch::bmm(a, b); })
        .to(at::kFloat);
  }
  // libtorch multiplies a batch of fp32 matrices one after the other, each too small for two
  // threads: a matrix for each thread is faster.
  const Tensor result = torch::empty_like(x);
  at::parallel_for(0, x.size(0), 1, [&](int64_t begin, int64_t end) {
    const torch::NoGradGuard guard;
    for (int64_t i = begin; i < end; ++i) {
      result[i].copy_(
          NewtonSchulz(x[i], [](const Tensor& a, const Tensor& b) { return torch::mm(a, b); }));
    }
  });
  return result;
}

Optimizer::Optimizer(std::vector<NamedTensor> parameters, const OptimizerOptions& options)
    : options_(options) {
  for (NamedTensor& p : parameters) {
    Slot slot;
    slot.name = p.name;
    slot.parameter = p.tensor;
    slot.muon = options.muon && IsHiddenMatrix(p.name, p.tensor);
    slot.decay = Decays(p.name, p.tensor) ? options.weight_decay : 0.0;
    slot.m = torch::zeros_like(p.tensor);
    if (!slot.muon) slot.v = torch::zeros_like(p.tensor);
    if (options.ema > 0.0) slot.ema = p.tensor.detach().clone();
    index_[slot.name] = slots_.size();
    slots_.push_back(std::move(slot));
  }
}

Optimizer::StepReport Optimizer::Step(double rate) {
  const torch::NoGradGuard guard;
  StepReport report;
  double squares = 0.0;
  for (const Slot& slot : slots_) {
    if (slot.parameter.grad().defined()) squares += SumOfSquares(slot.parameter.grad());
  }
  report.gradient_norm = std::sqrt(squares);
  report.skipped = !std::isfinite(report.gradient_norm);
  if (!report.skipped) {
    ++steps_;
    const double scale = options_.clip > 0.0 && report.gradient_norm > options_.clip
                             ? options_.clip / report.gradient_norm
                             : 1.0;
    // Matrices of one shape (up to transposition) go through Newton-Schulz together.
    std::map<std::pair<int64_t, int64_t>, std::vector<Slot*>> shapes;
    for (Slot& slot : slots_) {
      if (!slot.parameter.grad().defined()) continue;
      if (!slot.muon) {
        StepAdamW(slot, rate, scale);
        continue;
      }
      const int64_t rows = slot.parameter.size(0), columns = slot.parameter.size(1);
      shapes[{std::min(rows, columns), std::max(rows, columns)}].push_back(&slot);
    }
    for (auto& [shape, slots] : shapes) StepMuon(slots, rate, scale);
    if (options_.ema > 0.0) {
      // Young averages follow quickly, so that the start of a run does not linger in them.
      const double young =
          (1.0 + static_cast<double>(steps_)) / (10.0 + static_cast<double>(steps_));
      const double keep = std::min(options_.ema, young);
      for (Slot& slot : slots_) {
        if (slot.parameter.grad().defined()) slot.ema.lerp_(slot.parameter, 1.0 - keep);
      }
    }
  }
  for (Slot& slot : slots_) DropGradient(slot.parameter);
  return report;
}

void Optimizer::StepAdamW(Slot& slot, double rate, double gradient_scale) {
  if (!slot.parameter.is_cpu()) return StepAdamWOnDevice(slot, rate, gradient_scale);
  const Tensor gradient = slot.parameter.grad().contiguous();
  float* p = MutableData<float>(slot.parameter);
  float* m = MutableData<float>(slot.m);
  float* v = MutableData<float>(slot.v);
  const float* g = ConstData<float>(gradient);
  const float b1 = static_cast<float>(options_.beta1);
  const float b2 = static_cast<float>(options_.beta2);
  const double correction1 = 1.0 - std::pow(options_.beta1, static_cast<double>(steps_));
  const double correction2 = 1.0 - std::pow(options_.beta2, static_cast<double>(steps_));
  const float step = static_cast<float>(rate / correction1);
  const float root = static_cast<float>(1.0 / std::sqrt(correction2));
  const float epsilon = static_cast<float>(options_.epsilon);
  const float shrink = static_cast<float>(1.0 - rate * slot.decay);
  const float scale = static_cast<float>(gradient_scale);
  at::parallel_for(0, slot.parameter.numel(), kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const float gi = g[i] * scale;
      m[i] = b1 * m[i] + (1.0f - b1) * gi;
      v[i] = b2 * v[i] + (1.0f - b2) * gi * gi;
      p[i] = p[i] * shrink - step * m[i] / (std::sqrt(v[i]) * root + epsilon);
    }
  });
}

void Optimizer::StepAdamWOnDevice(Slot& slot, double rate, double gradient_scale) {
  const Tensor gradient = slot.parameter.grad() * gradient_scale;
  slot.m.lerp_(gradient, 1.0 - options_.beta1);
  slot.v.mul_(options_.beta2).addcmul_(gradient, gradient, 1.0 - options_.beta2);
  const double correction1 = 1.0 - std::pow(options_.beta1, static_cast<double>(steps_));
  const double correction2 = 1.0 - std::pow(options_.beta2, static_cast<double>(steps_));
  const Tensor divisor = (slot.v / correction2).sqrt_().add_(options_.epsilon);
  slot.parameter.mul_(1.0 - rate * slot.decay).addcdiv_(slot.m, divisor, -rate / correction1);
}

void Optimizer::StepMuon(const std::vector<Slot*>& slots, double rate, double gradient_scale) {
  const double mu = options_.momentum;
  std::vector<Tensor> updates;
  for (Slot* slot : slots) {
    const Tensor gradient = slot->parameter.grad() * gradient_scale;
    slot->m.mul_(mu).add_(gradient);
    const Tensor look_ahead = gradient.add(slot->m, mu);  // Nesterov
    const bool tall = slot->parameter.size(0) > slot->parameter.size(1);
    updates.push_back(tall ? look_ahead.t() : look_ahead);
  }
  const Tensor directions = Orthogonalise(torch::stack(updates), options_.matrix_type);
  const int64_t larger = std::max(slots[0]->parameter.size(0), slots[0]->parameter.size(1));
  const double size = 0.2 * std::sqrt(static_cast<double>(larger));
  for (size_t i = 0; i < slots.size(); ++i) {
    const bool tall = slots[i]->parameter.size(0) > slots[i]->parameter.size(1);
    const Tensor direction = tall ? directions[i].t() : directions[i];
    slots[i]->parameter.mul_(1.0 - rate * slots[i]->decay).add_(direction, -rate * size);
  }
}

std::vector<NamedTensor> Optimizer::State() const {
  std::vector<NamedTensor> state;
  for (const Slot& slot : slots_) {
    state.push_back({slot.name + ".m", slot.m});
    if (slot.v.defined()) state.push_back({slot.name + ".v", slot.v});
    if (slot.ema.defined()) state.push_back({slot.name + ".ema", slot.ema});
  }
  return state;
}

void Optimizer::ResetAverages() {
  const torch::NoGradGuard guard;
  for (Slot& slot : slots_) {
    if (slot.ema.defined()) slot.ema.copy_(slot.parameter);
  }
}

Tensor Optimizer::Averaged(const std::string& name) const {
  const auto found = index_.find(name);
  MCV_CHECK(found != index_.end());
  const Slot& slot = slots_[found->second];
  return slot.ema.defined() ? slot.ema : slot.parameter.detach();
}

}  // namespace mcv::trainer
