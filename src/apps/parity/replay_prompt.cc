#include "apps/parity/compare.h"
#include "apps/parity/replay_text.h"

namespace mcv::parity {
using nlohmann::json;
Result<PromptIds> ReplayPrompt(const Replay& r, const PictureRows* picture) {
  PromptIds p;
  if (const json* runs = r.Find("ids_runs"))
    for (const json& x : *runs)
      p.ids.insert(p.ids.end(), x.at(1).get<size_t>(), x.at(0).get<int32_t>());
  if (const json* ids = r.Find("ids")) p.ids = ids->get<std::vector<int32_t>>();
  if (p.ids.empty()) return Unsupported("no ids");
  const int64_t q = r.model->config().resampler.queries, e = r.model->config().text.width;
  int64_t i = 0;
  if (const json* spans = r.Find("image_spans"))
    for (const json& s : *spans) {
      p.images.push_back({s.at(0).get<int64_t>(), s.at(1).get<int64_t>(),
                          ConstMatView(picture->rows.data() + i * q * e, q, e)});
      ++i;
    }
  return p;
}
}  // namespace mcv::parity
