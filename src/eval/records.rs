//! CSV reader (RFC 4180): records with line numbers. Accepts a byte order mark, CRLF, quoted commas
//! and line breaks, and limits all sizes.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::error::{Error, Result};

use super::problem::{Problem, Reason};

/// Maximum size of a table: 256 MiB, some millions of clips.
const MAX_BYTES: u64 = 256 << 20;
/// Maximum number of rows.
const MAX_ROWS: u64 = 2_000_000;
/// Maximum number of columns.
const MAX_COLUMNS: usize = 1_000;
/// Maximum length of a field. A longer one is an unclosed quotation mark, not a label.
const MAX_FIELD_BYTES: usize = 16 << 10;
const FORMAT: &str = "table";

/// One row: one field per column, without surrounding blanks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    /// Line on which the row begins, from 1.
    pub(super) line: u64,
    pub(super) fields: Vec<String>,
}

/// The contents of a CSV file.
#[derive(Debug)]
pub(super) struct Records {
    /// Names of the columns as in the header.
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Record>,
    /// Rows that are not valid records, in the order of their lines.
    pub(super) problems: Vec<Problem>,
}

impl Records {
    /// Reads a file.
    ///
    /// # Errors
    /// With the file's name: [`Error::Read`]; [`Error::Limit`] for sizes above these maxima;
    /// [`Error::Malformed`] for a header that is empty or names a column twice;
    /// [`Error::Unsupported`] for anything but a regular file. Invalid rows are
    /// [`Records::problems`].
    pub(super) fn read(path: &Path) -> Result<Self> {
        read_bytes(path).and_then(|bytes| Self::parse(&bytes)).map_err(|error| error.in_file(path))
    }

    fn parse(bytes: &[u8]) -> Result<Self> {
        let mut reader = csv::ReaderBuilder::new().flexible(true).has_headers(false).from_reader(bytes);
        let mut rows = reader.byte_records();
        let Some(header) = rows.next() else {
            return Err(Error::malformed(FORMAT, "it is empty, without a header"));
        };
        let columns = columns(&header.map_err(|error| csv_error(&error))?)?;
        let mut read = Self { columns, rows: Vec::new(), problems: Vec::new() };
        let mut lines = Lines { bytes, at: 0, line: 1 };
        for (count, row) in (1..).zip(rows) {
            if count > MAX_ROWS {
                return Err(Error::Limit { what: "number of rows", actual: count, limit: MAX_ROWS });
            }
            let row = row.map_err(|error| csv_error(&error))?;
            let begin = row.position().map_or(0, csv::Position::byte);
            read.add(lines.line_from(begin as usize), &row);
        }
        Ok(read)
    }

    fn add(&mut self, line: u64, row: &csv::ByteRecord) {
        match record(line, row, self.columns.len()) {
            Ok(record) => self.rows.push(record),
            Err(problem) => self.problems.push(problem),
        }
    }
}

/// Line counter. (The CSV reader's own count is one too low after CRLF and blank lines.)
struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
    line: u64,
}

impl Lines<'_> {
    /// Line of the first byte at or after `begin` that is not a line break. `begin` must not
    /// decrease.
    fn line_from(&mut self, begin: usize) -> u64 {
        while let Some(&byte) = self.bytes.get(self.at) {
            let is_break = matches!(byte, b'\r' | b'\n');
            if self.at >= begin && !is_break {
                break;
            }
            // in CRLF the second byte counts
            let counts = byte == b'\n' || (byte == b'\r' && self.bytes.get(self.at + 1) != Some(&b'\n'));
            self.line += u64::from(counts);
            self.at += 1;
        }
        self.line
    }
}

fn read_bytes(path: &Path) -> Result<Vec<u8>> {
    let file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(Error::Unsupported("not a regular file; a table of clips is one CSV file".into()));
    }
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(Error::Limit { what: "size of the table in bytes", actual: bytes.len() as u64, limit: MAX_BYTES });
    }
    Ok(bytes)
}

fn columns(header: &csv::ByteRecord) -> Result<Vec<String>> {
    if header.len() > MAX_COLUMNS {
        let (actual, limit) = (header.len() as u64, MAX_COLUMNS as u64);
        return Err(Error::Limit { what: "number of columns", actual, limit });
    }
    let mut columns: Vec<String> = Vec::new();
    for field in header {
        let name = std::str::from_utf8(field).ok().filter(|name| name.len() <= MAX_FIELD_BYTES);
        let Some(name) = name.map(str::trim) else {
            return Err(Error::malformed(FORMAT, "line 1: the header is not UTF-8 text"));
        };
        if !name.is_empty() && columns.iter().any(|other| other.eq_ignore_ascii_case(name)) {
            return Err(Error::malformed(FORMAT, format!("line 1: duplicate column `{name}`")));
        }
        columns.push(name.to_owned());
    }
    Ok(columns)
}

