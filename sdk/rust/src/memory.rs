//! Where a component's allocations go.

/// The allocator that the standard library has too, in a version that begins with the memory a component starts with and
/// asks for more only when that is used up. To grow costs each call two changes of the memory's protection.
///
/// How much there is at the start is the linker's business: `--initial-heap`, which `cargo xtask build` sets. Without it,
/// everything works as it does with the standard library's.
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;
