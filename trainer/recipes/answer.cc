#include "trainer/recipes/answer.h"

namespace mcv::trainer {
namespace {

// Resampled features of every request, [requests * queries, width].
Tensor FeaturesOf(MiniCpmV& model, const std::vector<AnswerRequest>& requests,
                  at::ScalarType type) {
  std::vector<const Picture*> pictures;
  std::vector<int64_t> picture_of;
  for (const AnswerRequest& request : requests) {
    if (pictures.empty() || pictures.back() != request.picture) {
      pictures.push_back(request.picture);
    }
    picture_of.push_back(static_cast<int64_t>(pictures.size()) - 1);
  }
  const PictureBatch batch = MakePictureBatch(pictures, model.config().vision.table_side);
  const Tensor features = model.Resample(model.Encode(batch, type), batch);
  const int64_t queries = model.config().resampler.queries;
  const Tensor index = torch::tensor(at::ArrayRef<int64_t>(picture_of), at::kLong);
  return features.view({static_cast<int64_t>(pictures.size()), queries, -1})
      .index_select(0, index)
      .flatten(0, 1);
}

}  // namespace

std::vector<std::string> Answer(MiniCpmV& model, const NanoTokenizer& tokenizer,
                                const std::vector<AnswerRequest>& requests, int most_tokens,
                                at::ScalarType type) {
  const torch::NoGradGuard guard;
  const int queries = model.config().resampler.queries;
  const Tensor all_features = FeaturesOf(model, requests, type);
  std::vector<ChatTokens> chats;
  std::vector<std::vector<int32_t>> answers(requests.size());
  std::vector<size_t> open;
  for (size_t i = 0; i < requests.size(); ++i) {
    const Turn turn{QuestionType::kName, requests[i].question, ""};
    chats.push_back(EncodePrompt(tokenizer, {turn}, queries));
    open.push_back(i);
  }
  const Tensor features = all_features.view({static_cast<int64_t>(requests.size()), queries, -1});
  for (int step = 0; step < most_tokens && !open.empty(); ++step) {
    // Only the last row of each open conversation is asked for its next token.
    std::vector<ChatTokens> asked;
    std::vector<int64_t> rows;
    for (const size_t i : open) {
      asked.push_back(chats[i]);
      asked.back().target.assign(chats[i].ids.size(), -1);
      asked.back().target.back() = 0;
      rows.push_back(static_cast<int64_t>(i));
    }
    Tensor unused;
    const TextBatch text = MakeTextBatch(asked, queries, unused);
    const Tensor chosen =
        features.index_select(0, torch::tensor(at::ArrayRef<int64_t>(rows), at::kLong));
    const Tensor next = model.Decode(chosen.flatten(0, 1), text, type).argmax(1).contiguous();
    const int64_t* ids = ConstData<int64_t>(next);
    std::vector<size_t> still_open;
    for (size_t k = 0; k < open.size(); ++k) {
      const int32_t id = static_cast<int32_t>(ids[k]);
      if (id == tokenizer.eot() || id == tokenizer.end_of_text()) continue;
      answers[open[k]].push_back(id);
      chats[open[k]].ids.push_back(id);
      still_open.push_back(open[k]);
    }
    open = std::move(still_open);
  }
  std::vector<std::string> texts;
  for (const auto& ids : answers) texts.push_back(tokenizer.Decode(ids));
  return texts;
}

}  // namespace mcv::trainer
