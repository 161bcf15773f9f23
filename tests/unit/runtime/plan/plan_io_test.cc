#include "runtime/plan/plan_io.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "runtime/base/crc32c.h"
#include "runtime/base/file.h"

namespace shardwright {
namespace {

plan::Plan samplePlan() {
  return *parsePlanText(
      "version: 1 producer: 'test' model: 'm.onnx' exprs: '0' exprs: '1' exprs: 'floordiv(batch, 2)' "
      "symbols { name: 'batch' min: 1 max: 9 divisor: 1 assumed: 3 } "
      "programs { name: 'main' steps { name: 's' kernel { kernel: 'copy' } } }");
}

TEST(PlanIo, every_flipped_bit_is_detected) {
  std::string bytes = serializePlan(samplePlan());
  ASSERT_TRUE(deserializePlan(bytes, "p").ok());
  for (size_t i = 0; i < bytes.size(); ++i)
    for (int bit = 0; bit < 8; ++bit) {
      std::string bad = bytes;
      bad[i] = static_cast<char>(bad[i] ^ (1 << bit));
      EXPECT_EQ(deserializePlan(bad, "p").status().code(), StatusCode::kUserError) << i << "." << bit;
    }
  for (size_t n = 0; n < bytes.size(); ++n) EXPECT_FALSE(deserializePlan(bytes.substr(0, n), "p").ok()) << n;
  EXPECT_FALSE(deserializePlan(bytes + '\0', "p").ok());
}

TEST(PlanIo, another_version_is_refused_with_both_numbers) {
  plan::Plan plan = samplePlan();
  plan.set_version(7);
  std::string message = deserializePlan(serializePlan(plan), "p").status().message();
  EXPECT_NE(message.find("version 7"), std::string::npos) << message;
  EXPECT_NE(message.find("version 1"), std::string::npos) << message;
}

TEST(PlanIo, write_read_write_is_byte_equal) {
  std::string bytes = serializePlan(samplePlan());
  EXPECT_EQ(serializePlan(*deserializePlan(bytes, "p")), bytes);
  EXPECT_EQ(serializePlan(*parsePlanText(printPlan(samplePlan()))), bytes);
}

TEST(PlanIo, text_errors_say_where) {
  std::string message = parsePlanText("version: 1\nprogram { }").status().message();
  EXPECT_NE(message.find("line 2"), std::string::npos) << message;
}

TEST(PlanIo, a_folder_is_whole_or_refused) {
  std::string folder = std::filesystem::temp_directory_path() / ("sw_plan_io_" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  EXPECT_FALSE(isPlanFolder(folder));
  EXPECT_EQ(loadPlan(folder).status().code(), StatusCode::kUserError);
  plan::Plan plan = samplePlan();
  plan::Section* section = plan.add_sections();
  section->set_file("code.so");
  section->set_bytes(6);
  section->set_crc32c(crc32c("native"));
  ASSERT_TRUE(savePlan(folder, plan).ok());
  EXPECT_TRUE(isPlanFolder(folder));
  EXPECT_NE(loadPlan(folder).status().message().find("code.so"), std::string::npos);
  ASSERT_TRUE(writeFileAtomically(folder + "/code.so", "nativ").ok());
  EXPECT_NE(loadPlan(folder).status().message().find("5 bytes"), std::string::npos);
  ASSERT_TRUE(writeFileAtomically(folder + "/code.so", "natiWe").ok());
  EXPECT_TRUE(loadPlan(folder).ok());
  EXPECT_NE(readSection(folder, *section).status().message().find("damaged"), std::string::npos);
  ASSERT_TRUE(writeFileAtomically(folder + "/code.so", "native").ok());
  EXPECT_EQ(*readSection(folder, *section), "native");
  EXPECT_EQ(serializePlan(*loadPlan(folder)), serializePlan(plan));
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace shardwright
