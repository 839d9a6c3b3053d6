#include "tests/quality/reading.h"

#include <memory>

#include "base/random.h"
#include "engine/engine.h"
#include "family/prompt/chat.h"
#include "family/vision/positions.h"
#include "family/vision/views.h"
#include "model/vision/vision_encoder.h"
#include "tests/quality/drawn_scenes.h"

namespace mcv::quality {
namespace {

class Reader {
 public:
  Reader(const Engine& engine, const ChatEncoder& chat)
      : engine_(engine), chat_(chat), pool_(engine.threads()) {
    context_.pool = &pool_;
    context_.table = &engine.kernels();
    context_.numerics = Numerics::kExact;
  }

  Result<Reading> Read(const Conversation& conversation) {
    const ModelConfig& config = engine_.config();
    const SlicePlan plan =
        PlanSlices(conversation.picture.width, conversation.picture.height, config.slicing);
    Reading reading;
    ChatState state;
    for (const Exchange& exchange : conversation.exchanges) {
      ChatTurn turn{Role::kUser, {}};
      if (!state.started) turn.parts.push_back({"", plan});
      turn.parts.push_back({exchange.question, {}});
      MCV_ASSIGN_OR_RETURN(const EncodedPrompt prompt, chat_.EncodeTurns({&turn, 1}, &state));
      reading.ids.insert(reading.ids.end(), prompt.ids.begin(), prompt.ids.end());
      MCV_RETURN_IF_ERROR(AddPicture(conversation.picture, plan, prompt.spans, &reading));
      AddAnswer(exchange.answer, &reading);
    }
    const std::optional<int32_t> end = engine_.tokenizer().SpecialId("<|eot_id|>");
    if (!end) return Internal("no <|eot_id|> in this vocabulary");
    reading.ids.push_back(*end);
    return reading;
  }

 private:
  // The position behind the answer is a target too: the token that ends it stands there, put by the
  // next turn or, behind the last, by Read.
  void AddAnswer(const std::string& answer, Reading* reading) {
    for (const int32_t id : engine_.tokenizer().EncodeText(answer)) {
      reading->targets.push_back(static_cast<int64_t>(reading->ids.size()));
      reading->ids.push_back(id);
    }
    reading->targets.push_back(static_cast<int64_t>(reading->ids.size()));
  }

  Status AddPicture(const Image& image, const SlicePlan& plan, const std::vector<ImageSpan>& spans,
                    Reading* reading) {
    if (spans.empty()) return OkStatus();
    const ModelConfig& config = engine_.config();
    const std::vector<View> views = MakeViews(image, plan, config.slicing.patch);
    if (views.size() != 1 || spans.size() != 1) return Internal("one view was expected");
    const PatchGrid grid{views[0].patch_rows, views[0].patch_cols};
    const std::vector<ViewPositions> positions = PositionIds({&grid, 1}, config.vision);
    VisionEncoder encoder(config, engine_.weights().vision(), engine_.weights().resampler(),
                          context_);
    const int64_t rows = encoder.rows_per_view();
    reading->features.resize(static_cast<size_t>(rows * encoder.width()));
    const MatView out(reading->features.data(), rows, encoder.width());
    reading->images.push_back({spans[0].begin, spans[0].end, out});
    return encoder.Encode(views[0], positions[0], {}, out);
  }

  const Engine& engine_;
  const ChatEncoder& chat_;
  ThreadPool pool_;
  Context context_;
};

}  // namespace

Result<std::vector<Reading>> ReadConversations(const std::string& llm_path) {
  EngineOptions options;
  options.model = llm_path;
  options.numerics = Numerics::kExact;
  MCV_ASSIGN_OR_RETURN(const std::shared_ptr<const Engine> engine, Engine::Open(options));
  MCV_ASSIGN_OR_RETURN(const ChatEncoder chat,
                       ChatEncoder::Create(engine->tokenizer(), engine->config().row(),
                                           engine->config().resampler.queries));
  MCV_ASSIGN_OR_RETURN(const std::vector<Conversation> conversations, TrueConversations());
  Reader reader(*engine, chat);
  std::vector<Reading> readings;
  for (const Conversation& conversation : conversations) {
    MCV_ASSIGN_OR_RETURN(Reading reading, reader.Read(conversation));
    readings.push_back(std::move(reading));
  }
  return readings;
}

std::vector<Reading> RandomReadings(int32_t vocab, int count, int length) {
  std::vector<Reading> readings(static_cast<size_t>(count));
  RandomStream random(20);
  for (Reading& reading : readings) {
    for (int64_t i = 0; i < length; ++i) {
      reading.ids.push_back(static_cast<int32_t>(random.Below(static_cast<uint32_t>(vocab))));
      if (i > 0) reading.targets.push_back(i);
    }
  }
  return readings;
}

}  // namespace mcv::quality
