#include "runtime/base/tensor_file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <random>

#include "runtime/base/file.h"
#include "runtime/base/tensor.pb.h"

namespace shardwright {
namespace {

// Made by numpy 2.4: np.save of np.arange(1, 7, dtype='<i2').reshape(2, 3), in C and in Fortran order.
const std::string kNpyHeader = "', 'fortran_order': False, 'shape': (2, 3), }";

std::string npy(const std::string& dict, const std::string& data) {
  std::string padded = dict + "\n";
  std::string length{static_cast<char>(padded.size()), 0};
  return std::string("\x93NUMPY\x01\x00", 8) + length + padded + data;
}

TEST(Npy, reads_what_numpy_writes) {
  std::string data("\1\0\2\0\3\0\4\0\5\0\6\0", 12);
  StatusOr<HostTensor> c = npyFromBytes(npy("{'descr': '<i2" + kNpyHeader, data), "x.npy");
  ASSERT_TRUE(c.ok()) << c.status().message();
  EXPECT_EQ(c->dims, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(c->as<int16_t>()[3], 4);
  StatusOr<HostTensor> f =
      npyFromBytes(npy("{'descr': '<i2', 'fortran_order': True, 'shape': (2, 3), }", data), "x.npy");
  ASSERT_TRUE(f.ok());
  EXPECT_EQ(std::vector<int16_t>(f->as<int16_t>(), f->as<int16_t>() + 6), (std::vector<int16_t>{1, 3, 5, 2, 4, 6}));
}

TEST(Npy, refuses_what_it_cannot_hold) {
  std::string data(12, 'a');
  for (const std::string& bytes :
       {std::string("\x93NUMPY"), npy("{'descr': '>i2" + kNpyHeader, data), npy("{'descr': '<i4" + kNpyHeader, data),
        npy("{'descr': '|O8" + kNpyHeader, data), npy("{'descr': '<i2', 'shape': (2, 3), }", data),
        npy("{'descr': '<i2', 'fortran_order': False, 'shape': (2, 99999999999999999999), }", data),
        npy("{'descr': '<i2', 'fortran_order': False, 'shape': (4294967296, 4294967296), }", data)}) {
    StatusOr<HostTensor> read = npyFromBytes(bytes, "bad.npy");
    EXPECT_EQ(read.status().code(), StatusCode::kUserError);
    EXPECT_EQ(read.status().message().find("bad.npy: "), 0u);
  }
}

class EveryType : public testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("sw_tensor_" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  HostTensor sample() const {
    HostTensor tensor = HostTensor::make(static_cast<DType>(GetParam()), {3, 5});
    for (int64_t i = 0; i < tensor.sizeBytes(); ++i) tensor.bytes.get()[i] = static_cast<unsigned char>(7 * i + 1);
    return tensor;
  }
  static void expectSame(const HostTensor& a, const HostTensor& b) {
    EXPECT_EQ(a.dtype, b.dtype);
    EXPECT_EQ(a.dims, b.dims);
    EXPECT_EQ(std::memcmp(a.bytes.get(), b.bytes.get(), static_cast<size_t>(a.sizeBytes())), 0);
  }
  std::filesystem::path folder_;
};

TEST_P(EveryType, survives_a_protobuf_file) {
  HostTensor tensor = sample();
  std::string path = folder_ / "input_0.pb";
  ASSERT_TRUE(writeTensorProto(path, tensor, "x").ok());
  StatusOr<NamedTensor> read = readTensorProto(path);
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_EQ(read->name, "x");
  expectSame(read->tensor, tensor);
}

TEST_P(EveryType, survives_npy_or_is_refused_by_name) {
  HostTensor tensor = sample();
  std::string path = folder_ / "x.npy";
  Status written = writeNpy(path, tensor);
  if (!written.ok()) {
    EXPECT_NE(written.message().find(dtypeName(tensor.dtype)), std::string::npos);
    return;
  }
  StatusOr<HostTensor> read = readNpy(path);
  ASSERT_TRUE(read.ok()) << read.status().message();
  expectSame(*read, tensor);
}

TEST_P(EveryType, typed_fields_equal_raw_data) {
  HostTensor tensor = sample();
  wire::Tensor proto;
  ASSERT_TRUE(proto.ParseFromString(tensorToProto(tensor, "x")));
  proto.clear_raw_data();
  int bits = bitWidth(tensor.dtype);
  for (int64_t i = 0; i < tensor.sizeBytes() * 8 / std::max(bits, 8); ++i) {
    switch (tensor.dtype) {
      case DType::kFloat32:
        proto.add_float_data(tensor.as<float>()[i]);
        break;
      case DType::kComplex64:
        proto.add_float_data(tensor.as<float>()[2 * i]);
        proto.add_float_data(tensor.as<float>()[2 * i + 1]);
        break;
      case DType::kFloat64:
        proto.add_double_data(tensor.as<double>()[i]);
        break;
      case DType::kComplex128:
        proto.add_double_data(tensor.as<double>()[2 * i]);
        proto.add_double_data(tensor.as<double>()[2 * i + 1]);
        break;
      case DType::kInt64:
        proto.add_int64_data(tensor.as<int64_t>()[i]);
        break;
      case DType::kUint64:
        proto.add_uint64_data(tensor.as<uint64_t>()[i]);
        break;
      case DType::kUint32:
        proto.add_uint64_data(tensor.as<uint32_t>()[i]);
        break;
      case DType::kInt8:
        proto.add_int32_data(tensor.as<int8_t>()[i]);
        break;
      default:
        proto.add_int32_data(bits <= 8    ? tensor.as<uint8_t>()[i]
                             : bits == 16 ? tensor.as<uint16_t>()[i]
                                          : tensor.as<int32_t>()[i]);
    }
  }
  StatusOr<NamedTensor> read = tensorFromProto(proto.SerializeAsString(), "typed");
  ASSERT_TRUE(read.ok()) << read.status().message();
  expectSame(read->tensor, tensor);
}

INSTANTIATE_TEST_SUITE_P(tensor_file, EveryType,
                         testing::Values(1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23,
                                         24, 25, 26));

TEST(TensorProto, refuses_strings_external_data_and_wrong_sizes) {
  wire::Tensor proto;
  proto.add_dims(2);
  proto.set_data_type(8);
  EXPECT_NE(tensorFromProto(proto.SerializeAsString(), "a.pb").status().message().find("string"), std::string::npos);
  proto.set_data_type(1);
  proto.add_float_data(1.5f);
  EXPECT_NE(tensorFromProto(proto.SerializeAsString(), "a.pb").status().message().find("found 1"), std::string::npos);
  proto.set_data_location(1);
  EXPECT_NE(tensorFromProto(proto.SerializeAsString(), "a.pb").status().message().find("another file"),
            std::string::npos);
  proto.set_data_location(0);
  proto.set_dims(0, int64_t{1} << 50);
  EXPECT_EQ(tensorFromProto(proto.SerializeAsString(), "a.pb").status().code(), StatusCode::kUserError);
  proto.set_dims(0, -2);
  EXPECT_NE(tensorFromProto(proto.SerializeAsString(), "a.pb").status().message().find("-2"), std::string::npos);
}

TEST(TensorProto, an_empty_tensor_and_a_scalar_survive) {
  for (std::vector<int64_t> dims : {std::vector<int64_t>{3, 0}, std::vector<int64_t>{}}) {
    HostTensor tensor = HostTensor::make(DType::kInt64, dims);
    if (tensor.count() > 0) tensor.as<int64_t>()[0] = 42;
    StatusOr<NamedTensor> read = tensorFromProto(tensorToProto(tensor, ""), "x");
    ASSERT_TRUE(read.ok()) << read.status().message();
    EXPECT_EQ(read->tensor.dims, dims);
  }
}

// Damaged bytes are refused or read as something else, never a crash (run under the sanitizers).
TEST(TensorFile, damaged_bytes_never_crash_a_reader) {
  HostTensor tensor = HostTensor::make(DType::kFloat32, {2, 3});
  std::memset(tensor.bytes.get(), 3, 24);
  std::string proto = tensorToProto(tensor, "x"), array = npy("{'descr': '<i2" + kNpyHeader, std::string(12, 'a'));
  std::mt19937 random(7);
  for (const std::string& good : {proto, array})
    for (int i = 0; i < 3000; ++i) {
      std::string bad = good.substr(0, random() % (good.size() + 1));
      for (unsigned k = random() % 3; k > 0 && !bad.empty(); --k)
        bad[random() % bad.size()] = static_cast<char>(random());
      (void)tensorFromProto(bad, "bad").ok();
      (void)npyFromBytes(bad, "bad").ok();
    }
}

TEST(HostTensor, elements_of_every_kind_become_numbers) {
  unsigned char nibbles[] = {0x9f, 0x2b};
  EXPECT_EQ(elementAsDouble(DType::kUint4, nibbles, 0), 15);
  EXPECT_EQ(elementAsDouble(DType::kInt4, nibbles, 1), -7);
  EXPECT_EQ(elementAsDouble(DType::kInt2, nibbles, 4), -1);
  EXPECT_EQ(elementAsDouble(DType::kFloat4E2M1, nibbles, 3), 1.0);
  EXPECT_EQ(elementAsDouble(DType::kFloat4E2M1, nibbles, 0), -6.0);
  unsigned char eights[] = {0x7e, 0x7b, 0x7c, 0x80, 0x01};
  EXPECT_EQ(elementAsDouble(DType::kFloat8E4M3FN, eights, 0), 448);
  EXPECT_EQ(elementAsDouble(DType::kFloat8E5M2, eights, 1), 57344);
  EXPECT_EQ(elementAsDouble(DType::kFloat8E5M2, eights, 2), INFINITY);
  EXPECT_EQ(elementAsDouble(DType::kFloat8E4M3FN, eights, 4), 0x1p-9);
  EXPECT_TRUE(std::isnan(elementAsDouble(DType::kFloat8E4M3FNUZ, eights, 3)));
  EXPECT_EQ(elementAsDouble(DType::kFloat8E8M0, eights, 4), 0x1p-126);
}

}  // namespace
}  // namespace shardwright
