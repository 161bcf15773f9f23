// The rows' shape functions against ONNX's own shape inference, node by node, and their rules and kernels on the way.
#include "compiler/onnx/import.h"
#include "onnx/defs/parser.h"
#include "onnx/shape_inference/implementation.h"
#include "tests/unit/compiler/ops/onnx_fixture.h"

namespace shardwright {
namespace {

struct Sample {
  const char* inputs;  // of the graph, in ONNX's text form
  const char* nodes;
  int opset = 23;
  const char* results = "y";
};

const Sample kSamples[] = {
    {"float[3,1,5] a, float[4,5] b", "y = Add(a, b)"},
    {"float[3,4] a, float[1,4] b", "y = LessOrEqual(a, b)"},
    {"float[2,3,4] a, float[4,5] b", "y = MatMul(a, b)"},
    {"float[4] a, float[2,4,5] b", "y = MatMul(a, b)"},
    {"float[2,3,4] a, float[4,5,2] b", "y = Einsum<equation=\"bij,jkb->kbi\">(a, b)"},
    {"float[7,3,4] a, float[3,5] b", "y = Einsum<equation=\"...ij, ik\">(a, b)"},
    {"float[5,3] a, float[7,5] b, float[7] c", "y = Gemm<transA=1,transB=1>(a, b, c)"},
    {"float[2,3,4] a", "s = Constant<value_ints=[0,-1,2]>() y = Reshape(a, s)"},
    {"float[2,3,4] a", "y = Flatten<axis=2>(a)"},
    {"float[2,1,4,1] a", "x = Constant<value_ints=[-1]>() y = Squeeze(a, x)"},
    {"float[2,4] a", "x = Constant<value_ints=[0,-1]>() y = Unsqueeze(a, x)"},
    {"float[2,3,4] a", "y = Transpose<perm=[2,0,1]>(a)"},
    {"float[2,3,4] a", "y = Transpose(a)"},
    {"float[2,3,4] a", "y = Shape<start=1>(a)"},
    {"float[3,1] a", "s = Constant<value_ints=[2,1,6]>() y = Expand(a, s)"},
    {"float[3,2] a", "s = Constant<value_ints=[2,5]>() y = Tile(a, s)"},
    {"float[3,2] a, float[3,7] b", "y = Concat<axis=-1>(a, b)"},
    {"float[3,10] a",
     "b = Constant<value_ints=[-1,1]>() e = Constant<value_ints=[-9,3]>() x = Constant<value_ints=[1,0]>()"
     " t = Constant<value_ints=[-3,1]>() y = Slice(a, b, e, x, t)"},
    {"float[3,10] a", "y, z = Split<axis=1,num_outputs=2>(a)", 23, "y, float z"},
    {"float[7] a", "y, z, w = Split<num_outputs=3>(a)", 23, "y, float z, float w"},
    {"float[3,10] a",
     "p = Constant<value_ints=[1,-2]>() c = Constant<value_float=0.0>() x = Constant<value_ints=[1]>() y = Pad(a, p, "
     "c, x)"},
    {"float[2,12,3,5] a", "y = DepthToSpace<blocksize=2>(a)"},
    {"float[2,3,4,6] a", "y = SpaceToDepth<blocksize=2>(a)"},
    {"float[5,4] a, int64[2,3] i", "y = Gather<axis=1>(a, i)"},
    {"float[5,4] a, int64[2,4] i", "y = GatherElements<axis=0>(a, i)"},
    {"float[5,4,6] a, int64[5,3,1] i", "y = GatherND<batch_dims=1>(a, i)"},
    {"float[5,4] a, int64[2,3] i, float[2,3] u", "y = ScatterElements<axis=1>(a, i, u)"},
    {"float[5,4,6] a, int64[3,2] i, float[3,6] u", "y = ScatterND(a, i, u)"},
    {"float[5,4] a", "k = Constant<value_ints=[3]>() y, i = TopK<axis=0>(a, k)", 23, "y, int64 i"},
    {"float[5,4] a", "y = ArgMax<axis=1,keepdims=0>(a)"},
    {"float[5,4] a", "x = Constant<value_int=1>() y = CumSum(a, x)"},
    {"float[5,4,3] a", "x = Constant<value_ints=[0,-1]>() y = ReduceMax<keepdims=0>(a, x)"},
    {"float[5,4,3] a", "y = ReduceMean<axes=[1]>(a)", 13},
    {"float[5,4,3] a", "y = ReduceLogSumExp(a)"},
    {"float[5,4,3] a", "y = Softmax<axis=1>(a)"},
    {"float[5,4,3] a, float[4,3] s", "y, m, d = LayerNormalization<axis=1>(a, s)", 23, "y, float m, float d"},
    {"float[5,4,3] a, float[4] s", "y = InstanceNormalization(a, s, s)"},
    {"float[5,4,3] a, float[4] s", "y = BatchNormalization(a, s, s, s, s)"},
    {"float[2,6,11,9] a, float[4,3,3,2] w, float[4] b",
     "y = Conv<group=2,strides=[2,3],pads=[1,0,2,1],dilations=[2,1]>(a, w, b)"},
    {"float[2,6,11,9] a, float[4,6,3,2] w", "y = Conv<auto_pad=\"SAME_LOWER\",strides=[2,3]>(a, w)"},
    {"float[2,6,11,9] a", "y = MaxPool<kernel_shape=[3,2],strides=[2,2],ceil_mode=1,pads=[1,0,1,1]>(a)"},
    {"float[2,6,11] a", "y = AveragePool<kernel_shape=[3],strides=[2]>(a)"},
    {"float[2,6,11] a", "y = GlobalAveragePool(a)"},
    {"float[2,6,11] a", "y = GlobalLpPool<p = 3>(a)"},
    {"float[2,6,5,8] q, float[2,3,7,8] k, float[2,3,7,4] v, float[2,3,2,8] p, float[2,3,2,4] r",
     "y, c, d = Attention(q, k, v, , p, r)", 23, "y, float c, float d"},
    {"float[2,5,24] q, float[2,7,24] k, float[2,7,12] v", "y = Attention<q_num_heads=6,kv_num_heads=6>(q, k, v)"},
    {"float[2,6,5,8] a, float[2,5,4] c", "y = RotaryEmbedding(a, c, c)"},
    {"int64[5,4] i", "d = Constant<value_int=9>() v = Constant<value_floats=[0.0,1.0]>() y = OneHot<axis=1>(i, d, v)"},
    {"bool[5,1] c, float[4] a, float[5,4] b", "y = Where(c, a, b)"},
    {"float[5,4] a", "y = Cast<to=10>(a)"},
    {"float[5,4] a", "y = Trilu<upper=0>(a)"},
    {"float[5,4] a", "y = EyeLike<dtype=7>(a)"},
};

void PrintTo(const Sample& sample, std::ostream* stream) { *stream << sample.nodes; }

class OnnxInferenceTest : public OnnxTest, public testing::WithParamInterface<Sample> {};

std::string dimsOfOnnx(const onnx::ValueInfoProto& info) {
  Exprs dims;
  for (const auto& dim : info.type().tensor_type().shape().dim()) dims.push_back(Expr(dim.dim_value()));
  return std::string(dtypeName(static_cast<DType>(info.type().tensor_type().elem_type()))) + str(dims);
}

TEST_P(OnnxInferenceTest, agrees) {
  const Sample& sample = GetParam();
  const std::string text = "<ir_version: 10, opset_import: [\"\" : " + std::to_string(sample.opset) + "]> g (" +
                           sample.inputs + ") => (float " + sample.results + ") { " + sample.nodes + " }";
  onnx::ModelProto proto;
  const auto status = onnx::OnnxParser::Parse(proto, text.c_str());
  ASSERT_TRUE(status.IsOK()) << status.ErrorMessage() << text;
  for (auto& output : *proto.mutable_graph()->mutable_output()) output.clear_type();
  onnx::ModelProto inferred = proto;
  onnx::shape_inference::InferShapes(inferred, onnx::OpSchemaRegistry::Instance(),
                                     onnx::ShapeInferenceOptions(true, 1, true));
  auto file = checkModel(std::move(inferred), "sample.onnx");
  ASSERT_TRUE(file.ok()) << file.status().message();
  std::vector<std::string> expected;
  for (const auto& output : file->proto.graph().output()) expected.push_back(dimsOfOnnx(output));
  auto imported = importModel(&context, *file, {});
  ASSERT_TRUE(imported.ok()) << imported.status().message();
  mlir::Operation* last = nullptr;
  (*imported)->walk([&](mlir::Operation* op) {
    const Row* row = rowOf(op);
    if (!row) return;
    if (row->upgrade) {
      ASSERT_TRUE(row->upgrade(op, sample.opset, builder).ok());
    }
    llvm::SmallVector<TensorShape> shapes;
    const Status ok = inferResults(OpView(op, facts), *row, shapes);
    ASSERT_TRUE(ok.ok()) << ok.message();
    for (size_t i = 0; i < shapes.size(); ++i)
      op->getResult(i).setType(tensorType(&context, shapes[i].dims, shapes[i].dtype));
    last = op;
  });
  ASSERT_TRUE(last);
  std::vector<std::string> found;
  for (mlir::Value result : last->getResults())
    found.push_back(std::string(dtypeName(dtypeOf(result.getType()))) + dimsText(result));
  EXPECT_EQ(found, expected) << sample.nodes;
  EXPECT_EQ(rule(last).find("internal"), std::string::npos) << rule(last);
  if (const auto* body = std::get_if<KernelBody>(&rowOf(last)->lowering)) {
    EXPECT_FALSE(body->call(OpView(last, facts)).kernel.empty());
  }
}

INSTANTIATE_TEST_SUITE_P(Samples, OnnxInferenceTest, testing::ValuesIn(kSamples));

}  // namespace
}  // namespace shardwright
