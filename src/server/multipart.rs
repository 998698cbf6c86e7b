//! Forms with files (`multipart/form-data`, RFC 7578 over RFC 2046 §5.1), as a machine without input or output: bytes are pushed in, parts come
//! out. It holds a part's header and the length of a boundary, and what was pushed last; never a part.
//!
//! ```text
//! preamble CRLF --boundary CRLF header CRLF CRLF data CRLF --boundary … CRLF --boundary-- epilogue
//! ```

use bytes::{Buf, Bytes, BytesMut};
use memchr::memmem::{self, Finder};

/// Bytes of one part's header, and of what may stand between a boundary and its end of line.
const HEADER_BYTES: usize = 8 * 1024;

/// What comes out.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A part begins.
    Part(PartHeader),
    /// Bytes of the present part.
    Data(Bytes),
    /// The present part is whole.
    PartEnd,
    /// The form is whole; what follows is no part of it.
    End,
}

/// What a part says of itself.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct PartHeader {
    /// The field.
    pub(super) name: Option<String>,
    /// The file's name, if it is a file.
    pub(super) filename: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Preamble,
    AfterBoundary,
    Header,
    Data,
    Epilogue,
    Ended,
}

/// Takes a form apart.
pub(super) struct Multipart {
    /// CRLF, two hyphens, the boundary.
    delimiter: Finder<'static>,
    buffer: BytesMut,
    state: State,
}

/// The boundary that a `Content-Type` names, if it is that of a form with files.
pub(super) fn boundary(content_type: &str) -> Result<Vec<u8>, String> {
    let (_, parameters) = content_type.split_once(';').unwrap_or_default();
    let found = parameters.split(';').filter_map(|parameter| parameter.split_once('=')).find_map(|(name, value)| {
        name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"').as_bytes().to_vec())
    });
    match found {
        Some(boundary) if (1..=70).contains(&boundary.len()) => Ok(boundary),
        Some(boundary) => Err(format!("the form's boundary has {} characters, not 1 to 70", boundary.len())),
        None => Err("the form's Content-Type names no boundary; let your HTTP library set that header".to_owned()),
    }
}

impl Multipart {
    pub(super) fn new(boundary: &[u8]) -> Self {
        let delimiter = [b"\r\n--", boundary].concat();
        // The first boundary may stand at the very beginning, without an end of line before it.
        Self {
            delimiter: Finder::new(&delimiter).into_owned(),
            buffer: BytesMut::from(&b"\r\n"[..]),
            state: State::Preamble,
        }
    }

    /// Takes the next bytes of the form.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        if self.state != State::Epilogue && self.state != State::Ended {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// The next event; nothing if it takes more bytes to tell.
    ///
    /// # Errors
    /// What is wrong with the form, in words.
    pub(super) fn next(&mut self) -> Result<Option<Event>, String> {
        loop {
            let event = match self.state {
                State::Preamble => self.skip_preamble(),
                State::AfterBoundary => return self.after_boundary(),
                State::Header => return self.header(),
                State::Data => return Ok(self.data()),
                State::Epilogue => {
                    self.state = State::Ended;
                    self.buffer = BytesMut::new();
                    return Ok(Some(Event::End));
                }
                State::Ended => return Ok(None),
            };
            if !event {
                return Ok(None);
            }
        }
    }

    /// Everything before the first boundary. Returns whether that was found.
    fn skip_preamble(&mut self) -> bool {
        if let Some(at) = self.delimiter.find(&self.buffer) {
            self.buffer.advance(at + self.delimiter.needle().len());
            self.state = State::AfterBoundary;
            return true;
        }
        let sure = self.sure();
        self.buffer.advance(sure);
        false
    }

    /// Bytes of the buffer that cannot be the beginning of a boundary.
    fn sure(&self) -> usize {
        (self.buffer.len() + 1).saturating_sub(self.delimiter.needle().len())
    }

