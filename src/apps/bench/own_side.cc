#include "apps/bench/process.h"
#include "apps/bench/side.h"

namespace mcv::bench {
namespace {

class OwnSide final : public Side {
 public:
  explicit OwnSide(std::vector<std::string> command) : command_(std::move(command)) {}

  const std::string& name() const override { return name_; }
  std::string Objection(const Job&) const override { return ""; }

  Result<Measured> Run(const Job& job, const Material& material) const override {
    ProcessOptions process;
    process.arguments = command_;
    process.timeout_seconds = material.timeout_seconds;
    process.cancel = material.cancel;
    const auto add = [&](std::initializer_list<std::string> words) {
      process.arguments.insert(process.arguments.end(), words);
    };
    add({"--sample", JobKey(job)});
    if (job.kind == JobKind::kDecode || job.kind == JobKind::kDecodeMany ||
        job.kind == JobKind::kAnswer) {
      add({"--decode-tokens", std::to_string(material.decode_tokens)});
    }
    if (NeedsPicture(job)) {
      add({"--sample-picture", material.PictureFor(job), "--sample-question", material.question});
    }
    MCV_ASSIGN_OR_RETURN(const ProcessResult done, RunProcess(process));
    if (done.exit_code != 0) {
      return IoError("our own run of " + JobKey(job) + " failed with exit status " +
                     std::to_string(done.exit_code) + ":\n" + Tail(done.errors + done.output));
    }
    const auto json = nlohmann::json::parse(done.output, nullptr, /*allow_exceptions=*/false);
    MCV_ASSIGN_OR_RETURN(Measured measured, MeasuredFromJson(json));
    measured.wall_seconds = done.wall_seconds;
    measured.peak_resident_bytes = done.peak_resident_bytes;
    return measured;
  }

 private:
  std::string name_ = "minicpmv";
  std::vector<std::string> command_;
};

}  // namespace

std::unique_ptr<Side> MakeOwnSide(std::vector<std::string> command) {
  return std::make_unique<OwnSide>(std::move(command));
}

}  // namespace mcv::bench
