#include "tests/ops/rule_samples.h"

namespace shardwright {

const std::vector<RuleSample>& ruleSamples() {
  static const std::vector<RuleSample> kSamples = {
      {"unary", "float[7,3] x", "y = Neg(x) z = Relu(y) w = Identity(z) v = Cast<to=7>(w)"},
      {"functions", "float[5,7] x", "y = Exp(x) z = Gelu(x) w = Sigmoid(x) v = Tanh(x)"},
      {"broadcast", "float[7,1,5] x, float[3,5] y",
       "a = Add(x, y) s = Sub(x, y) m = Mul(x, y) d = Div(x, y) p = Max(x, y)"},
      {"variadic", "float[7,5] x, float[5] y, float[7,1] z", "a = Sum(x, y, z) b = Mean(x, y, z) c = Min(x, y, z)"},
      {"compare", "float[7,5] x, float[5] y, bool[7,1] c",
       "a = LessOrEqual(x, y) b = Where(c, x, y) d = Clip(x) e = Not(c)"},
      {"matmul", "float[3,7,5] a, float[5,6] b", "y = MatMul(a, b)"},
      {"matmul_batches", "float[3,1,7,5] a, float[4,5,6] b", "y = MatMul(a, b)"},
      {"matmul_vectors", "float[5] a, float[3,5,6] b, float[6] c",
       "y = MatMul(a, b) z = MatMul(b, c) w = MatMul(a, a)"},
      {"gemm", "float[5,7] a, float[6,5] b, float[6] c", "y = Gemm<transA=1,transB=1,alpha=2.0>(a, b, c)"},
      {"reshape_heads", "float[6,35] x", "s = Constant<value_ints=[2,3,5,7]>() y = Reshape(x, s)"},
      {"reshape_merge", "float[3,5,4,2] x", "s = Constant<value_ints=[15,8]>() y = Reshape(x, s)"},
      {"reshape_across", "float[6,4,5] x", "s = Constant<value_ints=[3,8,5]>() y = Reshape(x, s)"},
      {"flatten", "float[3,5,4] x", "y = Flatten<axis=2>(x)"},
      {"squeeze", "float[7,1,5] x", "a = Constant<value_ints=[1]>() y = Squeeze(x, a) z = Unsqueeze(x, a)"},
      {"transpose", "float[7,3,5] x", "y = Transpose<perm=[2,0,1]>(x)"},
      {"transposed_reshape", "float[7,6,5] x",
       "t = Transpose<perm=[1,0,2]>(x) s = Constant<value_ints=[2,3,35]>() y = Reshape(t, s)"},
      {"expand", "float[7,1,3] x", "s = Constant<value_ints=[2,7,5,3]>() y = Expand(x, s)"},
      {"tile", "float[7,3] x", "s = Constant<value_ints=[2,3]>() y = Tile(x, s)"},
      {"concat", "float[7,3,5] x, float[7,4,5] y", "z = Concat<axis=1>(x, y)"},
      {"split_equal", "float[7,12] x", "y, z, w = Split<axis=1,num_outputs=3>(x)"},
      {"split_uneven", "float[7,12] x", "s = Constant<value_ints=[5,7]>() y, z = Split<axis=1>(x, s)"},
      {"slice", "float[7,11] x",
       "b = Constant<value_ints=[-2]>() e = Constant<value_ints=[-9]>() a = Constant<value_ints=[1]>() t = "
       "Constant<value_ints=[-3]>()"
       " y = Slice(x, b, e, a, t)"},
      {"pad", "float[7,5] x",
       "p = Constant<value_ints=[2,-1]>() c = Constant<value_float=9.0>() a = Constant<value_ints=[1]>() y = Pad(x, p, "
       "c, a)"},
      {"range", "float[9] x",
       "b = Constant<value_int=3>() e = Constant<value_int=21>() d = Constant<value_int=2>() r = Range(b, e, d)"
       " f = Cast<to=1>(r) y = Add(f, x)"},
      {"constant_of_shape", "float[7,5] x", "s = Constant<value_ints=[7,5]>() c = ConstantOfShape(s) y = Add(c, x)"},
      {"trilu", "float[3,7,5] x", "y = Trilu<upper=0>(x)"},
      {"one_hot", "int64[7,3] i",
       "d = Constant<value_int=5>() v = Constant<value_floats=[2.0,3.0]>() y = OneHot<axis=1>(i, d, v)", "below 5"},
      {"depth_to_space", "float[3,12,5,7] x", "y = DepthToSpace<blocksize=2>(x)"},
      {"gather", "float[11,3] x, int64[7,2] i", "y = Gather(x, i)", "int below 11"},
      {"gather_inner", "float[5,11,3] x, int32[7] i", "y = Gather<axis=1>(x, i)", "int below 11"},
      {"gather_constant", "float[5,11,3] x", "i = Constant<value_int=-2>() y = Gather<axis=1>(x, i)"},
      {"gather_elements", "float[5,7] x, int64[4,7] i", "y = GatherElements<axis=0>(x, i)", "int below 5"},
      {"gather_nd", "float[5,7,3] x, int64[5,4,1] i, int64[6,2] j",
       "y = GatherND<batch_dims=1>(x, i) z = GatherND(x, j)", "int below 7 below 5"},
      {"scatter_elements", "float[5,7] x, int64[5,1] i, float[5,1] u", "y = ScatterElements<axis=1>(x, i, u)",
       "int below 7"},
      {"scatter_nd", "float[7,5] x, int64[1,1] i, float[1,5] u",
       "y = ScatterND(x, i, u) z = ScatterND<reduction=\"add\">(x, i, u)", "int below 7"},
      {"reductions", "float[7,3,5] x",
       "a = Constant<value_ints=[1,2]>() s = ReduceSum(x, a) m = ReduceMean<keepdims=0>(x, a) h = ReduceMax(x, a) l = "
       "ReduceMin(x, a)"
       " o = ReduceL1(x, a) q = ReduceSumSquare(x, a)"},
      {"reduce_prod", "float[7,3] x", "a = Constant<value_ints=[0]>() p = ReduceProd(x, a)"},
      {"composite_reductions", "float[7,5] x",
       "a = Constant<value_ints=[0]>() y = ReduceL2(x, a) z = ReduceLogSumExp(x, a) w = ReduceLogSum(x, a)",
       "positive"},
      {"order", "float[7,5] x",
       "k = Constant<value_ints=[3]>() v, i = TopK(x, k) a = ArgMax<axis=1>(x) b = ArgMin<axis=0,keepdims=0>(x)"
       " c = Constant<value_int=1>() s = CumSum(x, c)"},
      {"softmax", "float[7,3,5] x", "y = Softmax<axis=1>(x) z = LogSoftmax(x)"},
      {"layer_norm", "float[7,3,5] x, float[5] s, float[5] b", "y, m, d = LayerNormalization(x, s, b)"},
      {"rms_norm", "float[7,5] x, float[5] s", "y = RMSNormalization(x, s)"},
      {"channel_norms", "float[3,6,5,2] x, float[6] s, float[6] b, float[6] m, float[6] v",
       "y = BatchNormalization(x, s, b, m, v) z = InstanceNormalization(x, s, b) g = "
       "GroupNormalization<num_groups=3>(x, s, b)",
       "int int int int positive"},
      {"other_norms", "float[7,5,3,2] x", "y = LpNormalization<axis=1>(x) z = MeanVarianceNormalization(x)"},
      {"conv", "float[3,5,9,7] x, float[7,5,3,2] w", "y = Conv<strides=[2,1],pads=[1,0,1,1]>(x, w)"},
      {"conv_bias", "float[3,4,9] x, float[6,2,3] w, float[6] b", "y = Conv<group=2>(x, w, b)"},
      {"depthwise", "float[3,5,9,7] x, float[5,1,3,3] w", "y = Conv<group=5>(x, w)"},
      {"pools", "float[3,5,9,7] x",
       "y = MaxPool<kernel_shape=[3,2],strides=[2,2]>(x) z = AveragePool<kernel_shape=[2,2]>(x) g = "
       "GlobalAveragePool(x)"},
      {"attention", "float[3,4,5,6] q, float[3,2,7,6] k, float[3,2,7,5] v, bool[5,7] m", "y = Attention(q, k, v, m)",
       "unit unit"},
      {"rotary", "float[3,5,7,6] x, float[9,3] c, float[9,3] s, int64[3,7] p", "y = RotaryEmbedding(x, c, s, p)",
       "int unit unit below 9"},
      {"half", "float16[7,5] x, float16[5,3] w",
       "y = MatMul(x, w) s = Softmax(y) a = Constant<value_ints=[0]>() r = ReduceMean(x, a)"},
  };
  return kSamples;
}

}  // namespace shardwright
