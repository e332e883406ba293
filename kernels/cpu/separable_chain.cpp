// Separable convolutions in a chain (kernels/separable_chain.h) on the CPU: each picture's rows are cut into bands by shape, in every stage, and a
// band may be made when those that its windows reach into are there. Threads have bands of their own, the same part of the picture in every
// stage, take them stage after stage, and help each other where they would have to wait. One picture of xception loses a twentieth of its
// time to threads that wait for each other at the end of 34 convolutions; in a chain they hardly meet.
//
// A band is made by the parts of separable_conv.cpp and gives the same bits, whoever makes it and when.
// Cost: as the kernels one after the other, but for the residual, which is added while the band is in the cache.
#include "kernels/separable_chain.h"

#include <hwy/cache_control.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <optional>
#include <thread>

#include "engine/base/parallel_for.h"
#include "kernels/cpu/depthwise_rows.h"
#include "kernels/cpu/kernels.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/weight_product.h"
#include "kernels/cpu/windows.h"

namespace sepia::kernels::cpu {
namespace {

/// How the rows of a picture are cut in one stage.
struct Bands {
  explicit Bands(const DepthwiseConvShape& s, const ProductCut& cut)
      : height(s.out_height()), rows(std::clamp<std::int64_t>(cut.panel / s.out_width(), 1, height)), count(pieces_of(height, rows)) {}

  std::int64_t height, rows, count;
};

template <class T>
ProductCut cut_of(const SeparableConvForward<T>& args) {
  const DepthwiseConvShape& s = args.shape;
  return ProductCut(s.batch * s.out_height() * s.out_width(), s.channels, args.out_features, s.out_width());
}

/// Whether the product of this stage goes by bands of rows.
template <class T>
bool goes_by_rows(const SeparableConvForward<T>& args) {
  const DepthwiseConvShape& s = args.shape;
  return s.batch * s.out_height() * s.out_width() >= kFewestPackedRows && cut_of(args).groups == 1;
}

template <class T>
struct Stage {
  explicit Stage(const SeparableConvForward<T>& arguments)
      : args(arguments),
        bands(args.shape, cut_of(args)),
        vertical{args.shape.height, args.shape.out_height(), args.shape.kernel_h, args.shape.stride, args.shape.padding},
        depthwise{args.shape, args.x, args.prologue, args.depthwise_weight, args.depthwise_bias, nullptr},
        product({args.pointwise_weight, args.shape.channels, args.out_features, true}) {}

  const SeparableConvForward<T>& args;
  Bands bands;
  WindowAxis vertical;
  DepthwiseConvForward<T> depthwise;
  WeightProduct<T> product;
  std::int64_t first_band = 0;  // its bands' place among those of a picture
};

/// A band of a picture in a stage.
struct Piece {
  std::int64_t picture, stage, band;
};

template <class T>
class Chain {
 public:
  Chain(const LaunchContext& context, const SeparableChainForward<T>& args) : context_(context), args_(args), pictures_(args.stages[0].shape.batch) {
    for (std::int64_t i = 0; i < args.count; ++i) {
      Stage<T>& stage = stages_[static_cast<std::size_t>(i)].emplace(args.stages[i]);
      stage.first_band = bands_;
      bands_ += stage.bands.count;
    }
    done_ = reinterpret_cast<std::uint32_t*>(scratch(Scratch::kPartials, pictures_ * bands_));
    std::fill_n(done_, pictures_ * bands_, 0U);
    shares_ = std::min<std::int64_t>(num_threads(), kMostShares);
  }

  void run() {
    parallel_for(shares_, [&](std::int64_t share) {
      try {
        work(share);
      } catch (...) {
        failed_.store(true);
        throw;
      }
    });
  }

 private:
  static constexpr std::int64_t kMostShares = 64;
  struct alignas(64) Next {
    std::atomic<std::int64_t> piece{0};
  };

  const Stage<T>& stage(std::int64_t i) const { return *stages_[static_cast<std::size_t>(i)]; }
  std::atomic_ref<std::uint32_t> done(const Piece& p) { return std::atomic_ref(done_[p.picture * bands_ + stage(p.stage).first_band + p.band]); }

  // With a picture for every thread a share is whole pictures, else a part of the bands of each.
  std::optional<Piece> piece_of(std::int64_t share, std::int64_t index) const {
    const bool whole = pictures_ >= shares_;
    const std::int64_t first_picture = whole ? pictures_ * share / shares_ : 0, last_picture = whole ? pictures_ * (share + 1) / shares_ : pictures_;
    const auto begin = [&](std::int64_t s) { return whole ? 0 : stage(s).bands.count * share / shares_; };
    const auto count = [&](std::int64_t s) { return whole ? stage(s).bands.count : stage(s).bands.count * (share + 1) / shares_ - begin(s); };
    std::int64_t of_picture = 0;
    for (std::int64_t s = 0; s < args_.count; ++s) of_picture += count(s);
    if (index >= of_picture * (last_picture - first_picture)) return std::nullopt;
    std::int64_t s = 0, rest = index % of_picture;
    for (; rest >= count(s); ++s) rest -= count(s);
    return Piece{first_picture + index / of_picture, s, begin(s) + rest};
  }

