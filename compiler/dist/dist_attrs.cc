#include "compiler/dist/dist_attrs.h"

#include "compiler/dist/dist_dialect.h"
#include "mlir/IR/Diagnostics.h"

namespace shardwright {

// A storage's key is its contents. Meshes and shardings are keyed by their text, which says everything about them.
struct ExprsAttrStorage : public mlir::AttributeStorage {
  using KeyTy = std::vector<Expr>;
  explicit ExprsAttrStorage(KeyTy key) : exprs(std::move(key)) {}
  bool operator==(const KeyTy& key) const { return exprs == key; }
  static llvm::hash_code hashKey(const KeyTy& key) {
    llvm::hash_code hash(key.size());
    for (Expr e : key) hash = llvm::hash_combine(hash, e.node());
    return hash;
  }
  static ExprsAttrStorage* construct(mlir::AttributeStorageAllocator& allocator, KeyTy&& key) {
    return new (allocator.allocate<ExprsAttrStorage>()) ExprsAttrStorage(std::move(key));
  }
  std::vector<Expr> exprs;
};

struct MeshAttrStorage : public mlir::AttributeStorage {
  using KeyTy = std::pair<std::string, Mesh>;
  explicit MeshAttrStorage(KeyTy key) : text(std::move(key.first)), mesh(std::move(key.second)) {}
  bool operator==(const KeyTy& key) const { return text == key.first; }
  static llvm::hash_code hashKey(const KeyTy& key) { return llvm::hash_value(key.first); }
  static MeshAttrStorage* construct(mlir::AttributeStorageAllocator& allocator, KeyTy&& key) {
    return new (allocator.allocate<MeshAttrStorage>()) MeshAttrStorage(std::move(key));
  }
  std::string text;
  Mesh mesh;
};

struct ShardingAttrStorage : public mlir::AttributeStorage {
  struct KeyTy {
    MeshAttr mesh;
    std::string text;
    Sharding sharding;
  };
  explicit ShardingAttrStorage(KeyTy key) : contents(std::move(key)) {}
  bool operator==(const KeyTy& key) const { return contents.mesh == key.mesh && contents.text == key.text; }
  static llvm::hash_code hashKey(const KeyTy& key) { return llvm::hash_combine(key.mesh, key.text); }
  static ShardingAttrStorage* construct(mlir::AttributeStorageAllocator& allocator, KeyTy&& key) {
    return new (allocator.allocate<ShardingAttrStorage>()) ShardingAttrStorage(std::move(key));
  }
  KeyTy contents;
};

struct AxesAttrStorage : public mlir::AttributeStorage {
  using KeyTy = std::pair<MeshAttr, std::vector<SubAxis>>;
  explicit AxesAttrStorage(KeyTy key) : mesh(key.first), axes(std::move(key.second)) {}
  bool operator==(const KeyTy& key) const { return mesh == key.first && axes == key.second; }
  static llvm::hash_code hashKey(const KeyTy& key) {
    llvm::hash_code hash = mlir::hash_value(key.first);
    for (const SubAxis& sub : key.second) hash = llvm::hash_combine(hash, sub.axis, sub.pre, sub.size);
    return hash;
  }
  static AxesAttrStorage* construct(mlir::AttributeStorageAllocator& allocator, KeyTy&& key) {
    return new (allocator.allocate<AxesAttrStorage>()) AxesAttrStorage(std::move(key));
  }
  MeshAttr mesh;
  std::vector<SubAxis> axes;
};

// Here, where the storages are complete.
void dist::DistDialect::registerAttributes() { addAttributes<ExprsAttr, MeshAttr, ShardingAttr, AxesAttr>(); }

ExprsAttr ExprsAttr::get(mlir::MLIRContext* context, llvm::ArrayRef<Expr> exprs) {
  return Base::get(context, std::vector<Expr>(exprs.begin(), exprs.end()));
}
llvm::ArrayRef<Expr> ExprsAttr::exprs() const { return getImpl()->exprs; }

mlir::LogicalResult ExprsAttr::verifyEncoding(llvm::ArrayRef<int64_t> shape, mlir::Type,
                                              llvm::function_ref<mlir::InFlightDiagnostic()> emitError) const {
  if (exprs().size() != shape.size())
    return emitError() << "the encoding lists " << exprs().size() << " sizes, the type has " << shape.size() << " dims";
  for (size_t i = 0; i < shape.size(); ++i) {
    int64_t expected = exprs()[i].constant().value_or(mlir::ShapedType::kDynamic);
    if (shape[i] != expected)
      return emitError() << "dim " << i << ": the encoding says " << exprs()[i].str() << ", so the type must say "
                         << (mlir::ShapedType::isDynamic(expected) ? "?" : std::to_string(expected));
  }
  return mlir::success();
}

MeshAttr MeshAttr::get(mlir::MLIRContext* context, const Mesh& mesh) {
  return Base::get(context, std::make_pair(mesh.str(), mesh));
}
const Mesh& MeshAttr::mesh() const { return getImpl()->mesh; }

ShardingAttr ShardingAttr::get(mlir::MLIRContext* context, const Sharding& sharding, MeshAttr mesh) {
  return Base::get(context, ShardingAttrStorage::KeyTy{mesh, str(sharding, mesh.mesh()), sharding});
}
const Sharding& ShardingAttr::sharding() const { return getImpl()->contents.sharding; }
MeshAttr ShardingAttr::mesh() const { return getImpl()->contents.mesh; }

AxesAttr AxesAttr::get(mlir::MLIRContext* context, llvm::ArrayRef<SubAxis> axes, MeshAttr mesh) {
  return Base::get(context, std::make_pair(mesh, axes.vec()));
}
llvm::ArrayRef<SubAxis> AxesAttr::axes() const { return getImpl()->axes; }
MeshAttr AxesAttr::mesh() const { return getImpl()->mesh; }

mlir::Attribute shardingAttr(mlir::MLIRContext* context, const Sharding& s, const Mesh& mesh) {
  return ShardingAttr::get(context, s, MeshAttr::get(context, mesh));
}
const Sharding& shardingOf(mlir::Attribute attr) { return llvm::cast<ShardingAttr>(attr).sharding(); }
mlir::Attribute meshAttr(mlir::MLIRContext* context, const Mesh& mesh) { return MeshAttr::get(context, mesh); }
const Mesh& meshOf(mlir::Attribute attr) {
  if (auto sharding = llvm::dyn_cast<ShardingAttr>(attr)) return sharding.mesh().mesh();
  return llvm::cast<MeshAttr>(attr).mesh();
}

mlir::Attribute exprsAttr(mlir::MLIRContext* context, llvm::ArrayRef<Expr> exprs) {
  return ExprsAttr::get(context, exprs);
}
bool isExprsAttr(mlir::Attribute attr) { return llvm::isa_and_nonnull<ExprsAttr>(attr); }
llvm::ArrayRef<Expr> exprsOf(mlir::Attribute attr) { return llvm::cast<ExprsAttr>(attr).exprs(); }

}  // namespace shardwright
