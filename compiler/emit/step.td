// The step dialect: the lowered form, a flat list of steps over values that are buffers or windows on buffers.

include "mlir/IR/OpBase.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Step_Dialect : Dialect {
  let name = "step";
  let cppNamespace = "::shardwright::step";
  let summary = "the lowered form: steps over buffers";
}

class Step_Op<string mnemonic, list<Trait> traits = []> : Op<Step_Dialect, mnemonic, traits>;

def Step_ViewOp : Step_Op<"view", [Pure]> {
  let summary = "a strided window on a value; no step";
  let description = [{
    Element (i…) of the result is element offset + Σ i·stride of `base`, in elements. `base` is never itself a view. The
    window's dims are the result's.
  }];
  let arguments = (ins AnyType:$base, AnyAttr:$offset, AnyAttr:$strides);
  let results = (outs AnyType:$result);
  let assemblyFormat = "$base attr-dict `:` type($base) `->` type($result)";
  let hasVerifier = 1;
}

def Step_CopyOp : Step_Op<"copy", [Pure]> {
  let summary = "a dense copy of a window";
  let arguments = (ins AnyType:$input);
  let results = (outs AnyType:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
}

def Step_ConcatOp : Step_Op<"concat", [Pure]> {
  let summary = "copies the inputs one behind the other along a dim of a new buffer";
  let arguments = (ins Variadic<AnyType>:$inputs, I64Attr:$axis);
  let results = (outs AnyType:$result);
  let assemblyFormat = "$inputs `axis` $axis attr-dict `:` type($inputs) `->` type($result)";
}

def Step_KernelOp : Step_Op<"kernel", [Pure]> {
  let summary = "a call of a kernel of runtime/kernels";
  let description = [{
    `attrs` are the kernel's typed attributes; a value that is #dist.exprs is evaluated at run time (a list of one where the
    name ends in no "s" is a number). `post_ops` is an array of [kind, operand index, params…]; a kernel that takes none has no
    such attribute. `result_views` says how the kernel sees its results, `dense_operands` (a bit set) which operands must lie
    densely. An absent operand has type none.
  }];
  let arguments = (ins Variadic<AnyType>:$inputs, StrAttr:$kernel, DictionaryAttr:$attrs,
                   OptionalAttr<ArrayAttr>:$post_ops);
  let results = (outs Variadic<AnyType>:$outputs);
  let assemblyFormat = "$kernel `(` $inputs `)` $attrs (`then` $post_ops^)? attr-dict `:` functional-type($inputs, $outputs)";
}

def Step_FusedOp : Step_Op<"fused", [RecursiveMemoryEffects, SingleBlock]> {
  let summary = "elementwise ops and reductions that become one generated loop nest";
  let description = [{
    The region's arguments are the inputs; its ops are onnx ops with a scalar or a reduction body; step.yield names the
    results. All ops share one space of loop dims: the largest shape among them; see passes/lower/fuse_loops.cc.
  }];
  let arguments = (ins Variadic<AnyType>:$inputs);
  let results = (outs Variadic<AnyType>:$outputs);
  let regions = (region SizedRegion<1>:$body);
}

def Step_WaitOp : Step_Op<"wait", [MemoryEffects<[MemWrite]>]> {
  let summary = "where a collective ends that stands further up and is only started there";
  let arguments = (ins AnyType:$value);
  let assemblyFormat = "$value attr-dict `:` type($value)";
}

def Step_YieldOp : Step_Op<"yield", [Pure, Terminator, HasParent<"FusedOp">]> {
  let arguments = (ins Variadic<AnyType>:$values);
  let assemblyFormat = "$values attr-dict `:` type($values)";
}
