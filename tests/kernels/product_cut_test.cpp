// How products are cut into panels of rows and groups of columns: every number of the result belongs to one piece, and few rows are cut by
// columns, so that no two threads read the same weights.
#include <gtest/gtest.h>

#include "kernels/cpu/weight_product.h"

namespace sepia::kernels::cpu {
namespace {

TEST(CpuProductCut, PiecesCoverTheResultOnceAndNoneIsEmpty) {
  for (const std::int64_t rows : {1, 7, 64, 100, 191, 192, 1000, 8192, 100352}) {
    for (const std::int64_t k : {1, 32, 728, 4096}) {
      for (const std::int64_t n : {1, 2, 64, 127, 128, 200, 728, 1000, 2048}) {
        for (const std::int64_t step : {1, 12, 37}) {
          const ProductCut cut(rows, k, n, step);
          SCOPED_TRACE(testing::Message() << rows << " rows of " << k << ", " << n << " columns, in steps of " << step);
          EXPECT_EQ(cut.panel % step, 0);
          EXPECT_EQ(cut.columns % packed_columns(), 0) << "a group begins with a block of packed columns";
          EXPECT_GE(cut.panels * cut.panel, rows);
          EXPECT_LT((cut.panels - 1) * cut.panel, rows);
          EXPECT_GE(cut.groups * cut.columns, n);
          EXPECT_LT((cut.groups - 1) * cut.columns, n);
        }
      }
    }
  }
}

TEST(CpuProductCut, FewRowsAreCutByColumnsAndManyByRows) {
  const ProductCut few(64, 728, 1024, 12), many(8192, 728, 1024, 12);
  EXPECT_EQ(few.panels, 1) << "each weight is read by one thread";
  EXPECT_GE(few.groups, 7) << "a piece of work for each of several threads";
  EXPECT_GE(many.panels, 8);
  EXPECT_EQ(many.groups, 1);
  EXPECT_EQ(ProductCut(64, 728, 300, 12).groups, 2) << "too few columns to leave the rows whole: panels of rows, cut once more";
}

}  // namespace
}  // namespace sepia::kernels::cpu
