//! From a request to a file and its options: the file is the body itself, or the part `file` of a
//! form, preceded by parts with options.

use std::task::Poll;

use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::Bytes;

use super::incoming::Incoming;
use super::limits::Limits;
use super::multipart::{self, Form, Part, bad_form};
use super::pipe::PipeWriter;
use super::problem::Problem;
use super::request_options::{RequestOptions, max_bytes, printable};

/// Name of a file that has none, as the command line names standard input.
const UNNAMED: &str = "-";

/// A request body, read up to the first byte of its file.
pub(super) struct Upload {
    source: Source,
    /// Name of the file.
    pub(super) name: String,
    /// Options of the query and of the form.
    pub(super) options: RequestOptions,
}

/// Where the file's bytes are.
enum Source {
    Body(Incoming),
    /// The part is taken when its bytes are read.
    Form {
        form: Box<FormReader>,
        file: Option<Part>,
    },
}

/// A form and the body that it is read from.
struct FormReader {
    form: Form,
    incoming: Incoming,
    parts: usize,
    max_parts: usize,
}

impl Upload {
    /// Reads the options.
    ///
    /// # Errors
    /// Invalid options or content type, or a form that is invalid up to its file.
    pub(super) async fn open(parts: &Parts, incoming: Incoming, limits: &Limits) -> Result<Self, Problem> {
        let content_length = text(&parts.headers, header::CONTENT_LENGTH).and_then(|length| length.parse().ok());
        incoming.check_content_length(content_length)?;
        let mut options = RequestOptions::from_query(&parts.uri)?;
        let content_type = text(&parts.headers, header::CONTENT_TYPE).unwrap_or_default();
        if !is_form(content_type)? {
            return Ok(Self { source: Source::Body(incoming), name: UNNAMED.to_owned(), options });
        }
        let form = Form::new(content_type)?;
        let mut form = FormReader { form, incoming, parts: 0, max_parts: limits.form_parts };
        let file = form.read_options(&mut options).await?;
        let name = multipart::file_name(&file).map_or(UNNAMED.to_owned(), |name| printable(&name));
        Ok(Self { source: Source::Form { form: Box::new(form), file: Some(file) }, name, options })
    }

    /// Number of bytes received.
    pub(super) fn bytes(&self) -> u64 {
        match &self.source {
            Source::Body(incoming) => incoming.bytes(),
            Source::Form { form, .. } => form.incoming.bytes(),
        }
    }

    /// Writes the file into the pipe and reads the body to its end. Once nobody reads the pipe any
    /// more, the rest of the body is only checked.
    ///
    /// # Errors
    /// An upload that is broken or too slow, a body that is too large, a malformed form.
    pub(super) async fn pump(&mut self, mut pipe: PipeWriter) -> Result<(), Problem> {
        let mut is_read = true;
        match &mut self.source {
            Source::Body(incoming) => {
                while let Some(chunk) = incoming.chunk().await? {
                    is_read = is_read && pipe.write(&chunk).await;
                }
            }
            Source::Form { form, file } => {
                if let Some(mut file) = file.take() {
                    while let Some(bytes) = form.data(&mut file).await? {
                        is_read = is_read && pipe.write(&bytes).await;
                    }
                }
                form.finish().await?;
            }
        }
        pipe.finish();
        Ok(())
    }
}

impl FormReader {
    /// Reads the parts before the file, which are options, and returns the file.
    async fn read_options(&mut self, options: &mut RequestOptions) -> Result<Part, Problem> {
        while let Some(part) = self.part().await? {
            match part.name().map(str::to_owned).as_deref() {
                Some("file") => return Ok(part),
                Some(name) => options.set(name, self.value(name, part).await?.trim())?,
                None => return Err(bad_form("a part of the form has no name")),
            }
        }
        Err(Problem::bad_request("no_file", "the form has no part `file` with the recording"))
    }

    /// Reads the value of an option.
    async fn value(&mut self, name: &str, mut part: Part) -> Result<String, Problem> {
        let mut value = Vec::new();
        while let Some(bytes) = self.data(&mut part).await? {
            value.extend_from_slice(&bytes);
            if value.len() > max_bytes(name) {
                let detail = format!(
                    "the option `{name}` is longer than {} bytes; the recording is the part `file`",
                    max_bytes(name)
                );
                return Err(Problem::bad_request("bad_option", printable(&detail)));
            }
        }
        Ok(String::from_utf8_lossy(&value).into_owned())
    }

    /// Checks that no part follows the file, and reads the body to its end.
    async fn finish(&mut self) -> Result<(), Problem> {
        if let Some(part) = self.part().await? {
            return Err(part_after_file(part.name().unwrap_or_default()));
        }
        while self.incoming.chunk().await?.is_some() {}
        Ok(())
    }

    /// The next part.
    async fn part(&mut self) -> Result<Option<Part>, Problem> {
        loop {
            match self.form.poll_part() {
                Poll::Ready(part) => return self.count(part?),
                Poll::Pending => self.form.push(self.incoming.chunk().await?),
            }
        }
    }

    fn count(&mut self, part: Option<Part>) -> Result<Option<Part>, Problem> {
        self.parts += usize::from(part.is_some());
        if self.parts > self.max_parts {
            let detail = format!("over the limit: the form has more than {} parts", self.max_parts);
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_many_parts", detail));
        }
        Ok(part)
    }

    /// The next bytes of a part.
    async fn data(&mut self, part: &mut Part) -> Result<Option<Bytes>, Problem> {
        loop {
            match self.form.poll_data(part) {
                Poll::Ready(bytes) => return bytes,
                Poll::Pending => self.form.push(self.incoming.chunk().await?),
            }
        }
    }
}

/// Whether a content type is that of a form; if not, the body is the recording.
///
/// # Errors
/// 415 `content_type` for a content type that is neither.
fn is_form(content_type: &str) -> Result<bool, Problem> {
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if kind == "multipart/form-data" {
        return Ok(true);
    }
    let audio = ["audio/", "video/", "application/octet-stream", "application/ogg", "application/mp4", "binary/"];
    if kind.is_empty() || audio.iter().any(|audio| kind.starts_with(audio)) {
        return Ok(false);
    }
    let detail = format!(
        "the Content-Type `{}` is not one of audio; send a form (multipart/form-data) with a part `file`, \
         or the bytes as audio/* or application/octet-stream",
        printable(&kind)
    );
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content_type", detail))
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn part_after_file(name: &str) -> Problem {
    if name == "file" {
        return bad_form("the form has two parts `file`; send one recording per request");
    }
    let name = printable(name);
    bad_form(format!("the part `{name}` follows the file; put options before the file or into the query"))
}
