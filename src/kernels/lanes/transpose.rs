//! Rows to lanes and back.

use super::{LANES, Lanes, for_each_vector};
use crate::kernels::dot::Variant;

/// Row l becomes lane l: `lanes[i].0[l] = rows[l][i]`.
///
/// # Panics
///
/// If a row is not as long as `lanes`.
pub fn gather(rows: [&[f32]; LANES], lanes: &mut [Lanes]) {
    assert!(rows.iter().all(|row| row.len() == lanes.len()), "rows as long as there are lanes");
    gather_by(Variant::best(), rows, lanes);
}

for_each_vector! {
    fn gather_by<V>(rows: [&[f32]; LANES], lanes: &mut [Lanes]) {
        let rows = rows.map(|row| row.as_chunks::<LANES>());
        let (blocks, rest) = lanes.as_chunks_mut::<LANES>();
        for (b, block) in blocks.iter_mut().enumerate() {
            *block = V::transpose(rows.map(|(row, _)| &row[b]));
        }
        for (l, (_, row)) in rows.iter().enumerate() {
            rest.iter_mut().zip(*row).for_each(|(to, x)| to.0[l] = *x);
        }
    }
}

/// The first lanes become the rows of `rows`, each as long as `lanes`.
///
/// # Panics
///
/// If there are more than 16 rows, or no whole number of them.
pub fn scatter(lanes: &[Lanes], rows: &mut [f32]) {
    let length = lanes.len();
    assert!(rows.len() <= LANES * length && rows.len().is_multiple_of(length.max(1)), "whole rows, at most 16");
    scatter_by(Variant::best(), lanes, rows);
}

for_each_vector! {
    fn scatter_by<V>(lanes: &[Lanes], rows: &mut [f32]) {
        let length = lanes.len();
        let (blocks, rest) = lanes.as_chunks::<LANES>();
        for (b, block) in blocks.iter().enumerate() {
            let turned = V::transpose(std::array::from_fn(|i| &block[i].0));
            for (row, from) in rows.chunks_exact_mut(length).zip(&turned) {
                row[b * LANES..(b + 1) * LANES].copy_from_slice(&from.0);
            }
        }
        for (l, row) in rows.chunks_exact_mut(length.max(1)).enumerate() {
            row[blocks.len() * LANES..].iter_mut().zip(rest).for_each(|(x, lanes)| *x = lanes.0[l]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        for variant in Variant::ALL {
            for length in [0, 1, 15, 16, 17, 40, 80] {
                let rows: Vec<Vec<f32>> =
                    (0..LANES).map(|l| (0..length).map(|i| (1000 * l + i) as f32).collect()).collect();
                let mut lanes = vec![Lanes::of(f32::NAN); length];
                gather_by(variant, std::array::from_fn(|l| &rows[l][..]), &mut lanes);
                for (i, of) in lanes.iter().enumerate() {
                    assert!((0..LANES).all(|l| of.0[l] == rows[l][i]), "{variant:?}, value {i} of {length}");
                }
                for count in [0, 1, 7, 16] {
                    let mut back = vec![f32::NAN; count * length];
                    scatter_by(variant, &lanes, &mut back);
                    assert_eq!(back, rows[..count].concat(), "{variant:?}, {count} rows of {length}");
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "as long as")]
    fn a_row_of_another_length_is_refused() {
        let mut rows = [&[0.0; 3][..]; LANES];
        rows[7] = &[0.0; 2];
        gather(rows, &mut [Lanes::default(); 3]);
    }
}
