#include "model/text/text_model.h"

#include <algorithm>
#include <string>

namespace mcv {

void ImagesInside(std::span<const ImageRows> images, int64_t first, int64_t count,
                  std::vector<ImageRows>* inside) {
  inside->clear();
  for (const ImageRows& image : images) {
    const int64_t begin = std::max(image.begin, first);
    const int64_t end = std::min(image.end, first + count);
    if (begin >= end) continue;
    inside->push_back(
        {begin - first, end - first, image.rows.Rows(begin - image.begin, end - begin)});
  }
}

Status NoRoom(int64_t capacity, int64_t held, int64_t wanted) {
  return ContextFull("the context holds " + std::to_string(capacity) + " positions, " +
                     std::to_string(held) + " are in use and " + std::to_string(wanted) +
                     " more were asked for");
}

Status Append(TextModel& model, TextSequence& sequence, const TextInput& input,
              const AppendOptions& options, MatView logits) {
  const auto total = static_cast<int64_t>(input.ids.size());
  MCV_CHECK(total > 0 && logits.rows == (options.logits == LogitsWanted::kAll ? total : 1));
  const SequenceMark before = sequence.Mark();
  if (total > model.capacity() - before.length) {
    return NoRoom(model.capacity(), before.length, total);
  }
  std::vector<ImageRows> images;
  for (int64_t first = 0; first < total; first += model.batch_tokens()) {
    const int64_t count = std::min(model.batch_tokens(), total - first);
    const bool is_end = first + count == total;
    ImagesInside(input.images, first, count, &images);
    TextRun run{&sequence,
                {input.ids.subspan(static_cast<size_t>(first), static_cast<size_t>(count)), images},
                options.logits};
    if (run.logits == LogitsWanted::kLast && !is_end) run.logits = LogitsWanted::kNone;
    const MatView rows = run.logits == LogitsWanted::kAll ? logits.Rows(first, count)
                                                          : logits.Rows(0, run.logit_rows());
    const Status status =
        model.Step({&run, 1}, {.cancel = options.cancel, .taps = options.taps}, rows);
    if (!status.ok()) {
      sequence.Rewind(before);
      return status;
    }
    if (options.on_progress) options.on_progress(first + count, total);
  }
  return OkStatus();
}

}  // namespace mcv
