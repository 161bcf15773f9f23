#include <elf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "tests/unit/compiler/codegen/reference.h"

namespace shardwright::testing {
namespace {

using ::testing::HasSubstr;

std::vector<float> randomFloats(int64_t count, unsigned seed, float low = -4, float high = 4) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> distribution(low, high);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = distribution(random);
  return values;
}

// Names of symbols in the dynamic table, undefined ones marked by '?'.
std::vector<std::string> dynamicSymbols(const std::string& object) {
  const auto* header = reinterpret_cast<const Elf64_Ehdr*>(object.data());
  const auto* sections = reinterpret_cast<const Elf64_Shdr*>(object.data() + header->e_shoff);
  std::vector<std::string> names;
  for (int i = 0; i < header->e_shnum; ++i) {
    if (sections[i].sh_type != SHT_DYNSYM) continue;
    const char* strings = object.data() + sections[sections[i].sh_link].sh_offset;
    const auto* symbols = reinterpret_cast<const Elf64_Sym*>(object.data() + sections[i].sh_offset);
    for (size_t s = 1; s < sections[i].sh_size / sizeof(Elf64_Sym); ++s) {
      names.push_back(std::string(symbols[s].st_shndx == SHN_UNDEF ? "?" : "") + (strings + symbols[s].st_name));
    }
  }
  return names;
}

class RowNests : public ::testing::TestWithParam<std::tuple<const char*, int>> {};

// Rows of every length around the vectors' widths, with gaps between rows that must stay as they were.
TEST_P(RowNests, softmax_and_layer_norm_equal_the_interpreter) {
  auto [cpu, columns] = GetParam();
  int64_t rows = 5, gap = 3, stride = columns + gap;
  std::vector<float> x = randomFloats(rows * stride, 1), gain = randomFloats(columns, 2),
                     bias = randomFloats(columns, 3);
  {
    LoopNest nest = softmaxNest();
    Compiled compiled = compileNest(nest, cpu);
    std::vector<float> found(x.size(), 7), expected(x.size(), 7);
    int64_t sizes[] = {rows, columns, stride, 1, stride, 1};
    void* a[] = {x.data(), found.data()};
    void* b[] = {x.data(), expected.data()};
    compiled.function(a, sizes, 0, rows);
    interpret(nest, b, sizes, 0, rows);
    for (size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(found[i], expected[i], 1e-6 * std::fabs(expected[i])) << i;
  }
  LoopNest nest = layerNormNest();
  Compiled compiled = compileNest(nest, cpu);
  std::vector<float> found(x.size(), 7), expected(x.size(), 7);
  int64_t sizes[] = {rows, columns, stride, 1, 0, 1, 0, 1, stride, 1, columns};
  void* a[] = {x.data(), gain.data(), bias.data(), found.data()};
  void* b[] = {x.data(), gain.data(), bias.data(), expected.data()};
  compiled.function(a, sizes, 0, rows);
  interpret(nest, b, sizes, 0, rows);
  for (size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(found[i], expected[i], 2e-5) << i;
}

INSTANTIATE_TEST_SUITE_P(Lengths, RowNests,
                         ::testing::Combine(::testing::Values("", "x86-64-v2", "x86-64-v3"),
                                            ::testing::Values(1, 2, 15, 16, 17, 31, 64, 65, 100, 197, 768)));

TEST(CompileLoops, bits_do_not_depend_on_how_the_outer_range_is_cut) {
  int64_t rows = 23, columns = 77;
  std::vector<float> x = randomFloats(rows * columns, 4);
  LoopNest nest = softmaxNest();
  Compiled compiled = compileNest(nest);
  int64_t sizes[] = {rows, columns, columns, 1, columns, 1};
  std::vector<float> whole(x.size()), cut(x.size());
  void* a[] = {x.data(), whole.data()};
  void* b[] = {x.data(), cut.data()};
  compiled.function(a, sizes, 0, rows);
  for (int64_t begin = 0, step = 1; begin < rows; begin += step, step = step % 5 + 1) {
    compiled.function(b, sizes, begin, std::min(rows, begin + step));
  }
  EXPECT_EQ(std::memcmp(whole.data(), cut.data(), whole.size() * sizeof(float)), 0);
}

TEST(CompileLoops, in_place_on_the_same_elements) {
  int64_t rows = 3, columns = 50;
  std::vector<float> x = randomFloats(rows * columns, 5), expected(x.size());
  LoopNest nest = softmaxNest();
  int64_t sizes[] = {rows, columns, columns, 1, columns, 1};
  void* apart[] = {x.data(), expected.data()};
  interpret(nest, apart, sizes, 0, rows);
  void* inPlace[] = {x.data(), x.data()};
  compileNest(nest).function(inPlace, sizes, 0, rows);
  for (size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(x[i], expected[i], 1e-6 * expected[i]);
}

TEST(CompileLoops, object_is_deterministic_exports_its_nests_and_needs_nothing) {
  std::vector<LoopNest> nests = {softmaxNest(), layerNormNest()};
  std::vector<std::string> names;
  for (ScalarOp op = ScalarOp::kNeg; op <= ScalarOp::kSigmoid; op = static_cast<ScalarOp>(static_cast<int>(op) + 1)) {
    for (DType type : {DType::kFloat32, DType::kFloat64, DType::kFloat16, DType::kBFloat16}) {
      nests.push_back(unaryNest("unary" + std::to_string(nests.size()), op, type, type));
    }
  }
  for (ScalarOp op : {ScalarOp::kFMod, ScalarOp::kPow, ScalarOp::kMod}) {
    nests.push_back(binaryNest("binary" + std::to_string(nests.size()), op, DType::kFloat32, DType::kFloat32));
    nests.push_back(binaryNest("binary" + std::to_string(nests.size()), op, DType::kInt64, DType::kInt64));
  }
  LoopNest copy = unaryNest("copies", ScalarOp::kNeg, DType::kFloat32, DType::kFloat32);
  copy.phases[0].stores[0].value = 0;
  nests.push_back(copy);
  for (const LoopNest& nest : nests) names.push_back(nest.name);
  for (const char* cpu : {"", "x86-64-v2", "x86-64-v4"}) {
    CpuTarget target = *CpuTarget::resolve(cpu);
    StatusOr<std::string> first = compileLoops(nests, target);
    ASSERT_TRUE(first.ok()) << cpu << first.status().message();
    EXPECT_TRUE(*cpu != 0 || *first == *compileLoops(nests, target));
    EXPECT_THAT(dynamicSymbols(*first), ::testing::UnorderedElementsAreArray(names));
  }
}

TEST(CompileLoops, wrong_nests_and_equal_names_are_internal_errors) {
  CpuTarget target = *CpuTarget::resolve("");
  LoopNest nest = softmaxNest();
  EXPECT_THAT(compileLoops({nest, nest}, target).status().message(), HasSubstr("two loop nests are named \"softmax\""));
  nest.phases[0].reductions[0].value = 9;
  EXPECT_EQ(compileLoops({nest}, target).status().code(), StatusCode::kInternal);
}

TEST(CompileLoops, nothing_to_compile_is_an_empty_object) {
  StatusOr<std::string> object = compileLoops({}, *CpuTarget::resolve(""));
  ASSERT_TRUE(object.ok()) << object.status().message();
  EXPECT_EQ(LoadedObject(*object).error(), "");
}

TEST(CpuTarget, features_are_those_of_the_cpu) {
  StatusOr<CpuTarget> v3 = CpuTarget::resolve("x86-64-v3");
  ASSERT_TRUE(v3.ok());
  EXPECT_THAT(v3->features, ::testing::Contains("avx2"));
  EXPECT_THAT(v3->features, ::testing::Not(::testing::Contains("avx512f")));
  EXPECT_TRUE(std::is_sorted(v3->features.begin(), v3->features.end()));
  EXPECT_FALSE(CpuTarget::resolve("")->cpu.empty());
}

TEST(CpuTarget, unknown_and_too_old_cpus_are_the_users_error) {
  StatusOr<CpuTarget> unknown = CpuTarget::resolve("pentium99");
  EXPECT_EQ(unknown.status().code(), StatusCode::kUserError);
  EXPECT_THAT(unknown.status().message(), HasSubstr("x86-64-v3"));
  StatusOr<CpuTarget> old = CpuTarget::resolve("x86-64");
  EXPECT_EQ(old.status().code(), StatusCode::kUserError);
  EXPECT_THAT(old.status().message(), HasSubstr("at least x86-64-v2"));
}

}  // namespace
}  // namespace shardwright::testing
