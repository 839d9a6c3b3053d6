// A store of rows on the disk under everything that a disk and other processes do to it. What is
// found is always what was stored.
#include "engine/pictures/picture_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>

#include "tests/support/test_folder.h"

namespace mcv {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr RowsShape kShape = {64, 16};
constexpr int64_t kRowsBytes = 64 * 16 * sizeof(float);
constexpr int64_t kPlenty = 1 << 30;

PictureKey Key(int number) {
  PictureKey key = {};
  std::memcpy(key.data(), &number, sizeof number);
  return key;
}

std::vector<float> Rows(int number, RowsShape shape = kShape) {
  std::vector<float> rows(shape.floats());
  for (size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<float>(number) + 1.0f / (1.0f + i);
  return rows;
}

class PictureStoreTest : public ::testing::Test {
 protected:
  std::string Folder() const { return (root_ / "cache").string(); }
  std::string File() const { return Folder() + "/pictures.sqlite"; }

  void Fill(int count, int64_t max_bytes = kPlenty) {
    PictureStore store(Folder(), max_bytes);
    for (int i = 0; i < count; ++i) store.Insert(Key(i), kShape, Rows(i));
    EXPECT_THAT(store.TakeNotes(), IsEmpty());
  }
  std::string ReadAll() const {
    std::ifstream file(File(), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void WriteAll(const std::string& bytes) const {
    std::ofstream(File(), std::ios::binary) << bytes;
  }
  void Sql(const std::string& sql) const {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(File().c_str(), &db), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
        << sqlite3_errmsg(db);
    sqlite3_close(db);
  }
  // Whatever was done to the file: what is found is right, and the store works again.
  void ExpectRightAndRepaired(int count) {
    PictureStore store(Folder(), kPlenty);
    for (int i = 0; i < count; ++i) {
      const auto rows = store.Find(Key(i), kShape);
      EXPECT_EQ(rows.value_or(Rows(i)), Rows(i));
      if (!rows) store.Insert(Key(i), kShape, Rows(i));
      EXPECT_EQ(store.Find(Key(i), kShape), Rows(i));
    }
  }

  TestFolder root_{"picture_store_test"};
};

TEST_F(PictureStoreTest, GivesBackEveryBitAlsoToTheNextProcess) {
  std::vector<float> rows = Rows(1);
  rows[0] = -0.0f;
  rows[1] = std::numeric_limits<float>::quiet_NaN();
  rows[2] = std::numeric_limits<float>::denorm_min();
  {
    PictureStore store(Folder(), kPlenty);
    EXPECT_FALSE(store.Find(Key(1), kShape));
    store.Insert(Key(1), kShape, rows);
  }
  PictureStore store(Folder(), kPlenty);
  const auto found = store.Find(Key(1), kShape);
  ASSERT_TRUE(found && found->size() == rows.size());
  EXPECT_EQ(std::memcmp(found->data(), rows.data(), kRowsBytes), 0);
  EXPECT_FALSE(store.Find(Key(2), kShape));
  EXPECT_THAT(store.TakeNotes(), IsEmpty());
}

TEST_F(PictureStoreTest, IsForItsOwnerOnly) {
  Fill(1);
  struct stat info {};
  ASSERT_EQ(::stat(Folder().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700u);
  ASSERT_EQ(::stat(File().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(PictureStoreTest, TheLeastRecentlyUsedMakesRoom) {
  PictureStore store(Folder(), 3 * kRowsBytes);
  for (int i = 0; i < 3; ++i) store.Insert(Key(i), kShape, Rows(i));
  EXPECT_TRUE(store.Find(Key(0), kShape));
  store.Insert(Key(3), kShape, Rows(3));
  EXPECT_TRUE(store.Find(Key(0), kShape));
  EXPECT_FALSE(store.Find(Key(1), kShape));
  EXPECT_TRUE(store.Find(Key(2), kShape) && store.Find(Key(3), kShape));
  // Storing again takes no more room, and more than all of it is not stored at the others' cost.
  store.Insert(Key(3), kShape, Rows(3));
  store.Insert(Key(4), {300, 16}, Rows(4, {300, 16}));
  EXPECT_EQ(PictureStore::Summarise(Folder())->num_pictures, 3);
  EXPECT_FALSE(store.Find(Key(4), {300, 16}));
}

TEST_F(PictureStoreTest, ALowerLimitHoldsFromTheStart) {
  Fill(40);
  const auto before = fs::file_size(File());
  { PictureStore store(Folder(), 2 * kRowsBytes); }
  EXPECT_EQ(PictureStore::Summarise(Folder())->num_pictures, 2);
  EXPECT_LT(fs::file_size(File()), before);
  { PictureStore store(Folder(), 0); }
  EXPECT_EQ(PictureStore::Summarise(Folder())->num_pictures, 0);
}

TEST_F(PictureStoreTest, AnotherShapeIsNotBelieved) {
  Fill(1);
  PictureStore store(Folder(), kPlenty);
  EXPECT_FALSE(store.Find(Key(0), {16, 64}));
  EXPECT_THAT(store.TakeNotes(), ElementsAre(HasSubstr("damaged entry")));
  EXPECT_FALSE(store.Find(Key(0), kShape));  // dropped
  EXPECT_THAT(store.TakeNotes(), IsEmpty());
}

// --- damage ---

TEST_F(PictureStoreTest, AFlippedBitInTheRowsDropsTheEntryOnly) {
  Fill(3);
  std::string bytes = ReadAll();
  const std::vector<float> rows = Rows(1);
  const size_t at = bytes.find(std::string(reinterpret_cast<const char*>(&rows[100]), 64));
  ASSERT_NE(at, std::string::npos);
  bytes[at] ^= 1;
  WriteAll(bytes);
  PictureStore store(Folder(), kPlenty);
  EXPECT_TRUE(store.Find(Key(0), kShape));
  EXPECT_FALSE(store.Find(Key(1), kShape));
  EXPECT_THAT(store.TakeNotes(), ElementsAre(HasSubstr("damaged entry was dropped")));
  store.Insert(Key(1), kShape, Rows(1));
  EXPECT_EQ(store.Find(Key(1), kShape), Rows(1));
  EXPECT_TRUE(store.Find(Key(2), kShape));
}

TEST_F(PictureStoreTest, RowsOfAnotherPictureAreNotBelieved) {
  Fill(2);
  Sql("UPDATE data SET rows = (SELECT rows FROM data WHERE id = 1)");
  PictureStore store(Folder(), kPlenty);
  EXPECT_EQ(store.Find(Key(0), kShape), Rows(0));
  EXPECT_FALSE(store.Find(Key(1), kShape));
}

TEST_F(PictureStoreTest, FlippedBytesAnywhere) {
  Fill(3);
  const std::string whole = ReadAll();
  // Every byte of the file's header, then one in each stretch.
  for (size_t at = 0; at < whole.size(); at += at < 100 ? 3 : 1511) {
    SCOPED_TRACE(at);
    std::string bytes = whole;
    bytes[at] = static_cast<char>(~bytes[at]);
    fs::remove_all(Folder());
    fs::create_directories(Folder());
    WriteAll(bytes);
    // A file whose mark is another program's is left alone, so nothing works but nothing is wrong.
    if (at >= 68 && at < 72) {
      PictureStore store(Folder(), kPlenty);
      EXPECT_FALSE(store.Find(Key(0), kShape));
      EXPECT_EQ(ReadAll(), bytes);
    } else {
      ExpectRightAndRepaired(3);
    }
  }
}

TEST_F(PictureStoreTest, CutOffAnywhere) {
  Fill(3);
  const std::string whole = ReadAll();
  for (const size_t length :
       {size_t{0}, size_t{1}, size_t{15}, size_t{99}, size_t{4096}, whole.size() / 3,
        whole.size() / 2, whole.size() - 32768, whole.size() - 1}) {
    SCOPED_TRACE(length);
    fs::remove_all(Folder());
    fs::create_directories(Folder());
    WriteAll(whole.substr(0, length));
    ExpectRightAndRepaired(3);
  }
}

TEST_F(PictureStoreTest, DamageUnderAnOpenStoreIsRepaired) {
  Fill(3);
  PictureStore first(Folder(), kPlenty), second(Folder(), kPlenty);
  // Everything after the file's own page.
  std::string bytes = ReadAll();
  std::fill(bytes.begin() + 32768, bytes.end(), '\x5a');
  WriteAll(bytes);
  for (PictureStore* store : {&first, &second}) {
    for (int i = 0; i < 3; ++i) {
      const auto rows = store->Find(Key(i), kShape);
      EXPECT_EQ(rows.value_or(Rows(i)), Rows(i));
      store->Insert(Key(i), kShape, Rows(i));
    }
  }
  for (int i = 0; i < 3; ++i) EXPECT_EQ(first.Find(Key(i), kShape), Rows(i));
  EXPECT_FALSE(fs::exists(File() + ".damaged"));  // it was ours: nothing worth keeping
}

TEST_F(PictureStoreTest, WhatIsNoDatabaseIsSetAside) {
  fs::create_directories(Folder());
  WriteAll("my diary, which is no database");
  PictureStore store(Folder(), kPlenty);
  EXPECT_THAT(store.TakeNotes(), ElementsAre(HasSubstr("begun anew")));
  store.Insert(Key(1), kShape, Rows(1));
  EXPECT_TRUE(store.Find(Key(1), kShape));
  std::ifstream kept(File() + ".damaged");
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(kept), {}),
            "my diary, which is no database");
}

TEST_F(PictureStoreTest, OtherProgramsDatabasesAreLeftAlone) {
  fs::create_directories(Folder());
  Sql("CREATE TABLE albums(name TEXT); INSERT INTO albums VALUES('Paris')");
  const std::string before = ReadAll();
  {
    PictureStore store(Folder(), kPlenty);
    EXPECT_THAT(store.TakeNotes(), ElementsAre(HasSubstr("another program")));
    store.Insert(Key(1), kShape, Rows(1));
    EXPECT_FALSE(store.Find(Key(1), kShape));
  }
  EXPECT_FALSE(PictureStore::Clear(Folder()).ok());
  EXPECT_FALSE(PictureStore::Summarise(Folder()).ok());
  EXPECT_EQ(ReadAll(), before);
}

TEST_F(PictureStoreTest, AnotherLayoutOrMissingTablesAreBegunAnew) {
  for (const char* sql : {"PRAGMA user_version = 99", "DROP TABLE data", "DROP TABLE pictures",
                          "DROP TABLE data; CREATE VIEW data AS SELECT 1 AS id, 2 AS rows",
                          "UPDATE pictures SET bytes = 9223372036854775807",
                          "UPDATE pictures SET bytes = -5, last_used = 9223372036854775807"}) {
    SCOPED_TRACE(sql);
    fs::remove_all(Folder());
    Fill(2);
    Sql(sql);
    ExpectRightAndRepaired(2);
  }
}

// --- a machine that refuses ---

// SQLite's general error comes from the moment as well as from the file: it is told, and removes
// nothing.
TEST_F(PictureStoreTest, OnlyDamageIsTakenForDamage) {
  Fill(2);
  const auto db = SqliteConnection::Open(File(), 0);
  ASSERT_TRUE(db.ok());
  EXPECT_EQ(db->Run("SELECT no_such_function()").code(), StatusCode::kIo);
  EXPECT_EQ(db->Run("COMMIT").code(), StatusCode::kIo);
  const std::string garbage = Folder() + "/garbage";
  std::ofstream(garbage) << std::string(5000, '?');
  EXPECT_EQ(SqliteConnection::Open(garbage, 0)->Number("PRAGMA user_version").status().code(),
            StatusCode::kCorrupt);
}

TEST_F(PictureStoreTest, SomethingElseInItsPlace) {
  const auto expect_out_of_the_way = [&](const std::string& folder, const std::string& reason) {
    PictureStore store(folder, kPlenty);
    EXPECT_THAT(store.TakeNotes(), ElementsAre(HasSubstr(reason)));
    store.Insert(Key(1), kShape, Rows(1));
    EXPECT_FALSE(store.Find(Key(1), kShape));
    EXPECT_THAT(store.TakeNotes(), IsEmpty());
  };
  fs::create_directories(File());
  expect_out_of_the_way(Folder(), "not a regular file");
  fs::remove(File());
  fs::create_symlink("/nowhere", File());
  expect_out_of_the_way(Folder(), "not a regular file");
  fs::remove(File());
  ASSERT_EQ(::mkfifo(File().c_str(), 0600), 0);
  expect_out_of_the_way(Folder(), "not a regular file");
  std::ofstream((root_ / "file").string()) << "text";
  expect_out_of_the_way((root_ / "file").string(), "not a folder");
  expect_out_of_the_way((root_ / "file" / "folder").string(), "cannot create the folder");
}

TEST_F(PictureStoreTest, AFullDiskKeepsWhatIsThere) {
  Fill(2);
  rlimit old = {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old), 0);
  const auto previous = ::signal(SIGXFSZ, SIG_IGN);
  {
    PictureStore store(Folder(), kPlenty);
    rlimit small = old;
    small.rlim_cur = 65536;  // a limit on the length of files stands for the disk
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
    store.Insert(Key(7), {4096, 64}, Rows(7, {4096, 64}));
    EXPECT_FALSE(store.Find(Key(7), {4096, 64}));
    EXPECT_EQ(store.Find(Key(1), kShape), Rows(1));
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &old), 0);
    EXPECT_THAT(store.TakeNotes(), SizeIs(1));
    store.Insert(Key(7), {4096, 64}, Rows(7, {4096, 64}));
    EXPECT_TRUE(store.Find(Key(7), {4096, 64}));
  }
  ::signal(SIGXFSZ, previous);
  ExpectRightAndRepaired(2);
}

TEST_F(PictureStoreTest, ALockedDatabaseIsNotWaitedForForEver) {
  Fill(1);
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open(File().c_str(), &other), SQLITE_OK);
  const auto run = [&](const char* sql) {
    return sqlite3_exec(other, sql, nullptr, nullptr, nullptr);
  };
  ASSERT_EQ(run("BEGIN IMMEDIATE"), SQLITE_OK);
  {
    PictureStore store(Folder(), kPlenty, /*busy_ms=*/1);
    EXPECT_EQ(store.Find(Key(0), kShape), Rows(0));  // readers do not wait for writers
    store.Insert(Key(1), kShape, Rows(1));
    EXPECT_THAT(store.TakeNotes(), ElementsAre(HasSubstr("locked")));
    EXPECT_FALSE(store.Find(Key(1), kShape));
    ASSERT_EQ(run("ROLLBACK"), SQLITE_OK);
    store.Insert(Key(1), kShape, Rows(1));
    EXPECT_TRUE(store.Find(Key(1), kShape));
  }
  ASSERT_EQ(run("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; DELETE FROM data WHERE id = 9"),
            SQLITE_OK);
  PictureStore store(Folder(), kPlenty, /*busy_ms=*/1);
  EXPECT_FALSE(store.Find(Key(0), kShape));
  EXPECT_THAT(store.TakeNotes(), ElementsAre(HasSubstr("locked")));
  sqlite3_close(other);
}

// --- several processes ---

// Runs `work` in a child process; its exit status is what `work` returns.
template <typename Work>
pid_t InChild(Work work) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(work());
  return child;
}

int ExitStatusOf(pid_t child) {
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// Looks for pictures and stores those that are not there. The number of wrong ones.
int UseStore(const std::string& folder, int first, int count, int64_t max_bytes) {
  PictureStore store(folder, max_bytes);
  int wrong = 0;
  for (int i = first; i < first + count; ++i) {
    const auto rows = store.Find(Key(i), kShape);
    if (rows && *rows != Rows(i)) ++wrong;
    if (!rows) store.Insert(Key(i), kShape, Rows(i));
  }
  return wrong + static_cast<int>(store.TakeNotes().size());
}

TEST_F(PictureStoreTest, ProcessesShareIt) {
  std::vector<pid_t> children;
  for (int c = 0; c < 4; ++c) {
    children.push_back(InChild([&] { return UseStore(Folder(), 5 * c, 20, kPlenty); }));
  }
  for (const pid_t child : children) EXPECT_EQ(ExitStatusOf(child), 0);
  EXPECT_EQ(PictureStore::Summarise(Folder())->num_pictures, 35);
  // And with eviction under each other's hands.
  children.clear();
  for (int c = 0; c < 4; ++c) {
    children.push_back(InChild([&] { return UseStore(Folder(), 5 * c, 20, 8 * kRowsBytes); }));
  }
  for (const pid_t child : children) EXPECT_EQ(ExitStatusOf(child), 0);
  EXPECT_EQ(PictureStore::Summarise(Folder())->num_pictures, 8);
}

TEST_F(PictureStoreTest, AProcessKilledWhileWritingLeavesAWholeStore) {
  Fill(1);
  for (int round = 0; round < 12; ++round) {
    int pipe[2];
    ASSERT_EQ(::pipe(pipe), 0);
    const pid_t writer = InChild([&] {
      PictureStore store(Folder(), 20 * kRowsBytes);
      for (int i = 0;; ++i) {
        const char go = '.';
        if (::write(pipe[1], &go, 1) != 1) return 1;
        store.Insert(Key(i % 40), kShape, Rows(i % 40));
      }
    });
    const pid_t reader = InChild([&] { return UseStore(Folder(), 0, 40, 20 * kRowsBytes); });
    ::close(pipe[1]);
    char go = 0;
    for (int i = 0; i <= 3 * round; ++i) ASSERT_EQ(::read(pipe[0], &go, 1), 1);
    ::kill(writer, SIGKILL);
    EXPECT_EQ(ExitStatusOf(writer), 128 + SIGKILL);
    EXPECT_EQ(ExitStatusOf(reader), 0);
    ::close(pipe[0]);
    EXPECT_EQ(UseStore(Folder(), 0, 40, 20 * kRowsBytes), 0);
  }
}

// --- for people ---

TEST_F(PictureStoreTest, SummariseAndClear) {
  EXPECT_EQ(PictureStore::Summarise(Folder())->num_pictures, 0);
  EXPECT_FALSE(fs::exists(Folder()));
  EXPECT_TRUE(PictureStore::Clear(Folder()).ok());
  Fill(4);
  EXPECT_EQ(PictureStore::Summarise(Folder())->num_pictures, 4);
  EXPECT_EQ(PictureStore::Summarise(Folder())->rows_bytes, 4 * kRowsBytes);
  const std::vector<float> rows = Rows(1);
  const std::string part(reinterpret_cast<const char*>(rows.data()), 64);
  EXPECT_NE(ReadAll().find(part), std::string::npos);
  PictureStore open(Folder(), kPlenty);
  ASSERT_TRUE(PictureStore::Clear(Folder()).ok());
  EXPECT_EQ(PictureStore::Summarise(Folder())->num_pictures, 0);
  EXPECT_FALSE(open.Find(Key(1), kShape));
  EXPECT_EQ(ReadAll().find(part), std::string::npos);  // gone, not only forgotten
  EXPECT_THAT(open.TakeNotes(), IsEmpty());
}

}  // namespace
}  // namespace mcv
