#include "engine/base/sha256.h"

#include <openssl/evp.h>

#include <array>

#include "engine/base/error.h"

namespace sepia {

namespace {

void check_openssl(int status) {
  if (status != 1) fail(ErrorKind::kInternal, "OpenSSL could not compute a SHA-256 (is the library crippled by a local policy?)");
}

}  // namespace

struct Sha256::Context {
  Context() : state(EVP_MD_CTX_new()) { check_openssl(state != nullptr && EVP_DigestInit_ex(state, EVP_sha256(), nullptr) == 1); }
  ~Context() { EVP_MD_CTX_free(state); }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  EVP_MD_CTX* state;
};

Sha256::Sha256() : context_(std::make_unique<Context>()) {}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(std::span<const std::byte> bytes) { check_openssl(EVP_DigestUpdate(context_->state, bytes.data(), bytes.size())); }

std::string Sha256::hex() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned length = 0;
  check_openssl(EVP_DigestFinal_ex(context_->state, digest.data(), &length));
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(2 * length);
  for (unsigned i = 0; i < length; ++i) {
    text += kDigits[digest[i] >> 4];
    text += kDigits[digest[i] & 15];
  }
  return text;
}

std::string sha256_hex(std::span<const std::byte> bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.hex();
}

}  // namespace sepia
