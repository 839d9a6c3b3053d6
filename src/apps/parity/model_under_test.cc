#include "apps/parity/model_under_test.h"

#include <utility>

namespace mcv::parity {

Result<std::unique_ptr<Machine>> Machine::Create(const MachineOptions& options) {
  MCV_ASSIGN_OR_RETURN(const KernelTable* table, ChooseTarget(options.target));
  const int threads = options.threads > 0 ? options.threads : DefaultThreadCount();
  std::unique_ptr<Machine> machine(new Machine(threads));
  machine->context_.pool = &machine->pool_;
  machine->context_.table = table;
  machine->context_.numerics = options.numerics;
  return machine;
}

namespace {

std::optional<PositionRule> RuleOf(const Case& c) {
  return c.has_positions ? std::optional(c.positions) : std::nullopt;
}

}  // namespace

Result<std::unique_ptr<ModelUnderTest>> ModelUnderTest::Open(const Source& source, const Case& c) {
  OpenOptions options;
  options.mmproj = source.mmproj;
  options.position_rule = RuleOf(c);
  options.bucket_rule = c.buckets;
  MCV_ASSIGN_OR_RETURN(ModelFiles files, ModelFiles::Open(source.path, options));
  std::unique_ptr<ModelUnderTest> model(new ModelUnderTest(std::move(files)));
  MCV_ASSIGN_OR_RETURN(model->weights_, Weights::Bind(model->files_));
  MCV_ASSIGN_OR_RETURN(model->tokenizer_, model->files_.is_hf()
                                              ? LoadTokenizerFromFolder(model->files_.folder())
                                              : LoadTokenizerFromGguf(*model->files_.text_gguf()));
  model->path_ = source.path;
  model->positions_ = RuleOf(c);
  model->buckets_ = c.buckets;
  return model;
}

bool ModelUnderTest::Fits(const Source& source, const Case& c) const {
  return path_ == source.path && positions_ == RuleOf(c) && buckets_ == c.buckets;
}

}  // namespace mcv::parity