    /// `--` ends the form, an end of line begins a part.
    fn after_boundary(&mut self) -> Result<Option<Event>, String> {
        if self.buffer.starts_with(b"--") {
            self.state = State::Epilogue;
            return self.next();
        }
        let Some(at) = memmem::find(&self.buffer, b"\r\n") else {
            return self.wait_for_header("the end of a line after a boundary");
        };
        if !self.buffer[..at].iter().all(|byte| b" \t".contains(byte)) {
            return Err("the form is malformed: a boundary is followed by other characters".to_owned());
        }
        // The end of line stays: with the one of the last header it makes the empty line, also where there is no header.
        self.buffer.advance(at);
        self.state = State::Header;
        self.header()
    }

    fn header(&mut self) -> Result<Option<Event>, String> {
        let Some(end) = memmem::find(&self.buffer, b"\r\n\r\n") else {
            return self.wait_for_header("the empty line after a part's header");
        };
        if end > HEADER_BYTES {
            return Err(too_long());
        }
        let text = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
        self.buffer.advance(end + 4);
        self.state = State::Data;
        Ok(Some(Event::Part(PartHeader::parse(&text))))
    }

    fn wait_for_header(&self, what: &str) -> Result<Option<Event>, String> {
        if self.buffer.len() > HEADER_BYTES {
            return Err(format!("{}: {what} is missing", too_long()));
        }
        Ok(None)
    }

    fn data(&mut self) -> Option<Event> {
        match self.delimiter.find(&self.buffer) {
            Some(0) => {
                self.buffer.advance(self.delimiter.needle().len());
                self.state = State::AfterBoundary;
                Some(Event::PartEnd)
            }
            Some(at) => Some(Event::Data(self.buffer.split_to(at).freeze())),
            None => {
                let sure = self.sure();
                (sure > 0).then(|| Event::Data(self.buffer.split_to(sure).freeze()))
            }
        }
    }
}

fn too_long() -> String {
    format!("the form is malformed: a part's header has more than {HEADER_BYTES} bytes")
}

impl PartHeader {
    /// Of the header's lines.
    fn parse(text: &str) -> Self {
        let disposition = text
            .split("\r\n")
            .filter_map(|line| line.split_once(':'))
            .find_map(|(name, value)| name.trim().eq_ignore_ascii_case("content-disposition").then_some(value));
        let mut header = Self::default();
        let (_, mut rest) = disposition.and_then(|value| value.split_once(';')).unwrap_or_default();
        while let Some((name, after)) = rest.split_once('=') {
            let (value, next) = parameter(after);
            match name.trim().to_ascii_lowercase().as_str() {
                "name" => header.name = Some(value),
                "filename" => header.filename = Some(value),
                _ => {}
            }
            rest = next;
        }
        header
    }
}

