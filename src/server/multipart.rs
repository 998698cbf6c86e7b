//! Form parser (`multipart/form-data`, RFC 7578): multer, with the chunks of a body pushed into it.
//!
//! multer by itself reads its stream as far as it can: with a wrong boundary, or a part header
//! without an end, it would hold the whole body in memory. Pushed, it holds one chunk and
//! [`HEADER_BYTES`].

use std::pin::Pin;
use std::sync::mpsc::{self, Sender, TryRecvError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::poll_fn;
use multer::{Error, Field, Multipart};

use super::problem::Problem;

/// Maximum bytes of a part's header, and of what precedes the first part.
const HEADER_BYTES: usize = 8 * 1024;

/// A part of a form. It must be dropped before the next part is asked for.
pub(super) type Part = Field<'static>;

/// A form, parsed as its bytes arrive.
pub(super) struct Form {
    parser: Multipart<'static>,
    /// `None` after the end of the body.
    feed: Option<Sender<Bytes>>,
    /// Bytes pushed since the parser last returned something.
    unparsed: usize,
    /// What of the first boundary has not been compared with the start of the body.
    expected_start: Vec<u8>,
    starts_with_boundary: bool,
}

impl Form {
    /// Form with the boundary of `content_type`.
    ///
    /// # Errors
    /// 400 `bad_form` for a `Content-Type` without a valid boundary.
    pub(super) fn new(content_type: &str) -> Result<Self, Problem> {
        let boundary = multer::parse_boundary(content_type).map_err(|error| match error {
            Error::NoBoundary => bad_form("the form's Content-Type names no boundary; let your HTTP library set it"),
            _ => bad_form("the form's Content-Type cannot be parsed; let your HTTP library set it"),
        })?;
        if !(1..=70).contains(&boundary.len()) {
            return Err(bad_form(format!("the form's boundary has {} characters, not 1 to 70", boundary.len())));
        }
        let (feed, chunks) = mpsc::channel::<Bytes>();
        let stream = poll_fn(move |_| match chunks.try_recv() {
            Ok(chunk) => Poll::Ready(Some(Ok::<_, std::io::Error>(chunk))),
            Err(TryRecvError::Empty) => Poll::Pending,
            Err(TryRecvError::Disconnected) => Poll::Ready(None),
        });
        Ok(Self {
            expected_start: format!("--{boundary}").into_bytes(),
            parser: Multipart::new(stream, boundary),
            feed: Some(feed),
            unparsed: 0,
            starts_with_boundary: true,
        })
    }

    /// Adds the next bytes of the body; `None` is its end.
    pub(super) fn push(&mut self, chunk: Option<Bytes>) {
        let Some(chunk) = chunk else {
            self.feed = None;
            return;
        };
        self.unparsed += chunk.len();
        let compared = chunk.len().min(self.expected_start.len());
        self.starts_with_boundary &= self.expected_start.drain(..compared).eq(chunk[..compared].iter().copied());
        // The receiver lives as long as the parser.
        let _ = self.feed.as_ref().map(|feed| feed.send(chunk));
    }

    /// The next part, or `None` after the last; pending if more bytes are needed.
    ///
    /// # Errors
    /// 400 `bad_form` or `upload_broken`.
    pub(super) fn poll_part(&mut self) -> Poll<Result<Option<Part>, Problem>> {
        match self.parser.poll_next_field(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending if self.unparsed > HEADER_BYTES => Poll::Ready(Err(self.no_header())),
            Poll::Pending => Poll::Pending,
            Poll::Ready(part) => Poll::Ready(part.map_err(|error| self.problem(&error))).map(|part| {
                self.unparsed = 0;
                part
            }),
        }
    }

    /// The next bytes of a part, or `None` after the last; pending if more bytes are needed.
    ///
    /// # Errors
    /// 400 `bad_form` or `upload_broken`.
    pub(super) fn poll_data(&mut self, part: &mut Part) -> Poll<Result<Option<Bytes>, Problem>> {
        let data = Pin::new(part).poll_next(&mut Context::from_waker(Waker::noop()));
        data.map(|data| {
            self.unparsed = 0;
            data.transpose().map_err(|error| self.problem(&error))
        })
    }

    fn problem(&self, error: &Error) -> Problem {
        if self.feed.is_none() {
            let detail = "the form ends before its last boundary; send it again";
            return Problem::bad_request("upload_broken", detail);
        }
        bad_form(format!("the form is malformed: {error}"))
    }

    /// The problem of more than [`HEADER_BYTES`] without a part's header.
    fn no_header(&self) -> Problem {
        if !self.starts_with_boundary {
            let detail = "the body does not begin with the boundary that its Content-Type names; \
                let your HTTP library set that header";
            return Problem::bad_request("upload_broken", detail);
        }
        bad_form(format!("the form is malformed: a part's header has more than {HEADER_BYTES} bytes"))
    }
}

/// File name of a part. Browsers write a quotation mark in a name as `%22`.
pub(super) fn file_name(part: &Part) -> Option<String> {
    part.file_name().filter(|name| !name.is_empty()).map(|name| name.replace("%22", "\""))
}

pub(super) fn bad_form(detail: impl Into<String>) -> Problem {
    Problem::bad_request("bad_form", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTENT_TYPE: &str = "multipart/form-data; boundary=xYz";

    /// Name, file name and data of a part.
    type Parsed = (Option<String>, Option<String>, Vec<u8>);

    /// All parts, with the body pushed in pieces of this length.
    fn parts(body: &[u8], piece: usize) -> Result<Vec<Parsed>, Problem> {
        let mut form = Form::new(CONTENT_TYPE)?;
        let mut pieces = body.chunks(piece).map(Bytes::copy_from_slice);
        let mut found = Vec::new();
        loop {
            let mut part = loop {
                match form.poll_part() {
                    Poll::Ready(part) => match part? {
                        Some(part) => break part,
                        None => return Ok(found),
                    },
                    Poll::Pending => form.push(pieces.next()),
                }
            };
            let mut data = Vec::new();
            loop {
                match form.poll_data(&mut part) {
                    Poll::Ready(bytes) => match bytes? {
                        Some(bytes) => data.extend_from_slice(&bytes),
                        None => break,
                    },
                    Poll::Pending => form.push(pieces.next()),
                }
            }
            found.push((part.name().map(str::to_owned), file_name(&part), data));
        }
    }

    fn reason(body: &[u8], piece: usize) -> &'static str {
        parts(body, piece).unwrap_err().reason
    }

    #[test]
    fn parts_do_not_depend_on_the_chunks_of_the_body() {
        let form = b"preamble\r\n--xYz\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\n\
            x\r\n--xY\r\n--xYz \t\r\n\
            Content-Type: audio/wav\r\n\
            Content-Disposition: form-data; filename=\"a \\\"b\\\".wav\"; name=file\r\n\r\n\
            \r\n-\r\n--xYz\r\n\
            Content-Disposition: form-data; name=\"empty\"\r\n\r\n\r\n--xYz--\r\nepilogue --xYz\r\n";
        let text = |text: &str| Some(text.to_owned());
        let expected = [
            (text("model"), None, b"x\r\n--xY".to_vec()),
            (text("file"), text("a \"b\".wav"), b"\r\n-".to_vec()),
            (text("empty"), None, Vec::new()),
        ];
        for piece in 1..=form.len() {
            assert_eq!(parts(form, piece).unwrap(), expected, "pieces of {piece}");
        }
        assert_eq!(parts(b"--xYz--", 7).unwrap(), []);
    }

    #[test]
    fn truncated_forms_are_broken_uploads() {
        let form = b"--xYz\r\nContent-Disposition: form-data; name=file\r\n\r\nsound\r\n--xYz";
        for length in 1..form.len() {
            assert_eq!(reason(&form[..length], 5), "upload_broken", "{length} bytes");
        }
    }

    #[test]
    fn malformed_forms_are_refused_without_holding_them() {
        assert_eq!(reason(b"--xYz!\r\n", 3), "bad_form");
        assert_eq!(reason(b"--xYz\r\nno header\r\n\r\n", 3), "bad_form");
        let endless = [&b"--xYz\r\n"[..], &vec![b'a'; 3 * HEADER_BYTES]].concat();
        assert!(parts(&endless, 100).unwrap_err().detail.contains("header has more than 8192 bytes"));
        let endless = [&b"--xYz"[..], &vec![b' '; 3 * HEADER_BYTES]].concat();
        assert_eq!(reason(&endless, 100), "bad_form");
        assert!(parts(&vec![b'-'; 1 << 20], 1000).unwrap_err().detail.contains("does not begin with the boundary"));
    }

    #[test]
    fn file_names_of_programs_and_browsers_are_decoded() {
        let name = |disposition: &str| {
            let body = format!("--xYz\r\nContent-Disposition: form-data; {disposition}\r\n\r\n\r\n--xYz--");
            let (name, file, _) = parts(body.as_bytes(), 1000).unwrap().remove(0);
            (name.unwrap(), file.unwrap())
        };
        let named = |name: &str, file: &str| (name.to_owned(), file.to_owned());
        assert_eq!(name("name=\"file\"; filename=\"a;b.wav\""), named("file", "a;b.wav"));
        assert_eq!(name("name=file; filename=\"C:\\x\\y.wav\""), named("file", "C:\\x\\y.wav"));
        assert_eq!(name("filename=\"%22ü%22.wav\"; name=\"file\""), named("file", "\"ü\".wav"));
    }

    #[test]
    fn boundaries_are_checked() {
        let detail = |content_type: &str| Form::new(content_type).err().map(|problem| problem.detail);
        assert_eq!(detail("multipart/form-data; charset=utf-8; Boundary=\"a b\""), None);
        assert_eq!(detail("multipart/form-data;boundary=----x-y"), None);
        assert!(detail("multipart/form-data").unwrap().contains("names no boundary"));
        assert!(detail("multipart/form-data; boundary=\"\"").is_some());
        let long = format!("multipart/form-data; boundary={}", "x".repeat(71));
        assert!(detail(&long).unwrap().contains("71 characters, not 1 to 70"));
    }
}
