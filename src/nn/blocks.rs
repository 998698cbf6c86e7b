//! Parallel loop over blocks of rows.
//!
//! The blocks do not depend on the number of threads, and blocks are independent, so the result is
//! bit-identical for any number.

use std::thread;

/// Calls `work` for each block of `block` rows of `rows` `[n, width]` (the last may be shorter)
/// with the index of its first row, the block and the scratch of its thread. There is one thread
/// per scratch, the first being that of the caller; each computes consecutive blocks.
///
/// # Panics
///
/// If there is no scratch, `width` or `block` is 0, `rows` is not a whole number of rows, or `work`
/// panics.
pub fn in_blocks<S: Send>(
    rows: &mut [f32],
    (width, block): (usize, usize),
    scratches: &mut [S],
    work: impl Fn(usize, &mut [f32], &mut S) + Sync,
) {
    assert!(width > 0 && block > 0 && !scratches.is_empty() && rows.len().is_multiple_of(width));
    let blocks_each = (rows.len() / width).div_ceil(block).div_ceil(scratches.len()).max(1);
    let rows_each = blocks_each * block;
    let run = |first: usize, rows: &mut [f32], scratch: &mut S| {
        for (i, rows) in rows.chunks_mut(block * width).enumerate() {
            work(first + i * block, rows, scratch);
        }
    };
    thread::scope(|scope| {
        let mut shares = rows.chunks_mut(rows_each * width).zip(scratches).enumerate();
        let own = shares.next();
        for (i, (rows, scratch)) in shares {
            let run = &run;
            scope.spawn(move || run(i * rows_each, rows, scratch));
        }
        if let Some((_, (rows, scratch))) = own {
            run(0, rows, scratch);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_in_one_block_for_any_number_of_threads() {
        for (n, threads) in [(0, 1), (1, 3), (4, 1), (5, 2), (11, 2), (11, 3), (11, 9), (12, 4)] {
            let mut rows = vec![0.0; 2 * n];
            let mut seen = vec![Vec::new(); threads];
            in_blocks(&mut rows, (2, 4), &mut seen, |first, rows, seen| {
                assert!(first.is_multiple_of(4) && rows.len() <= 8);
                rows.chunks_exact_mut(2).enumerate().for_each(|(i, row)| row[1] += (first + i) as f32);
                seen.push(first);
            });
            let numbers: Vec<f32> = rows.chunks_exact(2).map(|row| row[1]).collect();
            assert_eq!(numbers, (0..n).map(|i| i as f32).collect::<Vec<_>>(), "{n} rows, {threads} threads");
            assert_eq!(seen.concat(), (0..n).step_by(4).collect::<Vec<_>>());
            assert!(n < 11 || seen[..2.min(threads)].iter().all(|seen| !seen.is_empty()), "{seen:?}");
        }
    }

    #[test]
    #[should_panic(expected = "scoped thread panicked")]
    fn a_panic_of_a_thread_reaches_the_caller() {
        in_blocks(&mut [0.0; 4], (1, 1), &mut [(); 4], |first, _, ()| assert!(first < 3));
    }
}
