#include "compiler/emit/constant_bytes.h"

#include "mlir/IR/BuiltinTypes.h"
#include "runtime/base/crc32c.h"

namespace shardwright {

void setInlineData(mlir::DenseElementsAttr value, plan::Constant& constant) {
  std::string bytes;
  auto append = [&](const llvm::APInt& bits) {
    unsigned size = (bits.getBitWidth() + 7) / 8;
    uint64_t word = bits.getZExtValue();
    for (unsigned i = 0; i < size; ++i) bytes.push_back(static_cast<char>(word >> (8 * i)));
  };
  if (mlir::isa<mlir::FloatType>(value.getElementType())) {
    for (const llvm::APFloat& number : value.getValues<llvm::APFloat>()) append(number.bitcastToAPInt());
  } else {
    for (const llvm::APInt& number : value.getValues<llvm::APInt>()) append(number);
  }
  constant.add_crc32c(crc32c(bytes.data(), bytes.size()));
  constant.set_inline_data(std::move(bytes));
}

}  // namespace shardwright
