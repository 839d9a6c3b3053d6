// A very small model of the nano layout, trained for a few steps once per test program and exported
// in every form that is published: what the tie tests compare the engine with.
#pragma once

#include <memory>
#include <string>

#include "engine/engine.h"
#include "trainer/modules/minicpmv.h"
#include "trainer/recipes/trainer.h"

namespace mcv::tie {

// Where the exports lie; `model` is what Engine::Open takes.
enum class Form { kHfF32, kGgufF32, kGgufQ8_0 };
inline constexpr Form kAllForms[] = {Form::kHfF32, Form::kGgufF32, Form::kGgufQ8_0};
const char* FormName(Form form);

// Ends the test program when training or exporting fails: nothing could be compared.
class TrainedModel {
 public:
  static TrainedModel& Get();

  trainer::MiniCpmV& model() { return trainer_->model().model(); }
  const trainer::NanoTokenizer& tokenizer() const { return trainer_->tokenizer(); }
  const ModelConfig& config() { return model().config(); }
  std::string PathOf(Form form) const;
  // An engine on one of the exports; two threads, so that splitting work is part of what is tested.
  std::shared_ptr<const Engine> Open(Form form, Numerics numerics) const;
  // A folder of this program's own for further files.
  const std::string& folder() const { return folder_; }

 private:
  TrainedModel();
  void Export();

  std::string folder_;
  std::unique_ptr<trainer::Trainer> trainer_;
};

// A libtorch model that holds what the files hold, quantised blocks as the numbers that they stand
// for. Every parameter is set from the files, or the program ends.
std::unique_ptr<trainer::MiniCpmV> StoredModel(const ModelFiles& files);

}  // namespace mcv::tie
