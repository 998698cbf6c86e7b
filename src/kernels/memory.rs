//! Memory in large pages.
//!
//! Linux hands memory out in pages of 4 KiB, each cleared and accounted for at its first touch: for a network of 50 MB that takes longer than reading,
//! converting and packing its weights. In pages of 2 MiB it is a tenth.

/// Asks for large pages for what the main thread allocates from now on, the first 64 MB of it, where system and allocator have them (Linux with glibc);
/// elsewhere, and on another thread, nothing happens. Memory that is freed is kept for what is allocated next. To be called once, before anything
/// large is allocated, by a program whose memory this is: a library has no say in it.
pub fn prefer_large_pages() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    glibc::prefer_large_pages();
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod glibc {
    use std::ffi::{c_int, c_void};
    use std::hint::black_box;

    // malloc.h
    const M_TRIM_THRESHOLD: c_int = -1;
    const M_TOP_PAD: c_int = -2;
    const M_MMAP_THRESHOLD: c_int = -3;
    // sys/mman.h
    const MADV_HUGEPAGE: c_int = 14;

    const MIB: usize = 1 << 20;
    const PAGE: usize = 2 * MIB;
    const ROOM: usize = 64 * MIB;

    unsafe extern "C" {
        fn mallopt(parameter: c_int, value: c_int) -> c_int;
        fn sbrk(increment: isize) -> *mut c_void;
        fn madvise(address: *mut c_void, length: usize, advice: c_int) -> c_int;
    }

    pub(super) fn prefer_large_pages() {
        let set = |parameter, bytes: usize| {
            // SAFETY: takes two numbers; one that it does not like it refuses.
            unsafe { mallopt(parameter, bytes as c_int) != 0 }
        };
        // From the heap, not page by page from the system; and no part of it is given back to be asked for again.
        if !(set(M_MMAP_THRESHOLD, 32 * MIB) && set(M_TRIM_THRESHOLD, 4 * ROOM) && set(M_TOP_PAD, ROOM)) {
            return;
        }
        // The heap grows for this by as much and the room; 1 MiB later.
        let first = black_box(Vec::<u8>::with_capacity(MIB));
        set(M_TOP_PAD, MIB);
        // SAFETY: an increment of 0 moves nothing.
        let end = unsafe { sbrk(0) } as usize / PAGE * PAGE;
        let start = (first.as_ptr() as usize).next_multiple_of(PAGE);
        if start < end && end - start <= 2 * ROOM {
            // SAFETY: advice changes no contents; the range lies between an allocation on the heap and the heap's end. Another thread's allocations
            // lie elsewhere, beyond the end or farther away than the room.
            unsafe { madvise(start as *mut c_void, end - start, MADV_HUGEPAGE) };
        }
    }
}
