#include "runtime/base/file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <random>

#include "runtime/base/crc32c.h"
#include "runtime/base/safetensors.h"

namespace shardwright {
namespace {

class Folder : public testing::Test {
 protected:
  Folder() {
    path_ = std::filesystem::temp_directory_path() /
            ("sw_file_" + std::to_string(::getpid()) + testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::create_directories(path_);
  }
  ~Folder() override { std::filesystem::remove_all(path_); }
  std::string at(const std::string& name) const { return path_ / name; }
  size_t numFiles() const {
    return static_cast<size_t>(
        std::distance(std::filesystem::directory_iterator(path_), std::filesystem::directory_iterator()));
  }
  std::filesystem::path path_;
};
using FileTest = Folder;
using SafetensorsTest = Folder;

TEST(Crc32c, equals_the_published_check_value_both_ways) {
  EXPECT_EQ(internal::crc32cPortable("123456789", 9, 0), 0xe3069283u);
  if (internal::hasHardwareCrc32c()) {
    EXPECT_EQ(internal::crc32cHardware("123456789", 9, 0), 0xe3069283u);
  }
  EXPECT_EQ(crc32c(""), 0u);
}

TEST(Crc32c, pieces_at_any_alignment_equal_the_whole) {
  std::string text;
  std::mt19937 random(3);
  for (int i = 0; i < 1000; ++i) text += static_cast<char>(random());
  uint32_t whole = internal::crc32cPortable(text.data(), text.size(), 0);
  for (size_t cut : {0u, 1u, 7u, 8u, 63u, 500u, 999u, 1000u})
    EXPECT_EQ(crc32c(text.data() + cut, text.size() - cut, crc32c(text.data(), cut)), whole);
}

TEST_F(FileTest, a_missing_file_is_the_users_and_names_itself) {
  Status status = readWholeFile(at("none")).status();
  EXPECT_EQ(status.code(), StatusCode::kUserError);
  EXPECT_NE(status.message().find(at("none")), std::string::npos);
  EXPECT_EQ(readWholeFile(path_).status().code(), StatusCode::kUserError);
}

TEST_F(FileTest, an_atomic_write_leaves_one_file) {
  ASSERT_TRUE(writeFileAtomically(at("a"), "old").ok());
  ASSERT_TRUE(writeFileAtomically(at("a"), "newer").ok());
  EXPECT_EQ(*readWholeFile(at("a")), "newer");
  EXPECT_EQ(numFiles(), 1u);
  StatusOr<File> file = File::openForReading(at("a"));
  char byte;
  EXPECT_NE(file->readAt(4, &byte, 2).message().find("truncated"), std::string::npos);
}

TEST_F(FileTest, a_folder_is_replaced_whole_or_not_at_all) {
  std::filesystem::create_directory(at("plan"));
  ASSERT_TRUE(writeFileAtomically(at("plan/old"), "1").ok());
  {
    StatusOr<FolderReplacement> dropped = FolderReplacement::begin(at("plan"));
    ASSERT_TRUE(dropped.ok()) << dropped.status().message();
    ASSERT_TRUE(writeFileAtomically(dropped->partPath() + "/half", "1").ok());
  }
  EXPECT_TRUE(std::filesystem::exists(at("plan/old")));
  EXPECT_EQ(numFiles(), 1u);
  StatusOr<FolderReplacement> kept = FolderReplacement::begin(at("plan/"));
  ASSERT_TRUE(writeFileAtomically(kept->partPath() + "/new", "1").ok());
  ASSERT_TRUE(kept->commit().ok());
  EXPECT_TRUE(std::filesystem::exists(at("plan/new")));
  EXPECT_FALSE(std::filesystem::exists(at("plan/old")));
  EXPECT_EQ(numFiles(), 1u);
  EXPECT_NE(FolderReplacement::begin(at("no/plan")).status().message().find("make it first"), std::string::npos);
  StatusOr<FolderReplacement> fresh = FolderReplacement::begin(at("other"));
  ASSERT_TRUE(fresh->commit().ok());
  EXPECT_EQ(numFiles(), 2u);
}

TEST_F(FileTest, free_space_is_found_for_a_path_that_is_not_there_yet) {
  StatusOr<int64_t> bytes = freeDiskBytes(at("not/yet/there"));
  ASSERT_TRUE(bytes.ok()) << bytes.status().message();
  EXPECT_GT(*bytes, 0);
}

std::string iota(int n) {
  std::string s;
  for (int i = 0; i < n; ++i) s += static_cast<char>(i * 3 + 1);
  return s;
}

TEST_F(SafetensorsTest, what_is_written_in_pieces_is_read_in_windows) {
  std::vector<SafetensorsDeclaration> tensors = {{"w", DType::kFloat16, {3, 5}},
                                                 {"none", DType::kFloat32, {0, 4}},
                                                 {"q", DType::kInt4, {7}},
                                                 {"b", DType::kBool, {2}}};
  std::string data = iota(30 + 4 + 2);
  {
    StatusOr<SafetensorsWriter> writer = SafetensorsWriter::create(at("w.safetensors"), tensors);
    ASSERT_TRUE(writer.ok());
    ASSERT_TRUE(writer->append(data.data(), 11).ok());
    ASSERT_TRUE(writer->append(data.data() + 11, 22).ok());
    EXPECT_EQ(writer->finish().code(), StatusCode::kInternal);
    ASSERT_TRUE(writer->append(data.data() + 33, 3).ok());
    EXPECT_EQ(writer->append("x", 1).code(), StatusCode::kInternal);
    ASSERT_TRUE(writer->finish().ok());
    EXPECT_EQ(writer->checksums(), (std::vector<uint32_t>{crc32c(data.substr(0, 30)), 0u, crc32c(data.substr(30, 4)),
                                                          crc32c(data.substr(34, 2))}));
  }
  EXPECT_EQ(numFiles(), 1u);
  StatusOr<SafetensorsFile> file = SafetensorsFile::open(at("w.safetensors"));
  ASSERT_TRUE(file.ok()) << file.status().message();
  EXPECT_EQ(*file->file().sizeBytes(), SafetensorsWriter::fileBytes(tensors));
  SafetensorsEntry w = *file->find("w"), q = *file->find("q");
  EXPECT_EQ(w.dims, (std::vector<int64_t>{3, 5}));
  EXPECT_EQ(w.offset % 64, 0);
  EXPECT_EQ(q.dtype, DType::kUint8);
  EXPECT_EQ(q.sizeBytes, 4);
  std::string window(10, '\0');
  ASSERT_TRUE(file->read(w, 10, window.data(), 10).ok());
  EXPECT_EQ(window, data.substr(10, 10));
  EXPECT_FALSE(file->read(w, 25, window.data(), 10).ok());
  EXPECT_NE(file->find("v").status().message().find("\"v\""), std::string::npos);
}

TEST_F(SafetensorsTest, an_unfinished_file_is_removed) {
  {
    ASSERT_TRUE(SafetensorsWriter::create(at("w"), {{"w", DType::kFloat32, {2}}}).ok());
  }
  EXPECT_EQ(numFiles(), 0u);
}

TEST_F(SafetensorsTest, every_lie_of_a_header_is_refused) {
  auto open = [&](const std::string& header, size_t data, uint64_t length) {
    std::string bytes;
    for (int i = 0; i < 8; ++i) bytes += static_cast<char>(length >> (8 * i));
    EXPECT_TRUE(writeFileAtomically(at("x"), bytes + header + std::string(data, 'd')).ok());
    return SafetensorsFile::open(at("x")).status();
  };
  std::string good = R"({"w":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}})";
  EXPECT_TRUE(open(good, 24, good.size()).ok());
  EXPECT_EQ(open(good, 23, good.size()).code(), StatusCode::kUserError);
  EXPECT_EQ(open(good, 24, good.size() + 25).code(), StatusCode::kUserError);
  EXPECT_EQ(open(good, 24, ~uint64_t{0}).code(), StatusCode::kUserError);
  EXPECT_EQ(open(good, 24, good.size() - 1).code(), StatusCode::kUserError);
  for (const char* entry : {R"({"dtype":"F32","shape":[2,4],"data_offsets":[0,24]})",
                            R"({"dtype":"F32","shape":[2,3],"data_offsets":[24,0]})",
                            R"({"dtype":"F32","shape":[-2,3],"data_offsets":[0,24]})",
                            R"({"dtype":"F32","shape":[2,3],"data_offsets":[0]})",
                            R"({"dtype":"F32","shape":[4294967296,4294967296,4294967296],"data_offsets":[0,24]})",
                            R"({"dtype":"F32"})", "7", R"({"dtype":"F32","shape":[2.5],"data_offsets":[0,24]})"}) {
    std::string header = std::string("{\"w\":") + entry + "}";
    Status status = open(header, 24, header.size());
    EXPECT_EQ(status.code(), StatusCode::kUserError) << entry;
    EXPECT_NE(status.message().find("\"w\""), std::string::npos) << status.message();
  }
}

TEST(WriteFileAtomically, what_is_no_file_is_written_to_and_stays) {
  Status full = writeFileAtomically("/dev/full", "text");
  EXPECT_EQ(full.code(), StatusCode::kEnvironment);
  EXPECT_NE(full.message().find("/dev/full: write: No space left"), std::string::npos) << full.message();
  EXPECT_TRUE(writeFileAtomically("/dev/null", "text").ok());
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/null"));
  EXPECT_EQ(writeFileAtomically(testing::TempDir(), "text").code(), StatusCode::kUserError);
}

}  // namespace
}  // namespace shardwright