fn record(line: u64, row: &csv::ByteRecord, columns: usize) -> Result<Record, Problem> {
    if let Some(long) = row.iter().map(<[u8]>::len).find(|&n| n > MAX_FIELD_BYTES) {
        let what = format!("a field of {long} bytes; check for an unclosed quotation mark");
        return Err(Problem::new(line, Reason::RowShape, what));
    }
    if row.len() != columns {
        let what = format!("{} fields, but the header has {columns}", row.len());
        return Err(Problem::new(line, Reason::RowShape, what));
    }
    let text = |field| std::str::from_utf8(field).map(|text| text.trim().to_owned());
    match row.iter().map(text).collect() {
        Ok(fields) => Ok(Record { line, fields }),
        Err(_) => Err(Problem::new(line, Reason::Encoding, "not UTF-8; save the table as UTF-8")),
    }
}

/// Cannot occur in memory: only UTF-8 and lengths could fail, and the reader checks neither.
fn csv_error(error: &csv::Error) -> Error {
    Error::malformed(FORMAT, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(bytes: &[u8]) -> Vec<(u64, Vec<String>)> {
        let read = Records::parse(bytes).unwrap();
        assert_eq!(read.columns, ["file", "emotion"]);
        assert_eq!(read.problems, []);
        read.rows.into_iter().map(|r| (r.line, r.fields)).collect()
    }

    #[test]
    fn byte_order_mark_line_ends_quotes_and_blank_lines_are_read() {
        let expected = [(2, vec!["a.wav".to_owned(), "ANG".into()]), (3, vec!["b, c.wav".into(), "say \"x\"".into()])];
        for text in [
            "file,emotion\na.wav,ANG\n\"b, c.wav\",\"say \"\"x\"\"\"\n",
            "\u{feff}file,emotion\r\na.wav,ANG\r\n\"b, c.wav\",\"say \"\"x\"\"\"",
            " file , emotion\n  a.wav ,ANG \n\"b, c.wav\",\"say \"\"x\"\"\"\n\n\n",
        ] {
            assert_eq!(fields(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn line_numbers_equal_those_of_an_editor() {
        for (text, lines) in [
            ("file,emotion\n\"a\nb\",x\nc,y\n", [2, 4]),
            ("file,emotion\r\n\"a\r\nb\",x\r\nc,y", [2, 4]),
            ("file,emotion\n\n\na,x\n\nc,y\n", [4, 6]),
            ("\u{feff}file,emotion\r\n\r\na,x\r\nc,y\r\n", [3, 4]),
            ("file,emotion\ra,x\rc,y\r", [2, 3]),
        ] {
            let read = fields(text.as_bytes());
            assert_eq!(read.iter().map(|(line, _)| *line).collect::<Vec<_>>(), lines, "{text:?}");
        }
    }

    #[test]
    fn invalid_records_are_named_with_their_lines() {
        let read = Records::parse(b"file,emotion\na,b,c\nd\n\xff,e\nf,g\n").unwrap();
        assert_eq!(read.rows, [Record { line: 5, fields: vec!["f".into(), "g".into()] }]);
        let found: Vec<_> = read.problems.iter().map(|p| (p.line, p.reason)).collect();
        assert_eq!(found, [(2, Reason::RowShape), (3, Reason::RowShape), (4, Reason::Encoding)]);
    }

    #[test]
    fn an_unclosed_quotation_mark_is_named() {
        let text = format!("file,emotion\n\"a,b\n{}", "c,d\n".repeat(10_000));
        let read = Records::parse(text.as_bytes()).unwrap();
        assert!(read.problems[0].message.contains("unclosed quotation mark"), "{:?}", read.problems);
    }

    #[test]
    fn invalid_headers_are_errors() {
        let message = |bytes: &[u8]| Records::parse(bytes).unwrap_err().to_string();
        assert!(message(b"").contains("empty"));
        assert!(message(b"\xef\xbb\xbf").contains("empty"));
        assert!(message(b"file,emotion,File\n").contains("duplicate column `File`"));
        assert!(message(b"RIFF\xff\xff\n").contains("not UTF-8 text"));
        assert!(message(",".repeat(MAX_COLUMNS + 1).as_bytes()).contains("number of columns"));
    }

    #[test]
    fn missing_files_and_folders_are_named() {
        let message = |path: &str| Records::read(path.as_ref()).unwrap_err().to_string();
        assert!(message("/nowhere/t.csv").starts_with("/nowhere/t.csv: cannot read"));
        assert!(message(env!("CARGO_MANIFEST_DIR")).contains("not a regular file"));
    }
}
