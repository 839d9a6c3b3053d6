// What a cache shares and forgets in memory, and what names the encoder that rows came from.
#include "engine/pictures/picture_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <optional>
#include <set>
#include <thread>

#include "engine/pictures/encoder_identity.h"
#include "engine/pictures/sqlite.h"
#include "tests/support/test_folder.h"

namespace mcv {
namespace {

namespace fs = std::filesystem;
using ::testing::IsEmpty;

constexpr RowsShape kShape = {8, 4};
constexpr int64_t kRowsBytes = 8 * 4 * sizeof(float);

PictureKey Key(int number) {
  PictureKey key = {};
  key[5] = static_cast<uint8_t>(number);
  return key;
}

PictureCache::Rows Rows(int number) {
  return std::make_shared<const std::vector<float>>(kShape.floats(), static_cast<float>(number));
}

class PictureCacheTest : public ::testing::Test {
 protected:
  TestFolder root_{"picture_cache_test"};
  const fs::path folder_ = root_ / "cache";  // not there yet
};

TEST_F(PictureCacheTest, MemorySharesRowsAndForgetsTheLeastRecentlyUsed) {
  PictureCache cache({.folder = "", .max_memory_bytes = 2 * kRowsBytes});
  const PictureCache::Rows rows = Rows(1);
  cache.Insert(Key(1), kShape, rows);
  cache.Insert(Key(2), kShape, Rows(2));
  EXPECT_EQ(cache.Find(Key(1), kShape).rows, rows);
  EXPECT_EQ(cache.Find(Key(1), kShape).source, PictureSource::kMemory);
  cache.Insert(Key(3), kShape, Rows(3));
  EXPECT_EQ(cache.Find(Key(2), kShape).rows, nullptr);
  EXPECT_EQ(cache.Find(Key(1), kShape).rows, rows);
  EXPECT_EQ(cache.memory_bytes(), 2 * kRowsBytes);
  cache.Insert(Key(3), kShape, Rows(3));  // again
  EXPECT_EQ(cache.memory_bytes(), 2 * kRowsBytes);
  EXPECT_EQ(cache.Find(Key(3), {4, 4}).rows, nullptr);  // another shape
  EXPECT_THAT(cache.TakeNotes(), IsEmpty());
}

TEST_F(PictureCacheTest, MemoryCanBeGivenUp) {
  PictureCache cache({.folder = folder_.string(), .max_memory_bytes = 2 * kRowsBytes});
  const PictureCache::Rows rows = Rows(1);
  cache.Insert(Key(1), kShape, rows);
  cache.StopKeepingInMemory();
  EXPECT_EQ(cache.memory_bytes(), 0);
  EXPECT_EQ(rows.use_count(), 1);
  cache.Insert(Key(2), kShape, Rows(2));
  EXPECT_EQ(cache.memory_bytes(), 0);
  for (const int key : {1, 2}) {
    EXPECT_EQ(cache.Find(Key(key), kShape).source, PictureSource::kDisk) << key;
    EXPECT_EQ(cache.memory_bytes(), 0);
  }
}

TEST_F(PictureCacheTest, NothingLargerThanTheMemoryIsKeptThere) {
  PictureCache cache({.folder = "", .max_memory_bytes = kRowsBytes - 1});
  cache.Insert(Key(1), kShape, Rows(1));
  EXPECT_EQ(cache.memory_bytes(), 0);
  EXPECT_EQ(cache.Find(Key(1), kShape).rows, nullptr);
}

TEST_F(PictureCacheTest, TheDiskIsAskedOnce) {
  const PictureCacheOptions options = {folder_.string()};
  { PictureCache untouched(options); }
  EXPECT_FALSE(fs::exists(folder_));
  {
    PictureCache cache(options);
    cache.Insert(Key(1), kShape, Rows(1));
    EXPECT_EQ(cache.Find(Key(1), kShape).source, PictureSource::kMemory);
  }
  PictureCache cache(options);
  const PictureCache::Found first = cache.Find(Key(1), kShape);
  ASSERT_NE(first.rows, nullptr);
  EXPECT_EQ(*first.rows, *Rows(1));
  EXPECT_EQ(first.source, PictureSource::kDisk);
  EXPECT_EQ(cache.Find(Key(1), kShape).source, PictureSource::kMemory);
}

TEST_F(PictureCacheTest, ThreadsShareIt) {
  PictureCache cache({.folder = folder_.string(), .max_memory_bytes = 3 * kRowsBytes});
  std::vector<std::thread> threads;
  std::atomic<int> wrong = 0;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 40; ++i) {
        const int number = (i * 7 + t) % 10;
        const auto found = cache.Find(Key(number), kShape);
        if (found.rows == nullptr) cache.Insert(Key(number), kShape, Rows(number));
        if (found.rows != nullptr && *found.rows != *Rows(number)) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_THAT(cache.TakeNotes(), IsEmpty());
}

// --- one picture, several who want it ---

TEST_F(PictureCacheTest, OneEncodesAndTheOthersWaitForIt) {
  PictureCache cache({});
  const PictureCache::Found first = cache.Find(Key(1), kShape);
  ASSERT_EQ(first.rows, nullptr);
  EXPECT_TRUE(first.claim.held());
  std::vector<PictureCache::Rows> got(3);
  std::vector<std::thread> threads;
  for (auto& rows : got) {
    threads.emplace_back([&] { rows = cache.Find(Key(1), kShape).rows; });
  }
  EXPECT_TRUE(cache.Find(Key(2), kShape).claim.held());  // another picture: nobody waits
  const PictureCache::Rows rows = Rows(1);
  cache.Insert(Key(1), kShape, rows);
  for (std::thread& thread : threads) thread.join();
  for (const auto& its : got) EXPECT_EQ(its, rows);
}

TEST_F(PictureCacheTest, AClaimThatIsGivenUpGoesToTheNext) {
  PictureCache cache({.folder = folder_.string()});
  std::optional<PictureCache::Found> first = cache.Find(Key(1), kShape);
  std::atomic<int> encoded = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      const PictureCache::Found found = cache.Find(Key(1), kShape);
      if (found.rows != nullptr) return;
      ++encoded;
      cache.Insert(Key(1), kShape, Rows(1));
    });
  }
  first.reset();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(encoded, 1);
  EXPECT_NE(cache.Find(Key(1), kShape).rows, nullptr);
}

