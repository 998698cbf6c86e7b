//! Model files: a safetensors file read as named tensors.
//!
//! ```text
//! 8 bytes: header length, little-endian · header: JSON · tensors, one after the other, little-endian
//! ```
//!
//! Types are F16, BF16, F32 and I8; I8 tensors are quantised weights with companion tensors
//! ([`crate::nn::quantisation`]). The file is untrusted: lengths are checked against the bytes
//! present before anything is allocated, so memory follows the size of the file and not its claims;
//! every value must be finite; and [`Weights::finish`] refuses tensors that no layer has taken.

mod checksum;
mod file;
mod header;
mod reader;
mod stored;
#[cfg(test)]
pub(crate) mod test_files;

#[cfg(feature = "import")]
pub(crate) use checksum::{hex, tensors_sha256};
#[cfg(feature = "import")]
pub(crate) use file::open_regular;
pub use file::{MAX_FILE_BYTES, MAX_HEADER_BYTES, read_file};
pub use header::Header;
pub use reader::{StoredTensor, Weights};
