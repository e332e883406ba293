// The one eigenvector that Eigen-CAM needs, by power iteration on the smaller of the two Gram matrices.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/explain/cam.h"

namespace sepia::explain {
namespace {

constexpr int kMostIterations = 5000;
constexpr double kConverged = 1e-13;  // of the squared distance between two unit vectors

/// (n, n) matrix of the inner products of n vectors of `length`, vector i's element k at i * step + k * stride.
std::vector<double> gram(const std::vector<double>& matrix, std::size_t n, std::size_t length, std::size_t step, std::size_t stride) {
  std::vector<double> products(n * n);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j <= i; ++j) {
      double sum = 0;
      for (std::size_t k = 0; k < length; ++k) sum += matrix[i * step + k * stride] * matrix[j * step + k * stride];
      products[i * n + j] = products[j * n + i] = sum;
    }
  }
  return products;
}

double normalise(std::vector<double>& v) {
  const double norm = std::sqrt(std::inner_product(v.begin(), v.end(), v.begin(), 0.0));
  if (norm > 0) {
    for (double& x : v) x /= norm;
  }
  return norm;
}

/// The eigenvector of the largest eigenvalue of a positive semi-definite matrix, and that value; all zero for a zero matrix.
double dominant(const std::vector<double>& matrix, std::size_t n, std::vector<double>& v) {
  v.resize(n);
  // The column with the largest diagonal element is not orthogonal to the vector sought unless by malice.
  std::size_t start = 0;
  for (std::size_t i = 1; i < n; ++i) {
    if (matrix[i * n + i] > matrix[start * n + start]) start = i;
  }
  for (std::size_t i = 0; i < n; ++i) v[i] = matrix[i * n + start];
  double value = normalise(v);
  std::vector<double> next(n);
  for (int iteration = 0; iteration < kMostIterations && value > 0; ++iteration) {
    for (std::size_t i = 0; i < n; ++i) next[i] = std::inner_product(v.begin(), v.end(), matrix.begin() + static_cast<std::ptrdiff_t>(i * n), 0.0);
    value = normalise(next);
    double moved = 0;
    for (std::size_t i = 0; i < n; ++i) moved += (next[i] - v[i]) * (next[i] - v[i]);
    v.swap(next);
    if (moved < kConverged * kConverged) break;
  }
  return value;
}

}  // namespace

std::vector<double> first_principal_scores(std::vector<double> matrix, std::size_t rows, std::size_t columns) {
  std::vector<double> totals(rows), scores;
  for (std::size_t r = 0; r < rows; ++r) totals[r] = std::accumulate(matrix.begin() + static_cast<std::ptrdiff_t>(r * columns), matrix.begin() + static_cast<std::ptrdiff_t>((r + 1) * columns), 0.0);
  for (std::size_t c = 0; c < columns; ++c) {
    double mean = 0;
    for (std::size_t r = 0; r < rows; ++r) mean += matrix[r * columns + c] / static_cast<double>(rows);
    for (std::size_t r = 0; r < rows; ++r) matrix[r * columns + c] -= mean;
  }
  if (rows <= columns) {
    // Left singular vector u of X: the scores are sigma u, sigma^2 the eigenvalue of X X^T.
    const double value = dominant(gram(matrix, rows, columns, columns, 1), rows, scores);
    for (double& s : scores) s *= std::sqrt(std::max(value, 0.0));
  } else {
    std::vector<double> direction;
    dominant(gram(matrix, columns, rows, 1, columns), columns, direction);
    scores.resize(rows);
    for (std::size_t r = 0; r < rows; ++r) scores[r] = std::inner_product(direction.begin(), direction.end(), matrix.begin() + static_cast<std::ptrdiff_t>(r * columns), 0.0);
  }
  // Scores have mean zero, so that this is their covariance with the totals.
  if (std::inner_product(scores.begin(), scores.end(), totals.begin(), 0.0) < 0) {
    for (double& s : scores) s = -s;
  }
  return scores;
}

}  // namespace sepia::explain
