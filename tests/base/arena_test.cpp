#include "engine/base/arena.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <set>
#include <vector>

#include "engine/base/error.h"

namespace sepia {
namespace {

struct CountedMemory {
  std::set<void*> live;
  bool empty = false;
  MemorySource source() {
    return {.allocate = [this](std::size_t bytes) -> void* {
              if (empty) return nullptr;
              void* pointer = std::aligned_alloc(64, bytes);
              live.insert(pointer);
              return pointer;
            },
            .release = [this](void* pointer) {
              EXPECT_EQ(live.erase(pointer), 1u);
              std::free(pointer);
            }};
  }
};

// A step with the shape of backpropagation: activations grow, then die in reverse while gradients come and go.
void run_step(StepArena& arena, int layers, std::size_t bytes, bool check_contents = true) {
  std::vector<unsigned char*> activations;
  for (int i = 0; i < layers; ++i) {
    activations.push_back(static_cast<unsigned char*>(arena.allocate(bytes)));
    std::memset(activations.back(), i + 1, bytes);
  }
  auto* gradient = static_cast<unsigned char*>(arena.allocate(bytes));
  for (int i = layers - 1; i >= 0; --i) {
    auto* next = static_cast<unsigned char*>(arena.allocate(bytes));
    std::memset(next, 0xee, bytes);
    if (check_contents) {
      for (std::size_t b = 0; b < bytes; ++b) ASSERT_EQ(activations[static_cast<std::size_t>(i)][b], i + 1);
    }
    arena.release(gradient);
    arena.release(activations[static_cast<std::size_t>(i)]);
    gradient = next;
  }
  arena.release(gradient);
}

TEST(StepArena, SecondStepOfAKindAllocatesNothingAndSharesBytes) {
  CountedMemory memory;
  {
    StepArena arena(memory.source());
    for (int step = 0; step < 3; ++step) {
      const auto before = arena.statistics().source_allocations;
      arena.begin_step("train");
      run_step(arena, 6, 1000);
      arena.end_step();
      if (step > 0) {
        EXPECT_EQ(arena.statistics().source_allocations, before);
      }
    }
    // 13 requests of 1024 bytes; at most 6 activations and 2 gradients live at once.
    EXPECT_EQ(arena.statistics().requested_bytes, 13u * 1024);
    EXPECT_EQ(arena.statistics().slab_bytes, 8u * 1024);
    EXPECT_EQ(arena.statistics().planned_allocations, 26);
  }
  EXPECT_TRUE(memory.live.empty());
}

TEST(StepArena, KindsHavePlansOfTheirOwn) {
  CountedMemory memory;
  StepArena arena(memory.source());
  for (int round = 0; round < 3; ++round) {
    for (const int layers : {6, 2, 4}) {
      arena.begin_step("layers " + std::to_string(layers));
      run_step(arena, layers, 512);
      arena.end_step();
    }
  }
  const auto settled = arena.statistics().source_allocations;
  arena.begin_step("layers 4");
  run_step(arena, 4, 512);
  arena.end_step();
  EXPECT_EQ(arena.statistics().source_allocations, settled);
}

TEST(StepArena, ABlockThatOutlivesItsStepKeepsItsContents) {
  CountedMemory memory;
  StepArena arena(memory.source());
  std::vector<unsigned char*> kept;
  for (int step = 0; step < 4; ++step) {
    arena.begin_step("train");
    auto* block = static_cast<unsigned char*>(arena.allocate(256));
    std::memset(block, step, 256);
    run_step(arena, 3, 256);
    arena.end_step();
    kept.push_back(block);
  }
  for (int step = 0; step < 4; ++step) {
    for (int b = 0; b < 256; ++b) ASSERT_EQ(kept[static_cast<std::size_t>(step)][b], step);
    arena.release(kept[static_cast<std::size_t>(step)]);
  }
}

TEST(StepArena, AStepThatDepartsFromItsRecordIsStillRight) {
  CountedMemory memory;
  {
    StepArena arena(memory.source());
    void* late = nullptr;
    for (int step = 0; step < 6; ++step) {
      arena.begin_step("train");
      // Step 2 asks for other sizes; step 4 keeps a planned block beyond its end.
      run_step(arena, 4, step == 2 ? 2000 : 1000);
      void* block = arena.allocate(64);
      std::memset(block, 0x5a, 64);
      if (step == 4) {
        late = block;
      } else {
        arena.release(block);
      }
      arena.end_step();
    }
    for (int b = 0; b < 64; ++b) ASSERT_EQ(static_cast<unsigned char*>(late)[b], 0x5a);
    arena.release(late);
  }
  EXPECT_TRUE(memory.live.empty());
}

TEST(StepArena, ARetiredSlabGoesWithItsLastBlock) {
  CountedMemory memory;
  StepArena arena(memory.source());
  std::size_t settled = 0;
  for (int round = 0; round < 8; ++round) {  // the third step of each round keeps a planned block: its slab is retired
    void* late = nullptr;
    for (int step = 0; step < 3; ++step) {
      arena.begin_step("train");
      run_step(arena, 4, 1000);
      late = arena.allocate(64);
      if (step < 2) arena.release(late);
      arena.end_step();
    }
    arena.release(late);
    if (round == 1) settled = memory.live.size();
  }
  EXPECT_LE(memory.live.size(), settled) << "every departure leaves a slab behind";
}

TEST(StepArena, WithoutMemoryForTheSlabStepsGoOnWithoutIt) {
  CountedMemory memory;
  StepArena arena(memory.source());
  for (int round = 0; round < 3; ++round) {
    for (const int layers : {2, 6}) {
      arena.begin_step("layers " + std::to_string(layers));
      run_step(arena, layers, 512);
      memory.empty = round == 0 && layers == 6;  // the larger slab cannot be had, and the smaller is gone
      arena.end_step();
      memory.empty = false;
    }
  }
  const auto settled = arena.statistics().source_allocations;
  for (const int layers : {2, 6}) {
    arena.begin_step("layers " + std::to_string(layers));
    run_step(arena, layers, 512);
    arena.end_step();
  }
  EXPECT_EQ(arena.statistics().source_allocations, settled);
}

TEST(StepArena, NoMemoryIsAnErrorThatSaysWhatToDo) {
  CountedMemory memory;
  StepArena arena(memory.source());
  memory.empty = true;
  try {
    arena.allocate(std::size_t{5} << 20);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kMemory);
    EXPECT_NE(std::string(error.what()).find("--batch-size"), std::string::npos);
  }
}

}  // namespace
}  // namespace sepia
