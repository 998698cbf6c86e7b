//! Transposition between rows and lanes.

use super::multiversion_lanes::multiversion_lanes;
use super::{LANES, Lanes};
use crate::kernels::cpu::Variant;

/// Rows to lanes: `lanes[i].0[l] = rows[l][i]`.
///
/// # Panics
///
/// If a row is not as long as `lanes`.
pub fn gather(rows: [&[f32]; LANES], lanes: &mut [Lanes]) {
    assert!(rows.iter().all(|row| row.len() == lanes.len()), "a row is not as long as the lanes");
    gather_by(Variant::best(), rows, lanes);
}

multiversion_lanes! {
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

/// Lanes to rows: the first lanes become the rows of `rows`, each as long as `lanes`.
///
/// # Panics
///
/// If `rows` is not a whole number of rows, or more than 16.
pub fn scatter(lanes: &[Lanes], rows: &mut [f32]) {
    let length = lanes.len();
    assert!(
        rows.len() <= LANES * length && rows.len().is_multiple_of(length.max(1)),
        "not whole rows, or more than 16"
    );
    scatter_by(Variant::best(), lanes, rows);
}

multiversion_lanes! {
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
    fn gather_and_scatter_are_inverse() {
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
    #[should_panic(expected = "not as long as")]
    fn a_row_of_another_length_panics() {
        let mut rows = [&[0.0; 3][..]; LANES];
        rows[7] = &[0.0; 2];
        gather(rows, &mut [Lanes::default(); 3]);
    }
}
