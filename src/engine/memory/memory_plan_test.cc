// Plans against what really is taken, and a limit against what is refused.
#include "engine/memory/memory_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "engine/engine.h"
#include "engine/memory/memory_limit.h"
#include "engine/pictures/picture_cache.h"
#include "engine/session.h"
#include "family/test_models.h"

namespace mcv {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

EngineOptions Options(const std::string& model = Committed(k25LlmF16)) {
  EngineOptions options;
  options.model = model;
  options.threads = 2;
  return options;
}

PlannedRun PlanOf(const EngineOptions& options) {
  auto run = Engine::Plan(options);
  EXPECT_TRUE(run.ok()) << run.status().ToString();
  return *std::move(run);
}

int64_t BytesOf(const MemoryPlan& plan, std::string_view name, MemoryPhase phase) {
  for (const MemoryItem& item : plan.items) {
    if (item.name == name) return item.bytes[static_cast<size_t>(phase)];
  }
  ADD_FAILURE() << "no item " << name;
  return -1;
}

TEST(MemoryPlan, EncoderAndLanguageModelAreNeverTogether) {
  const PlannedRun run = PlanOf(Options());
  for (const bool whole : {false, true}) {
    MemoryRequest request = run.request;
    request.whole_context = whole;
    const MemoryPlan plan = PlanMemory(run.model, request);
    EXPECT_EQ(BytesOf(plan, "encoder's weights", MemoryPhase::kEncode), run.model.vision_mapped);
    EXPECT_EQ(BytesOf(plan, "encoder's weights", MemoryPhase::kPrefill), 0);
    EXPECT_EQ(BytesOf(plan, "language model's weights", MemoryPhase::kEncode), 0);
    EXPECT_GE(BytesOf(plan, "language model's weights", MemoryPhase::kDecode),
              run.model.text_mapped);
  }
}

TEST(MemoryPlan, TotalsAreSumsAndTheWorstIsThePeak) {
  const PlannedRun run = PlanOf(Options());
  const MemoryPlan plan = PlanMemory(run.model, run.request);
  for (size_t phase = 0; phase < kMemoryPhases; ++phase) {
    int64_t sum = 0;
    for (const MemoryItem& item : plan.items) sum += item.bytes[phase];
    EXPECT_EQ(plan.totals[phase], sum);
    EXPECT_LE(plan.totals[phase], plan.peak());
  }
}

TEST(MemoryPlan, TensorsAreCountedOnce) {
  const PlannedRun run = PlanOf(Options());
  int64_t files = 0;
  for (const char* name : {k25LlmF16, k25Mmproj}) {
    files += static_cast<int64_t>(ReadAll(Committed(name)).size());
  }
  EXPECT_EQ(run.model.vision_mapped + run.model.text_mapped + run.model.embedding_mapped +
                run.model.metadata_mapped,
            files);
}

TEST(MemoryPlan, TheCacheGrowsWithWhatIsRead) {
  const PlannedRun run = PlanOf(Options());
  MemoryRequest request = run.request;
  request.answer_tokens = 1;
  const MemoryPlan little = PlanMemory(run.model, request);
  request.answer_tokens = request.context;
  const MemoryPlan all = PlanMemory(run.model, request);
  EXPECT_LT(BytesOf(little, "KV cache", MemoryPhase::kDecode), little.cache_reserved);
  EXPECT_EQ(BytesOf(all, "KV cache", MemoryPhase::kDecode), all.cache_reserved);
  const TextConfig& text = run.model.config.text;
  EXPECT_EQ(all.cache_reserved,
            2 * text.layers * text.kv_heads * text.head_dim * 2 * request.context);
}

TEST(MemoryPlan, PicturesCostPositionsAndRows) {
  const ModelConfig config = PlanOf(Options()).model.config;
  const PictureShape small = PictureShapeOf(config, 40, 30);
  EXPECT_EQ(small.views, 1);
  EXPECT_EQ(small.positions, config.resampler.queries + 2);
  const PictureShape large = LargestPictureShape(config);
  EXPECT_EQ(large.views, 1 + config.slicing.max_slices);
  EXPECT_GT(large.positions, large.views * config.resampler.queries);
}

// Bytes of a mapped file that are resident in this process.
int64_t ResidentOf(const std::string& file_name) {
  std::ifstream maps("/proc/self/smaps");
  int64_t bytes = 0;
  bool ours = false;
  for (std::string line; std::getline(maps, line);) {
    if (line.find('-') < line.find(' ')) ours = line.ends_with(file_name);
    if (ours && line.starts_with("Rss:")) bytes += std::stoll(line.substr(4)) * 1024;
  }
  return bytes;
}

TEST(MemoryPlan, PlanningTouchesNoWeights) {
  for (const std::string& path : {Committed(k25LlmF16), Committed(k20Hf)}) {
    const PlannedRun run = PlanOf(Options(path));
    PlanWholeContext(run.model, run.request);
    const int64_t few = run.model.metadata_mapped + 256 * 1024;
    EXPECT_LT(ResidentOf(".gguf") + ResidentOf(".safetensors"), few);
    EXPECT_GT(run.model.text_mapped + run.model.vision_mapped, 4 * few);
  }
}

TEST(MemoryPlan, TheEncodersPagesAreGivenBackBeforeTheLanguageModelsAreTouched) {
  constexpr char kVision[] = "v25_tiny/gguf/mmproj-f16.gguf";
  constexpr char kText[] = "v25_tiny/gguf/llm-f16.gguf";
  const auto engine = Engine::Open(Options());
  ASSERT_TRUE(engine.ok());
  const PlannedRun run = PlanOf(Options());
  const MemoryModel& model = run.model;
  auto session = (*engine)->NewSession();
  ASSERT_TRUE(session.ok());
  const Image image{40, 30, std::vector<uint8_t>(40 * 30 * 3)};
  // What the files hold beside tensors, and the pages around it that come with a first touch.
  const int64_t edges = model.metadata_mapped + 128 * 1024;
  const auto check_while_encoding = [&](const ViewProgress& progress) {
    if (progress.views_done == 0) return;
    EXPECT_GT(ResidentOf(kVision), model.vision_mapped / 2);
    EXPECT_LT(ResidentOf(kText), edges);
  };
  const auto picture = (*session)->AddImage(image, {.on_progress = check_while_encoding});
  ASSERT_TRUE(picture.ok());
  int64_t vision_while_reading = -1;
  AskCallbacks callbacks;
  callbacks.on_prompt = [&](int64_t, int64_t) { vision_while_reading = ResidentOf(kVision); };
  AskOptions options;
  options.max_tokens = 2;
  ASSERT_TRUE((*session)->Ask({"Hello", {*picture}}, options, callbacks).ok());
  EXPECT_GE(vision_while_reading, 0);
  EXPECT_LT(vision_while_reading, edges);
  EXPECT_GT(ResidentOf(kText), model.text_mapped / 2);

  // A later picture does not find the language model's pages resident either.
  const Image other{30, 40, std::vector<uint8_t>(40 * 30 * 3, 9)};
  ASSERT_TRUE((*session)->AddImage(other, {.on_progress = check_while_encoding}).ok());
}

TEST(MemoryPlan, FilesInMemoryAreThereAllTheTime) {
  EngineOptions options = Options();
  options.no_mmap = true;
  const PlannedRun run = PlanOf(options);
  const MemoryPlan plan = PlanMemory(run.model, run.request);
  for (const MemoryPhase phase : {MemoryPhase::kOpen, MemoryPhase::kEncode, MemoryPhase::kDecode}) {
    EXPECT_EQ(BytesOf(plan, "encoder's weights", phase), run.model.vision_mapped);
    EXPECT_EQ(BytesOf(plan, "language model's weights", phase),
              run.model.text_mapped + run.model.embedding_mapped);
  }
  MemoryRequest mapped = run.request;
  mapped.files_in_memory = false;
  EXPECT_GT(plan.peak(), PlanMemory(run.model, mapped).peak());
  bool advised = false;
  for (const MemoryAdvice& advice : AdviseMemory(run.model, run.request, 1)) {
    advised |= advice.change == "leaving --no-mmap out" && advice.saving > 0;
  }
  EXPECT_TRUE(advised);
}

TEST(MemoryPlan, FilesInMemoryAreThisProcesssOwn) {
  EngineOptions options = Options();
  options.no_mmap = true;
  const auto engine = Engine::Open(options);
  ASSERT_TRUE(engine.ok()) << engine.status().ToString();
  EXPECT_EQ(ResidentOf("v25_tiny/gguf/llm-f16.gguf"), 0);
  EXPECT_EQ(ResidentOf("v25_tiny/gguf/mmproj-f16.gguf"), 0);
}

TEST(MemoryLimit, FilesAreReadOnlyWhereThereIsRoom) {
  EXPECT_TRUE(CheckRoomForFiles(5'000'000'000, std::nullopt).ok());
  EXPECT_TRUE(CheckRoomForFiles(5'000'000'000, 5'000'000'000).ok());
  const Status refused = CheckRoomForFiles(5'000'000'000, 4'000'000'000);
  EXPECT_EQ(refused.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(refused.message(), HasSubstr("5.0 GB"));
  EXPECT_THAT(refused.message(), HasSubstr("room for 4.0 GB"));
  // A limit that suffices for mapped files and not for files in memory.
  EngineOptions options = Options();
  const PlannedRun run = PlanOf(options);
  options.context = run.request.context;
  options.memory_limit_bytes = PlanWholeContext(run.model, run.request).peak();
  EXPECT_TRUE(Engine::Open(options).ok());
  options.no_mmap = true;
  options.memory_limit_bytes -= run.model.vision_mapped;
  EXPECT_EQ(Engine::Open(options).status().code(), StatusCode::kResourceExhausted);
}

TEST(MemoryLimit, ALooseLimitChangesNothing) {
  const PlannedRun run = PlanOf(Options());
  const auto fitted = FitToLimit(run.model, run.request, true, int64_t{1} << 40);
  ASSERT_TRUE(fitted.ok());
  EXPECT_THAT(fitted->notes, IsEmpty());
  EXPECT_EQ(fitted->request.context, run.request.context);
}

TEST(MemoryLimit, WhatChangesByItselfFitsAndIsTold) {
  const PlannedRun run = PlanOf(Options());
  const int64_t peak = PlanWholeContext(run.model, run.request).peak();
  MemoryRequest small = run.request;
  small.batch_tokens = 128;
  const int64_t small_batch = PlanWholeContext(run.model, small).peak();
  ASSERT_LT(small_batch, peak);
  const auto batch = FitToLimit(run.model, run.request, false, small_batch);
  ASSERT_TRUE(batch.ok()) << batch.status().ToString();
  EXPECT_LE(PlanWholeContext(run.model, batch->request).peak(), small_batch);
  EXPECT_EQ(batch->request.context, run.request.context);
  ASSERT_EQ(batch->notes.size(), 1u);
  EXPECT_THAT(batch->notes[0], HasSubstr("tokens at a time"));

  small.context = 2048;
  const int64_t shorter = PlanWholeContext(run.model, small).peak();
  const auto context = FitToLimit(run.model, run.request, true, shorter);
  ASSERT_TRUE(context.ok()) << context.status().ToString();
  EXPECT_LE(PlanWholeContext(run.model, context->request).peak(), shorter);
  EXPECT_GE(context->request.context, 2048);
  EXPECT_EQ(context->notes.size(), 2u);
}

TEST(MemoryLimit, WhatIsRefusedHasComeAsCloseAsItCan) {
  const PlannedRun run = PlanOf(Options());
  const FittedRequest closest = ComeClosestToLimit(run.model, run.request, true, 1'000'000);
  EXPECT_EQ(closest.refusal.code(), StatusCode::kResourceExhausted);
  EXPECT_LT(closest.request.context, run.request.context);
  EXPECT_LT(closest.request.batch_tokens, 128);
  EXPECT_EQ(closest.notes.size(), 2u);
}

TEST(MemoryLimit, ARefusalSaysWhatHelps) {
  const PlannedRun run = PlanOf(Options());
  const auto refused = FitToLimit(run.model, run.request, false, 20'000'000);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.status().code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(refused.status().message(), HasSubstr("the memory limit is 20 MB"));
  EXPECT_THAT(refused.status().message(), HasSubstr("--ctx"));
}

TEST(MemoryLimit, AdviceIsTrue) {
  const PlannedRun run = PlanOf(Options());
  const int64_t peak = PlanWholeContext(run.model, run.request).peak();
  const auto advice = AdviseMemory(run.model, run.request, peak * 9 / 10);
  ASSERT_FALSE(advice.empty());
  for (size_t i = 1; i < advice.size(); ++i) {
    EXPECT_GE(advice[i - 1].saving, advice[i].saving) << advice[i].change;
  }
  for (const MemoryAdvice& one : advice) {
    EXPECT_EQ(one.suffices, peak - one.saving <= peak * 9 / 10) << one.change;
    if (!one.change.starts_with("--ctx ")) continue;
    MemoryRequest request = run.request;
    request.context = std::stoll(one.change.substr(6));
    EXPECT_EQ(PlanWholeContext(run.model, request).peak(), peak - one.saving);
  }
}

TEST(MemoryLimit, AnEngineKeepsToIt) {
  const PlannedRun run = PlanOf(Options());
  EngineOptions options = Options();
  options.memory_limit_bytes = 1'000'000;
  EXPECT_EQ(Engine::Open(options).status().code(), StatusCode::kResourceExhausted);
  options.memory_limit_bytes = -1;
  EXPECT_EQ(Engine::Open(options).status().code(), StatusCode::kInvalidArgument);

  options.memory_limit_bytes = PlanWholeContext(run.model, run.request).peak();
  const auto engine = Engine::Open(options);
  ASSERT_TRUE(engine.ok()) << engine.status().ToString();
  EXPECT_THAT((*engine)->notes(), IsEmpty());
  auto session = (*engine)->NewSession();
  ASSERT_TRUE(session.ok());
  const auto second = (*engine)->NewSession();
  EXPECT_EQ(second.status().code(), StatusCode::kResourceExhausted);

  // The picture that was planned for, then pictures until the rows would be too many.
  EXPECT_TRUE((*session)->RoomForPicture(1344, 1344, 1344 * 1344 * 3).ok());
  EXPECT_EQ((*session)->RoomForPicture(20'000, 10'000, 900'000'000).code(),
            StatusCode::kResourceExhausted);
  AskOptions beams;
  beams.sampling.num_beams = 64;
  beams.max_tokens = 4000;
  EXPECT_EQ((*session)->Ask({"Hello", {}}, beams).status().code(), StatusCode::kResourceExhausted);
  session->reset();
  EXPECT_TRUE((*engine)->NewSession().ok());
}

TEST(MemoryLimit, EarlierPicturesAreCountedAndGiveWay) {
  EngineOptions options = Options();
  options.picture_cache = std::make_shared<PictureCache>(PictureCacheOptions());
  constexpr std::string_view kItem = "earlier pictures' rows";
  PlannedRun run = PlanOf(options);
  EXPECT_EQ(BytesOf(PlanMemory(run.model, run.request), kItem, MemoryPhase::kDecode), 0);
  const MemoryPlan whole = PlanWholeContext(run.model, run.request);
  EXPECT_EQ(BytesOf(whole, kItem, MemoryPhase::kDecode), int64_t{256} << 20);

  options.memory_limit_bytes = whole.peak();
  run = PlanOf(options);
  const MemoryPlan limited = PlanWholeContext(run.model, run.request);
  EXPECT_EQ(BytesOf(limited, kItem, MemoryPhase::kDecode), 0);
  ASSERT_TRUE(Engine::Open(options).ok());
  options.picture_cache->Insert({}, {1, 4}, std::make_shared<const std::vector<float>>(size_t{4}));
  EXPECT_EQ(options.picture_cache->memory_bytes(), 0);
}

TEST(MemoryLimit, RowsOfPicturesAddUp) {
  PlannedRun run = PlanOf(Options());
  const int64_t limit = PlanWholeContext(run.model, run.request).peak() + 1'000'000;
  const PictureShape picture = LargestPictureShape(run.model.config);
  const MemoryGuard guard(std::move(run.model), run.request, limit);
  int views = 0;
  while (views < 10'000 && guard.CheckPicture(picture, views).ok()) views += picture.views;
  EXPECT_GE(views, picture.views);
  EXPECT_LT(views, 100);
  EXPECT_THAT(guard.CheckPicture(picture, views).message(), HasSubstr("held already"));
}

}  // namespace
}  // namespace mcv