TEST_F(PictureCacheTest, WaitingCanBeCalledOff) {
  PictureCache cache({});
  const PictureCache::Found first = cache.Find(Key(1), kShape);
  std::atomic<bool> cancel = false;
  std::thread other([&] { EXPECT_EQ(cache.Find(Key(1), kShape, &cancel).rows, nullptr); });
  cancel = true;
  other.join();
  cache.Insert(Key(1), kShape, Rows(1));
  EXPECT_NE(cache.Find(Key(1), kShape).rows, nullptr);
}

// A claim that outlived its picture's flight must not end a later one.
TEST_F(PictureCacheTest, AnOldClaimEndsNothing) {
  PictureCache cache({.folder = "", .max_memory_bytes = 0});
  std::optional<PictureCache::Found> old = cache.Find(Key(1), kShape);
  cache.Insert(Key(1), kShape, Rows(1));
  std::optional<PictureCache::Found> second = cache.Find(Key(1), kShape);
  EXPECT_TRUE(second->claim.held());
  old.reset();
  const std::atomic<bool> cancel = true;
  EXPECT_FALSE(cache.Find(Key(1), kShape, &cancel).claim.held());
  second.reset();
  EXPECT_TRUE(cache.Find(Key(1), kShape, &cancel).claim.held());
}

TEST_F(PictureCacheTest, NobodyWaitsForAnothersDisk) {
  PictureCache cache({folder_.string()});
  cache.Insert(Key(1), kShape, Rows(1));
  auto db = SqliteConnection::Open((folder_ / "pictures.sqlite").string(), 0);
  ASSERT_TRUE(db.ok());
  ASSERT_TRUE(db->Run("BEGIN IMMEDIATE").ok());  // the next write waits for this one's end
  std::atomic<bool> written = false;
  std::thread writer([&] {
    cache.Insert(Key(2), kShape, Rows(2));
    written = true;
  });
  while (cache.Find(Key(2), kShape).source != PictureSource::kMemory) std::this_thread::yield();
  EXPECT_EQ(cache.Find(Key(1), kShape).source, PictureSource::kMemory);
  EXPECT_FALSE(written);
  ASSERT_TRUE(db->Run("COMMIT").ok());
  writer.join();
}

// --- which encoder ---

const std::string kModels = MCV_TESTDATA "/goldens/models/";

EncoderId IdOf(const std::string& model, const EncoderRun& run = {Numerics::kFast, "ref"},
               const OpenOptions& options = {}) {
  const auto files = ModelFiles::Open(model, options);
  EXPECT_TRUE(files.ok()) << files.status().ToString();
  return files.ok() ? IdentifyEncoder(*files, files->config(), run) : EncoderId();
}

TEST_F(PictureCacheTest, EncodersAreToldApart) {
  const std::string gguf = kModels + "v25_tiny/gguf/llm-f16.gguf";
  const EncoderId id = IdOf(gguf);
  EXPECT_EQ(IdOf(gguf), id);
  EXPECT_EQ(IdOf(kModels + "v20_tiny/hf"), IdOf(kModels + "v20_tiny/hf"));
  OpenOptions grid;
  grid.position_rule = PositionRule::kGrid;
  std::set<EncoderId> ids = {id,
                             IdOf(kModels + "v20_tiny/hf"),
                             IdOf(gguf, {Numerics::kExact, "ref"}),
                             IdOf(gguf, {Numerics::kInt8, "ref"}),
                             IdOf(gguf, {Numerics::kFast, "avx2"}),
                             IdOf(gguf, {Numerics::kFast, "ref"}, grid)};
  EXPECT_EQ(ids.size(), 6u);

  // The encoder's file counts, wherever it lies; not the language model's.
  fs::create_directories(folder_);
  const std::string vision = kModels + "v25_tiny/gguf/mmproj-f16.gguf";
  const std::string text = (folder_ / "llm.gguf").string();
  const std::string copy = (folder_ / "mmproj.gguf").string();
  fs::copy_file(gguf, text);
  fs::copy_file(vision, copy);
  const auto id_with = [&](const std::string& mmproj) {
    OpenOptions options;
    options.mmproj = mmproj;
    return IdOf(text, {Numerics::kFast, "ref"}, options);
  };
  EXPECT_EQ(id_with(vision), id);
  const EncoderId of_copy = id_with(copy);
  EXPECT_NE(of_copy, id);
  fs::create_symlink(copy, folder_ / "other-name.gguf");
  EXPECT_EQ(id_with((folder_ / "other-name.gguf").string()), of_copy);
}

}  // namespace
}  // namespace mcv
