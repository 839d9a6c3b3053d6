#include "family/vision/placeholders.h"

#include "base/status.h"

namespace mcv {
namespace {

using Kind = PlaceholderPiece::Kind;

class PlaceholderBuilder {
 public:
  explicit PlaceholderBuilder(int queries) : queries_(queries) {}

  void Special(std::string text) { pieces_.push_back({Kind::kSpecial, std::move(text), -1, 0}); }
  void Text(std::string text) { pieces_.push_back({Kind::kText, std::move(text), -1, 0}); }
  // `<tag>` queries `</tag>` of the next view.
  void View(const std::string& tag) {
    Special("<" + tag + ">");
    pieces_.push_back({Kind::kQueries, "<unk>", next_view_++, queries_});
    Special("</" + tag + ">");
  }
  // The cells, rows separated by a newline; none after the last row.
  void Cells(const SlicePlan& plan, const std::string& tag) {
    for (int row = 0; row < plan.rows; ++row) {
      if (row > 0) Text("\n");
      for (int col = 0; col < plan.cols; ++col) View(tag);
    }
  }
  std::vector<PlaceholderPiece> Take() { return std::move(pieces_); }

 private:
  int queries_;
  int next_view_ = 0;
  std::vector<PlaceholderPiece> pieces_;
};

}  // namespace

PlaceholderStyle StyleOf(const ModelConfig& config) {
  return {config.row().placeholders, config.row().use_image_id, config.resampler.queries};
}

std::vector<PlaceholderPiece> ImagePlaceholder(const SlicePlan& plan, const PlaceholderStyle& style,
                                               int image_index) {
  MCV_CHECK(style.queries > 0 && image_index >= 0);
  PlaceholderBuilder builder(style.queries);
  if (style.use_image_id) {
    builder.Special("<image_id>");
    builder.Text(std::to_string(image_index));
    builder.Special("</image_id>");
  }
  builder.View("image");
  switch (style.format) {
    case PlaceholderFormat::kSingle:
      MCV_CHECK(!plan.is_cut());
      break;
    case PlaceholderFormat::kSliceBlock:
      if (!plan.is_cut()) break;
      builder.Special("<slice>");
      builder.Cells(plan, "image");
      builder.Special("</slice>");
      break;
    case PlaceholderFormat::kSliceTags:
      builder.Cells(plan, "slice");
      break;
  }
  return builder.Take();
}

std::string PlaceholderText(const std::vector<PlaceholderPiece>& pieces) {
  std::string text;
  for (const PlaceholderPiece& piece : pieces) {
    const int times = piece.kind == Kind::kQueries ? piece.num_queries : 1;
    for (int i = 0; i < times; ++i) text += piece.text;
  }
  return text;
}

}  // namespace mcv
