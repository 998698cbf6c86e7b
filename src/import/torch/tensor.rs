//! Tensors of a checkpoint: strided views into storages, and their values in row-major order.

use std::borrow::Cow;

use safetensors::Dtype;

use super::errors::malformed;
use crate::error::{Error, Result};

/// Maximum number of axes.
const MAX_AXES: usize = 16;

/// A flat array of values, the file `data/KEY` of the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Storage {
    pub(super) dtype: Dtype,
    pub(super) key: String,
    /// Number of values.
    pub(super) len: usize,
}

/// A strided view: value `[i, j, …]` is at `offset + i · strides[0] + j · strides[1] + …` of the
/// storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TensorView {
    pub(super) storage: Storage,
    offset: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
}

impl TensorView {
    /// A view into `storage`.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] for a view outside its storage, [`Error::Unsupported`] for one with
    /// more values than its storage.
    pub(super) fn new(storage: Storage, offset: usize, shape: Vec<usize>, strides: Vec<usize>) -> Result<Self> {
        let wrong = |what: &str| malformed(format!("a tensor of shape {shape:?}, strides {strides:?} {what}"));
        if shape.len() != strides.len() || shape.len() > MAX_AXES {
            return Err(wrong("has inconsistent or too many axes"));
        }
        let values =
            shape.iter().try_fold(1_usize, |n, size| n.checked_mul(*size)).ok_or_else(|| wrong("is too large"))?;
        let reach = |at: usize, (size, stride): (&usize, &usize)| at.checked_add((size - 1).checked_mul(*stride)?);
        let last = if values == 0 { None } else { Some(shape.iter().zip(&strides).try_fold(offset, reach)) };
        if last.is_some_and(|last| last.is_none_or(|last| last >= storage.len)) {
            return Err(wrong(&format!("at {offset} is outside its storage of {} values", storage.len)));
        }
        if values > storage.len {
            let what =
                format!("a tensor of shape {shape:?} that repeats its {} values; save a copy of it", storage.len);
            return Err(Error::Unsupported(what));
        }
        Ok(Self { storage, offset, shape, strides })
    }

    pub(super) fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn values(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether the values are contiguous in row-major order.
    fn is_contiguous(&self) -> bool {
        let mut expected = 1;
        let mut axes = self.shape.iter().zip(&self.strides).rev();
        let fits = |(size, stride): (&usize, &usize)| {
            let fits = *size == 1 || *stride == expected;
            expected *= size;
            fits
        };
        self.values() == 0 || axes.all(fits)
    }

    /// Bytes of the values in row-major order, from the storage's bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if the storage has another length than the pickle states.
    pub(super) fn bytes<'a>(&self, storage: &'a [u8]) -> Result<Cow<'a, [u8]>> {
        let size = self.storage.dtype.bitsize() / 8;
        if self.storage.len.checked_mul(size) != Some(storage.len()) {
            let Storage { key, len, dtype } = &self.storage;
            return Err(malformed(format!("`data/{key}` has {} bytes, not {len} values of {dtype:?}", storage.len())));
        }
        if self.is_contiguous() {
            let start = if self.values() == 0 { 0 } else { self.offset * size };
            return Ok(storage.get(start..start + self.values() * size).unwrap_or_default().into());
        }
        let mut bytes = Vec::with_capacity(self.values() * size);
        for n in 0..self.values() {
            let at = self.place(n) * size;
            bytes.extend_from_slice(storage.get(at..at + size).unwrap_or_default());
        }
        Ok(bytes.into())
    }

    /// Index in the storage of the `n`-th value in row-major order.
    fn place(&self, mut n: usize) -> usize {
        let mut at = self.offset;
        for (size, stride) in self.shape.iter().zip(&self.strides).rev() {
            at += n % size * stride;
            n /= size;
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn storage(len: usize) -> Storage {
        Storage { dtype: Dtype::U8, key: "0".into(), len }
    }

    fn values(offset: usize, shape: &[usize], strides: &[usize]) -> Vec<u8> {
        let stored: Vec<u8> = (0..24).collect();
        let view = TensorView::new(storage(24), offset, shape.to_vec(), strides.to_vec()).unwrap();
        view.bytes(&stored).unwrap().into_owned()
    }

    #[test]
    fn views_are_read_in_row_major_order() {
        assert_eq!(values(0, &[2, 3], &[3, 1]), [0, 1, 2, 3, 4, 5]);
        assert_eq!(values(6, &[2, 3], &[1, 2]), [6, 8, 10, 7, 9, 11]);
        assert_eq!(values(23, &[1, 1], &[99, 99]), [23]);
        assert_eq!(values(5, &[], &[]), [5]);
        assert_eq!(values(99, &[0, 3], &[3, 1]), [0_u8; 0]);
        assert_eq!(values(1, &[2, 2, 2], &[12, 1, 6]), [1, 7, 2, 8, 13, 19, 14, 20]);
    }

    #[test]
    fn views_outside_their_storage_are_refused() {
        for (offset, shape, strides) in [
            (0, vec![5, 5], vec![5, 1]),
            (24, vec![1], vec![1]),
            (1, vec![24], vec![1]),
            (usize::MAX, vec![2], vec![1]),
            (0, vec![2], vec![usize::MAX]),
            (0, vec![usize::MAX, usize::MAX], vec![0, 0]),
            (0, vec![1; 17], vec![1; 17]),
            (0, vec![1], vec![]),
        ] {
            let error = TensorView::new(storage(24), offset, shape, strides).unwrap_err();
            assert!(matches!(error, Error::Malformed { .. }), "{error}");
        }
        let repeated = TensorView::new(storage(24), 0, vec![1 << 40], vec![0]).unwrap_err();
        assert!(repeated.to_string().contains("repeats"), "{repeated}");
    }

    #[test]
    fn a_storage_of_the_wrong_length_is_named() {
        let view = TensorView::new(storage(24), 0, vec![2], vec![1]).unwrap();
        assert!(view.bytes(&[0; 23]).unwrap_err().to_string().contains("`data/0` has 23 bytes"));
    }
}