/// A parameter's value, quoted or not, and what follows its semicolon. Programs write a quote in a name as `\"`, browsers as `%22`.
fn parameter(text: &str) -> (String, &str) {
    let text = text.trim_start();
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, rest) = text.split_once(';').unwrap_or((text, ""));
        return (value.trim().to_owned(), rest);
    };
    let (mut value, mut characters) = (String::new(), quoted.char_indices().peekable());
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => {
                let rest = &quoted[at + 1..];
                return (value.replace("%22", "\""), rest.split_once(';').map_or("", |(_, rest)| rest));
            }
            '\\' => match characters.next_if(|(_, next)| matches!(next, '"' | '\\')) {
                Some((_, escaped)) => value.push(escaped),
                None => value.push('\\'),
            },
            _ => value.push(c),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a form gives when it comes in pieces of a length, the data of each part put together.
    fn events(form: &[u8], piece: usize) -> Result<Vec<Event>, String> {
        let mut parser = Multipart::new(b"xYz");
        let mut all = Vec::new();
        for bytes in form.chunks(piece) {
            parser.push(bytes);
            while let Some(event) = parser.next()? {
                match (all.last_mut(), event) {
                    (Some(Event::Data(before)), Event::Data(more)) => *before = [&before[..], &more].concat().into(),
                    (_, event) => all.push(event),
                }
            }
        }
        Ok(all)
    }

    fn part(name: &str, filename: Option<&str>) -> Event {
        Event::Part(PartHeader { name: Some(name.to_owned()), filename: filename.map(str::to_owned) })
    }

    fn data(bytes: &'static [u8]) -> Event {
        Event::Data(Bytes::from_static(bytes))
    }

    #[test]
    fn pieces_of_any_length_give_the_same() {
        let form = b"preamble\r\n--xYz\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\nx\r\n--xY\r\n--xYz \t\r\n\
            Content-Type: audio/wav\r\nContent-Disposition: form-data; filename=\"a \\\"b\\\".wav\"; name=file\r\n\r\n\r\n-\r\n--xYz\r\n\
            Content-Disposition: form-data; name=\"empty\"\r\n\r\n\r\n--xYz\r\n\r\nno header\r\n--xYz--\r\nepilogue --xYz\r\n";
        let expected = [
            part("model", None),
            data(b"x\r\n--xY"),
            Event::PartEnd,
            part("file", Some("a \"b\".wav")),
            data(b"\r\n-"),
            Event::PartEnd,
            part("empty", None),
            Event::PartEnd,
            Event::Part(PartHeader::default()),
            data(b"no header"),
            Event::PartEnd,
            Event::End,
        ];
        for piece in 1..=form.len() {
            assert_eq!(events(form, piece).unwrap(), expected, "pieces of {piece}");
        }
        assert_eq!(events(b"--xYz--", 7).unwrap(), [Event::End]);
    }

    #[test]
    fn what_breaks_off_has_no_end() {
        let form = b"--xYz\r\nContent-Disposition: form-data; name=file\r\n\r\nsound\r\n--xYz";
        for length in 1..form.len() {
            assert_ne!(events(&form[..length], 5).unwrap().last(), Some(&Event::End));
        }
    }

    #[test]
    fn what_is_no_form_is_refused_in_little_memory() {
        assert!(events(b"--xYz!\r\n", 3).unwrap_err().contains("other characters"));
        let endless = [&b"--xYz\r\n"[..], &vec![b'a'; 3 * HEADER_BYTES]].concat();
        assert!(events(&endless, 100).unwrap_err().contains("empty line"));
        let endless = [&b"--xYz"[..], &vec![b' '; 3 * HEADER_BYTES]].concat();
        assert!(events(&endless, 100).unwrap_err().contains("end of a line"));
        let mut parser = Multipart::new(b"xYz");
        for _ in 0..1000 {
            parser.push(&[b'-'; 1000]);
            assert_eq!(parser.next(), Ok(None));
            assert!(parser.buffer.len() < 8);
        }
    }

    #[test]
    fn names_as_programs_and_browsers_write_them() {
        let header = |text: &str| PartHeader::parse(&format!("Content-Disposition: form-data; {text}"));
        let named = |name: &str, file: &str| PartHeader { name: Some(name.into()), filename: Some(file.into()) };
        assert_eq!(header("name=\"file\"; filename=\"a;b.wav\""), named("file", "a;b.wav"));
        assert_eq!(header("name=file; filename=\"C:\\x\\y.wav\""), named("file", "C:\\x\\y.wav"));
        assert_eq!(header("filename=\"%22ü%22.wav\"; name=\"file\""), named("file", "\"ü\".wav"));
        assert_eq!(header("name=\"file").name.as_deref(), Some("file"));
        assert_eq!(PartHeader::parse("Content-Disposition: form-data"), PartHeader::default());
    }

    #[test]
    fn boundaries() {
        assert_eq!(boundary("multipart/form-data; charset=utf-8; Boundary=\"a b\"").unwrap(), b"a b");
        assert_eq!(boundary("multipart/form-data;boundary=----x=y").unwrap(), b"----x=y");
        assert!(boundary("multipart/form-data").unwrap_err().contains("names no boundary"));
        assert!(boundary("multipart/form-data; boundary=").unwrap_err().contains("0 characters"));
        assert!(boundary(&format!("multipart/form-data; boundary={}", "x".repeat(71))).is_err());
    }
}
