// Where time goes: one list of zones, the same names in --stats, profiles, benchmarks and docs.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>

namespace mcv {

enum class Zone : uint8_t {
  kLoad,
  kDecodeImage,
  kResize,
  kPatchEmbed,
  kVisionAttention,
  kVisionMlp,
  kResampler,
  kTokenize,
  kPrefill,
  kTextAttention,
  kTextMlp,
  kHead,
  kDecode,
  kSample,
  kNumZones
};

const char* ZoneName(Zone zone);

// Sums per zone; zones may nest (an outer zone's time includes its inner ones). One thread writes.
class Trace {
 public:
  void Add(Zone zone, int64_t nanoseconds) {
    nanoseconds_[static_cast<size_t>(zone)] += nanoseconds;
  }
  double Seconds(Zone zone) const {
    return 1e-9 * static_cast<double>(nanoseconds_[static_cast<size_t>(zone)]);
  }
  void Reset() { nanoseconds_ = {}; }

 private:
  std::array<int64_t, static_cast<size_t>(Zone::kNumZones)> nanoseconds_{};
};

// Adds its lifetime to a zone; does nothing without a trace.
class TraceScope {
 public:
  TraceScope(Trace* trace, Zone zone) : trace_(trace), zone_(zone) {
    if (trace_ != nullptr) start_ = std::chrono::steady_clock::now();
  }
  ~TraceScope() {
    if (trace_ == nullptr) return;
    const auto elapsed = std::chrono::steady_clock::now() - start_;
    trace_->Add(zone_, std::chrono::duration_cast<std::chrono::nanoseconds>(elapsed).count());
  }
  TraceScope(const TraceScope&) = delete;
  TraceScope& operator=(const TraceScope&) = delete;

 private:
  Trace* trace_;
  Zone zone_;
  std::chrono::steady_clock::time_point start_;
};

}  // namespace mcv
