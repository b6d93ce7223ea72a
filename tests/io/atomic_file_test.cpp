#include "noema/io/atomic_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <cerrno>
#include <chrono>
#include <vector>

#include "noema/core/error.h"
#include "noema/io/system_error.h"
#include "temporary_folder.h"

namespace noema {
namespace {

using testing::HasSubstr;
namespace fs = std::filesystem;

std::string make_and_write(const fs::path& path) {
  return error_of<IoError>([&] { write_file(path, "x"); });
}

TEST(AtomicFile, AppearsOnlyAtCommit) {
  const TemporaryFolder folder;
  AtomicFile file(folder / "a.txt");
  file.write("one ");
  file.write(std::as_bytes(std::span("two", 3)));
  EXPECT_FALSE(fs::exists(folder / "a.txt"));
  EXPECT_TRUE(file.temporary().filename().string().starts_with(kTemporaryPrefix));
  EXPECT_EQ(file.temporary().parent_path(), folder.path());
  file.commit();
  EXPECT_EQ(read_text(folder / "a.txt"), "one two");
  EXPECT_EQ(folder.entries(), 1u);
}

// Without commit nothing is left behind and a former file keeps its content.
TEST(AtomicFile, LeavesTheFormerFileWithoutCommit) {
  const TemporaryFolder folder;
  write_text(folder / "a.txt", "former");
  {
    AtomicFile file(folder / "a.txt");
    file.write("half a res");
  }
  EXPECT_EQ(read_text(folder / "a.txt"), "former");
  EXPECT_EQ(folder.entries(), 1u);
}

// A library that opens the temporary by name, even one that makes it anew, has its bytes committed.
TEST(AtomicFile, TakesWhatIsWrittenByName) {
  const TemporaryFolder folder;
  AtomicFile file(folder / "a.h5");
  fs::remove(file.temporary());
  write_text(file.temporary(), "by name");
  file.commit();
  EXPECT_EQ(read_text(folder / "a.h5"), "by name");
}

// Datasets under version control hold links into a read-only store: the store must not change.
TEST(AtomicFile, ReplacesALinkAndNotItsTarget) {
  const TemporaryFolder folder;
  write_text(folder / "store", "kept");
  fs::create_symlink(folder / "store", folder / "a.txt");
  write_file(folder / "a.txt", "new");
  EXPECT_EQ(read_text(folder / "store"), "kept");
  EXPECT_EQ(read_text(folder / "a.txt"), "new");
  EXPECT_FALSE(fs::is_symlink(folder / "a.txt"));
}

TEST(AtomicFile, SaysWhatIsWrongWithTheFolder) {
  const TemporaryFolder folder;
  EXPECT_THAT(make_and_write(folder / "no/such/a.txt"), HasSubstr("check the name, and that the folder"));
  write_text(folder / "file", "");
  EXPECT_THAT(make_and_write(folder / "file/a.txt"), HasSubstr("Not a directory"));
  EXPECT_THAT(make_and_write(folder.path()), HasSubstr("a folder has this name"));
  fs::create_directory(folder / "locked");
  fs::permissions(folder / "locked", fs::perms::owner_read | fs::perms::owner_exec);
  if (::geteuid() == 0) {
    ASSERT_EQ(::chown((folder / "locked").c_str(), 65534, 65534), 0);
    ASSERT_EQ(::seteuid(65534), 0);
  }
  const std::string message = make_and_write(folder / "locked/a.txt");
  if (::getuid() == 0) {
    ASSERT_EQ(::seteuid(0), 0);
  }
  EXPECT_THAT(message, HasSubstr("Permission denied; check the permissions"));
}

TEST(SystemError, GivesTheRemedyOfAFullDisk) {
  const IoError full = system_error("/data/out/a.nii", "written", ENOSPC);
  EXPECT_STREQ(full.what(),
               "'/data/out/a.nii': cannot be written: No space left on device; make room on the disk of "
               "'/data/out', or choose another output folder");
  EXPECT_EQ(full.path(), "/data/out/a.nii");
  EXPECT_THAT(system_error("a", "written", EDQUOT).what(), HasSubstr("quota"));
  EXPECT_THAT(system_error("a", "written", EROFS).what(), HasSubstr("read-only"));
}

// A write that the system refuses midway throws, and the destructor clears what was written.
TEST(AtomicFile, AFailedWriteLeavesNothing) {
  const TemporaryFolder folder;
  struct rlimit former {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &former), 0);
  const auto former_action = ::signal(SIGXFSZ, SIG_IGN);
  const struct rlimit small { 1000, former.rlim_max };
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::string message = error_of<IoError>([&] { write_file(folder / "big", std::string(5000, 'x')); });
  ::setrlimit(RLIMIT_FSIZE, &former);
  ::signal(SIGXFSZ, former_action);
  EXPECT_THAT(message, HasSubstr("cannot be written: File too large"));
  EXPECT_EQ(folder.entries(), 0u);
}

TEST(AtomicFolder, AppearsWholeAtCommit) {
  const TemporaryFolder folder;
  AtomicFolder out((folder / "out").string() + "/");
  fs::create_directory(out.temporary() / "sub");
  write_text(out.temporary() / "sub/a.txt", "a");
  EXPECT_FALSE(fs::exists(folder / "out"));
  out.commit();
  EXPECT_EQ(read_text(folder / "out/sub/a.txt"), "a");
  EXPECT_EQ(folder.entries(), 1u);
}

TEST(AtomicFolder, LeavesNothingWithoutCommit) {
  const TemporaryFolder folder;
  {
    AtomicFolder out(folder / "out");
    write_text(out.temporary() / "a.txt", "a");
  }
  EXPECT_EQ(folder.entries(), 0u);
}

TEST(AtomicFolder, ReplacesOnlyWhenAsked) {
  const TemporaryFolder folder;
  fs::create_directory(folder / "out");
  { AtomicFolder(folder / "out").commit(); }  // an empty folder is free
  write_text(folder / "out/old.txt", "old");
  EXPECT_THAT(error_of<IoError>([&] { AtomicFolder(folder / "out"); }), HasSubstr("not empty"));
  AtomicFolder out(folder / "out", true);
  write_text(out.temporary() / "new.txt", "new");
  EXPECT_TRUE(fs::exists(folder / "out/old.txt"));
  out.commit();
  EXPECT_EQ(read_text(folder / "out/new.txt"), "new");
  EXPECT_FALSE(fs::exists(folder / "out/old.txt"));
  EXPECT_EQ(folder.entries(), 1u);
  write_text(folder / "file", "");
  EXPECT_THAT(error_of<IoError>([&] { AtomicFolder(folder / "file", true); }), HasSubstr("a file has this name"));
}

// Results often go to another disk through a link.
TEST(AtomicFolder, FollowsALinkToAFolder) {
  const TemporaryFolder folder;
  fs::create_directories(folder / "scratch/results");
  fs::create_directory_symlink(folder / "scratch/results", folder / "out");
  AtomicFolder out(folder / "out");
  EXPECT_EQ(out.temporary().parent_path(), fs::canonical(folder / "scratch"));
  write_text(out.temporary() / "a.txt", "a");
  out.commit();
  EXPECT_TRUE(fs::is_symlink(folder / "out"));
  EXPECT_EQ(read_text(folder / "out/a.txt"), "a");
}

// What a killed process left goes; what a living process or a user's file is stays.
TEST(RemoveStaleTemporaries, RemovesTheDeadAndKeepsTheLiving) {
  const TemporaryFolder folder;
  const pid_t child = ::fork();
  if (child == 0) {
    auto* file = new AtomicFile(folder / "a.txt");
    auto* out = new AtomicFolder(folder / "out");
    file->write("half");
    write_text(out->temporary() / "b.txt", "half");
    ::_exit(0);  // as if killed: no destructor runs
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(folder.entries(), 2u);
  const AtomicFile living(folder / "c.txt");
  write_text(folder / ".noema-tmp-notes", "a user's own");
  const fs::path foreign = folder / ".noema-tmp-00000000-1-0";
  const fs::path old_foreign = folder / ".noema-tmp-00000000-2-0";
  write_text(foreign, "");
  write_text(old_foreign, "");
  fs::last_write_time(old_foreign, fs::file_time_type::clock::now() - std::chrono::hours(25));
  EXPECT_EQ(remove_stale_temporaries(folder.path()), 3);
  EXPECT_TRUE(fs::exists(living.temporary()));
  EXPECT_TRUE(fs::exists(folder / ".noema-tmp-notes"));
  EXPECT_TRUE(fs::exists(foreign));
  EXPECT_FALSE(fs::exists(old_foreign));
  EXPECT_EQ(folder.entries(), 3u);
  EXPECT_THAT(error_of<IoError>([&] { remove_stale_temporaries(folder / "none"); }), HasSubstr("cannot be listed"));
}

}  // namespace
}  // namespace noema