  bool ready(const Piece& p) {
    if (p.stage == 0) return true;
    const Stage<T>& s = stage(p.stage);
    const Bands& before = stage(p.stage - 1).bands;
    const std::int64_t begin = p.band * s.bands.rows, end = std::min(s.bands.height, begin + s.bands.rows);
    const Range rows = s.vertical.inputs_of(begin, end);
    for (std::int64_t band = rows.begin / before.rows; band * before.rows < rows.end; ++band) {
      if (done({p.picture, p.stage - 1, band}).load(std::memory_order_acquire) == 0) return false;
    }
    return true;
  }

  void make(const Piece& p) {
    const Stage<T>& s = stage(p.stage);
    const std::int64_t width = s.args.shape.out_width(), channels = s.args.shape.channels, out = s.args.out_features;
    const std::int64_t begin = p.band * s.bands.rows, end = std::min(s.bands.height, begin + s.bands.rows), rows = (end - begin) * width;
    const std::int64_t at = (p.picture * s.bands.height + begin) * width * out;
    T* panel = scratch_of<T>(Scratch::kPanel, rows * channels);
    depthwise_conv_rows(s.depthwise, p.picture, begin, end, panel);
    T* const y = s.args.y + at;
    s.product.run(rows, panel, 0, out, s.args.pointwise_bias, y, out);
    if (args_.residual && p.stage + 1 == args_.count) {
      add_forward(context_, AddForward<T>{rows, out, y, args_.prologue, args_.residual + at, args_.residual_prologue, y});
    }
    done(p).store(1, std::memory_order_release);
  }

  enum class Outcome { kMade, kMustWait, kNothingLeft };
  Outcome take_from(std::int64_t share) {
    std::atomic<std::int64_t>& next = next_[static_cast<std::size_t>(share)].piece;
    std::int64_t index = next.load(std::memory_order_relaxed);
    for (;;) {
      const std::optional<Piece> piece = piece_of(share, index);
      if (!piece) return Outcome::kNothingLeft;
      if (!ready(*piece)) return Outcome::kMustWait;
      if (next.compare_exchange_weak(index, index + 1, std::memory_order_relaxed)) {
        make(*piece);
        return Outcome::kMade;
      }
    }
  }

  // A thread's own share first, the others' where it would wait, until all pieces are taken. The earliest piece that nobody has taken is always
  // ready as soon as those in hand are done: nobody waits for ever.
  void work(std::int64_t own) {
    constexpr int kPauses = 4096;  // some ten microseconds, then others may have the processor
    for (int waited = 0; !failed_.load(std::memory_order_relaxed);) {
      bool left = false, made = false;
      for (std::int64_t turn = 0; turn < shares_ && !made; ++turn) {
        const Outcome outcome = take_from((own + turn) % shares_);
        made = outcome == Outcome::kMade;
        left = left || outcome != Outcome::kNothingLeft;
      }
      if (!left) return;
      if (made) waited = 0;
      else if (++waited % kPauses == 0) std::this_thread::yield();
      else hwy::Pause();
    }
  }

  const LaunchContext& context_;
  const SeparableChainForward<T>& args_;
  std::array<std::optional<Stage<T>>, kMostSeparableStages> stages_;
  std::int64_t pictures_, bands_ = 0, shares_ = 1;  // bands of a picture in all stages
  std::uint32_t* done_;                             // a flag for each band of each picture
  std::array<Next, kMostShares> next_;
  std::atomic<bool> failed_{false};
};

template <class T>
void forward(const LaunchContext& context, const SeparableChainForward<T>& args) {
  const SeparableConvForward<T>* const end = args.stages + args.count;
  // The stages' packed weights are needed at the same time, which only held ones can be.
  if (weights_are_held() && std::all_of(args.stages, end, goes_by_rows<T>)) return Chain<T>(context, args).run();
  std::for_each(args.stages, end, [&](const SeparableConvForward<T>& stage) { separable_conv_forward(context, stage); });
  if (!args.residual) return;
  const SeparableConvForward<T>& last = end[-1];
  const std::int64_t rows = last.shape.batch * last.shape.out_height() * last.shape.out_width();
  add_forward(context, AddForward<T>{rows, last.out_features, last.y, args.prologue, args.residual, args.residual_prologue, last.y});
}

}  // namespace

void separable_chain_forward(const LaunchContext& context, const SeparableChainForward<float>& args) { forward(context, args); }
void separable_chain_forward(const LaunchContext& context, const SeparableChainForward<bf16>& args) { forward(context, args); }

}  // namespace sepia::kernels::cpu
