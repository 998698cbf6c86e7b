//! From a request's body to its file: the bytes themselves, or the part `file` of a form, with the options in front of it.

use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};

use super::asked::{Asked, VALUE_BYTES, file_name};
use super::incoming::Incoming;
use super::limits::Limits;
use super::multipart::{self, Event, Multipart, PartHeader};
use super::pipe::PipeEnd;
use super::problem::Problem;

/// What a file without a name is called, as the command line calls standard input.
const NAMELESS: &str = "-";

/// A body, read up to the first byte of its file.
pub(super) struct Upload {
    incoming: Incoming,
    form: Option<Form>,
    /// The file's name.
    pub(super) name: String,
    /// What the query and the form ask for.
    pub(super) asked: Asked,
}

/// A form, and what came of it so far.
struct Form {
    parser: Multipart,
    parts: usize,
    limit: usize,
}

impl Upload {
    /// Reads the options.
    ///
    /// # Errors
    /// Whatever is wrong with them, with the content type, or with the form up to its file.
    pub(super) async fn open(parts: &Parts, incoming: Incoming, limits: &Limits) -> Result<Self, Problem> {
        let announced = text(&parts.headers, header::CONTENT_LENGTH).and_then(|length| length.parse().ok());
        incoming.check_announced(announced)?;
        let asked = Asked::of_query(&parts.uri)?;
        let form = form(&parts.headers, limits)?;
        let mut upload = Self { incoming, form, name: NAMELESS.to_owned(), asked };
        upload.read_options().await?;
        Ok(upload)
    }

    /// Bytes that came so far.
    pub(super) fn bytes(&self) -> u64 {
        self.incoming.bytes()
    }

    /// Parts before the file are options.
    async fn read_options(&mut self) -> Result<(), Problem> {
        let mut option: Option<(String, Vec<u8>)> = None;
        while self.form.is_some() {
            match self.event().await? {
                Event::Part(PartHeader { name, filename }) => match name.as_deref() {
                    Some("file") => {
                        let given = filename.filter(|name| !name.is_empty());
                        self.name = given.map_or(NAMELESS.to_owned(), |name| file_name(&name));
                        break;
                    }
                    Some(name) => option = Some((name.to_owned(), Vec::new())),
                    None => return Err(bad_form("a part of the form has no name")),
                },
                Event::Data(bytes) => {
                    let (name, value) = option.as_mut().ok_or_else(|| bad_form("it has bytes outside of its parts"))?;
                    value.extend_from_slice(&bytes);
                    if value.len() > VALUE_BYTES {
                        let detail = format!(
                            "the option `{name}` is longer than {VALUE_BYTES} bytes; the recording is the part `file`"
                        );
                        return Err(Problem::bad_request("bad_option", file_name(&detail)));
                    }
                }
                Event::PartEnd => {
                    let (name, value) = option.take().unwrap_or_default();
                    self.asked.set(&name, String::from_utf8_lossy(&value).trim())?;
                }
                Event::End => return Err(no_file()),
            }
        }
        Ok(())
    }

    /// Puts the file into the pipe, and reads the body to its end. Once nobody reads the pipe the rest is only looked at.
    ///
    /// # Errors
    /// Whatever is wrong with the body or the form.
    pub(super) async fn pump(&mut self, mut end: PipeEnd) -> Result<(), Problem> {
        if self.form.is_none() {
            let mut listens = true;
            while let Some(chunk) = self.incoming.chunk().await? {
                listens = listens && end.send(chunk).await;
            }
            end.finish();
            return Ok(());
        }
        self.pump_part(&mut end).await?;
        loop {
            match self.event().await? {
                Event::End => break,
                Event::Part(PartHeader { name, .. }) => return Err(after_the_file(&name.unwrap_or_default())),
                _ => {}
            }
        }
        while self.incoming.chunk().await?.is_some() {}
        end.finish();
        Ok(())
    }

    async fn pump_part(&mut self, end: &mut PipeEnd) -> Result<(), Problem> {
        let mut listens = true;
        loop {
            match self.event().await? {
                Event::Data(bytes) => listens = listens && end.send(bytes).await,
                _ => return Ok(()),
            }
        }
    }

    /// The form's next event.
    async fn event(&mut self) -> Result<Event, Problem> {
        let Some(form) = &mut self.form else { return Ok(Event::End) };
        loop {
            if let Some(event) = form.parser.next().map_err(bad_form)? {
                form.count(&event)?;
                return Ok(event);
            }
            match self.incoming.chunk().await? {
                Some(chunk) => form.parser.push(&chunk),
                None => {
                    return Err(Problem::bad_request(
                        "upload_broken",
                        "the form ends before its last boundary; send it again",
                    ));
                }
            }
        }
    }
}

impl Form {
    fn count(&mut self, event: &Event) -> Result<(), Problem> {
        self.parts += usize::from(matches!(event, Event::Part(_)));
        if self.parts > self.limit {
            let detail = format!("over the limit: the form has more than {} parts", self.limit);
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_many_parts", detail));
        }
        Ok(())
    }
}

/// The form that the content type announces, or nothing for bytes.
fn form(headers: &HeaderMap, limits: &Limits) -> Result<Option<Form>, Problem> {
    let content_type = text(headers, header::CONTENT_TYPE).unwrap_or_default();
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if kind == "multipart/form-data" {
        let boundary = multipart::boundary(content_type).map_err(bad_form)?;
        return Ok(Some(Form { parser: Multipart::new(&boundary), parts: 0, limit: limits.form_parts }));
    }
    let sounds = ["audio/", "video/", "application/octet-stream", "application/ogg", "application/mp4", "binary/"];
    if kind.is_empty() || sounds.iter().any(|sound| kind.starts_with(sound)) {
        return Ok(None);
    }
    let detail = format!(
        "the Content-Type `{}` is no recording; send a form (multipart/form-data) with a part `file`, or the bytes as audio/* or application/octet-stream",
        file_name(&kind)
    );
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content_type", detail))
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn bad_form(detail: impl Into<String>) -> Problem {
    Problem::bad_request("bad_form", detail)
}

fn no_file() -> Problem {
    Problem::bad_request("no_file", "the form has no part `file` with the recording")
}

fn after_the_file(name: &str) -> Problem {
    if name == "file" {
        return bad_form("the form has two parts `file`; send one recording a request");
    }
    bad_form(format!("the part `{}` comes after the file: put options before it, or into the query", file_name(name)))
}
