//! Audio embedded in a page: the bytes of the file as a base64 `data:` URL (RFC 4648, section 4).

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Larger files are refused. Base64 adds a third, and browsers open pages of that size without
/// delay.
pub const MAX_AUDIO_BYTES: u64 = 64 << 20;

/// An audio file to embed in a page.
#[derive(Debug, Clone)]
pub struct Audio {
    path: PathBuf,
}

impl Audio {
    /// Checks the size of the file.
    ///
    /// # Errors
    /// [`Error::Usage`] for a file of more than [`MAX_AUDIO_BYTES`], [`Error::Read`] for one that
    /// cannot be read; both name it.
    pub fn of(path: &Path) -> Result<Self> {
        let length = std::fs::metadata(path).map_err(|error| Error::Read(error).in_file(path))?.len();
        if length > MAX_AUDIO_BYTES {
            let (actual, limit) = (length >> 20, MAX_AUDIO_BYTES >> 20);
            let what = format!(
                "the file has {actual} MB, and at most {limit} MB can be embedded in a page: leave the audio out, or compress it \
                (ffmpeg -i IN -b:a 48k OUT.mp3)"
            );
            return Err(Error::Usage(what).in_file(path));
        }
        Ok(Self { path: path.to_owned() })
    }

    /// Writes the `data:` URL, of at most [`MAX_AUDIO_BYTES`] of the file.
    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut file = File::open(&self.path)?.take(MAX_AUDIO_BYTES);
        // A multiple of three, because base64 encodes groups of three bytes.
        let mut block = vec![0; 3 << 14];
        let mut first = true;
        loop {
            let n = fill(&mut file, &mut block)?;
            if first {
                write!(out, "data:{};base64,", media_type(&block[..n]))?;
                first = false;
            }
            if n == 0 {
                return Ok(());
            }
            out.write_all(base64(&block[..n]).as_bytes())?;
        }
    }
}

fn fill(file: &mut impl Read, block: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < block.len() {
        match file.read(&mut block[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Media type by the first bytes.
fn media_type(bytes: &[u8]) -> &'static str {
    match bytes {
        [b'R', b'I', b'F', b'F', ..] => "audio/wav",
        [b'f', b'L', b'a', b'C', ..] => "audio/flac",
        [b'O', b'g', b'g', b'S', ..] => "audio/ogg",
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => "audio/mp4",
        _ => "audio/mpeg",
    }
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |k: usize| u32::from(group.get(k).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for k in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * k)) as usize & 63];
            text.push(if k <= group.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors of RFC 4648, section 10.
    #[test]
    fn base64_is_that_of_the_standard() {
        let vectors =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE=")];
        for (bytes, text) in vectors {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
        assert_eq!(base64(&[0xfb, 0xff]), "+/8=");
    }
}
