//! Tables with a header: CSV (RFC 4180), or columns separated by tabs or semicolons. Accepts a byte
//! order mark, CRLF, quoted separators and line breaks, and the unnamed first column of a pandas
//! index, and limits all sizes.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use crate::error::{Error, Result};

use super::list::{Entry, Fault, List, RowProblem};
use super::reading::Reading;
use super::row::Row;
use super::time_columns::TimeColumns;

/// Maximum number of columns.
const MAX_COLUMNS: usize = 1_000;
/// Maximum length of a field. A longer one is an unclosed quotation mark.
const MAX_FIELD_BYTES: usize = 64 << 10;
const FORMAT: &str = "table";

/// Parses the table at `path`. Names of recordings are relative to its folder.
///
/// # Errors
/// [`Error::Malformed`] for a header that is empty, not UTF-8 or names a column twice, and for a
/// column that counts samples; [`Error::Usage`] for a table without the file column;
/// [`Error::Limit`].
pub(super) fn parse(bytes: &[u8], path: &Path, reading: &Reading<'_>) -> Result<List> {
    check_encoding(bytes)?;
    let delimiter = delimiter(bytes, path);
    let mut reader =
        csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).has_headers(false).from_reader(bytes);
    let mut rows = reader.byte_records();
    let Some(header) = rows.next() else {
        return Err(Error::malformed(FORMAT, "it is empty, without a header"));
    };
    let columns: Arc<[String]> = columns(&header.map_err(|error| csv_error(&error))?)?.into();
    let file_column = file_column(&columns, delimiter, reading)?;
    let (times, warnings) = if reading.whole_files {
        (TimeColumns::default(), Vec::new())
    } else {
        let hinted = |what| Error::malformed(FORMAT, format!("{what}{}", reading.time_hint));
        TimeColumns::find(&columns).map_err(hinted)?
    };
    let decimal_comma = delimiter == b';';
    let mut list = List { warnings, decimal_comma, ..List::of(Arc::clone(&columns), file_column) };
    let folder = path.parent().unwrap_or(Path::new(""));
    let shape = Shape { columns: &columns, file_column, folder, times: &times, decimal_comma };
    let mut lines = LineCounter { bytes, at: 0, line: 1 };
    for row in rows {
        let row = row.map_err(|error| csv_error(&error))?;
        let begin = row.position().map_or(0, csv::Position::byte);
        let line = lines.line_from(begin as usize);
        let entry = shape.entry(line, &row).map_err(|(fault, what)| {
            let hint = if fault == Fault::Time { reading.time_hint } else { "" };
            RowProblem::new(line, fault, format!("{what}{hint}"))
        });
        list.add(entry)?;
    }
    Ok(list)
}

/// The separator: a tab in `.tsv`; in other files a comma, unless the header has none and has
/// semicolons or tabs, as spreadsheets write where the comma is the decimal sign.
fn delimiter(bytes: &[u8], path: &Path) -> u8 {
    if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("tsv")) {
        return b'\t';
    }
    let header = bytes.split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
    [b',', b';', b'\t'].into_iter().find(|delimiter| header.contains(delimiter)).unwrap_or(b',')
}

fn check_encoding(bytes: &[u8]) -> Result<()> {
    if bytes.starts_with(b"\xFF\xFE") || bytes.starts_with(b"\xFE\xFF") {
        return Err(Error::malformed(FORMAT, "it is UTF-16; save the table in UTF-8"));
    }
    Ok(())
}

fn columns(header: &csv::ByteRecord) -> Result<Vec<String>> {
    if header.len() > MAX_COLUMNS {
        let (actual, limit) = (header.len() as u64, MAX_COLUMNS as u64);
        return Err(Error::Limit { what: "number of columns", actual, limit });
    }
    let mut columns: Vec<String> = Vec::new();
    let mut seen = BTreeSet::new();
    for field in header {
        let name = std::str::from_utf8(field).ok().filter(|name| name.len() <= MAX_FIELD_BYTES);
        let Some(name) = name.map(str::trim) else {
            return Err(Error::malformed(FORMAT, "line 1: the header is not UTF-8 text"));
        };
        if !name.is_empty() && !seen.insert(name.to_ascii_lowercase()) {
            return Err(Error::malformed(FORMAT, format!("line 1: duplicate column `{name}`")));
        }
        columns.push(name.to_owned());
    }
    // pandas writes the index as a first column without a name
    for index in 0..columns.len() {
        if columns[index].is_empty() {
            let name = if index == 0 { "index".to_owned() } else { format!("column {}", index + 1) };
            let taken = |name: &String| columns.iter().any(|column| column.eq_ignore_ascii_case(name));
            columns[index] = std::iter::successors(Some(name), |name| Some(format!("{name}_")))
                .find(|name| !taken(name))
                .unwrap_or_default();
        }
    }
    Ok(columns)
}

/// The column of the recordings: of exactly this name, or of the name in another case.
fn file_column(columns: &[String], delimiter: u8, reading: &Reading<'_>) -> Result<usize> {
    let wanted = reading.file_column;
    let exact = columns.iter().position(|column| column == wanted);
    exact.or_else(|| columns.iter().position(|column| column.eq_ignore_ascii_case(wanted))).ok_or_else(|| {
        let has = columns.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let separator = match delimiter {
            b'\t' => "tabs",
            b';' => "semicolons",
            _ => "commas",
        };
        let separated =
            if columns.len() == 1 { format!(", read as one column (separated by {separator})") } else { String::new() };
        Error::usage(format!("no column `{wanted}` for the recordings; it has {has}{separated}{}", reading.column_hint))
    })
}

/// How a row becomes an entry.
struct Shape<'a> {
    columns: &'a Arc<[String]>,
    file_column: usize,
    folder: &'a Path,
    times: &'a TimeColumns,
    decimal_comma: bool,
}

impl Shape<'_> {
    fn entry(&self, line: u64, row: &csv::ByteRecord) -> Result<Entry, (Fault, String)> {
        if let Some(long) = row.iter().map(<[u8]>::len).find(|&bytes| bytes > MAX_FIELD_BYTES) {
            return Err((Fault::Shape, format!("a field of {long} bytes; check for an unclosed quotation mark")));
        }
        if row.len() != self.columns.len() {
            return Err((Fault::Shape, format!("{} fields, but the header has {}", row.len(), self.columns.len())));
        }
        let fields: Result<Vec<&str>, _> = row.iter().map(std::str::from_utf8).collect();
        let fields = fields.map_err(|_| (Fault::Encoding, "not UTF-8; save the table in UTF-8".to_owned()))?;
        let name = fields[self.file_column].trim();
        if name.is_empty() {
            return Err((Fault::Name, format!("the column `{}` is empty", self.columns[self.file_column])));
        }
        let span = self.times.span(self.columns, &fields, self.decimal_comma).map_err(|what| (Fault::Time, what))?;
        let row = Row::new(self.columns, fields.iter().copied());
        Ok(Entry { line, file: self.folder.join(name).into_boxed_path(), span, row, refused: None })
    }
}

/// Line counter. (The CSV reader's own count is one too low after CRLF and blank lines.)
struct LineCounter<'a> {
    bytes: &'a [u8],
    at: usize,
    line: u64,
}

impl LineCounter<'_> {
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

/// Cannot occur in memory: only UTF-8 and lengths could fail, and the reader checks neither.
fn csv_error(error: &csv::Error) -> Error {
    Error::malformed(FORMAT, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::Fault::{Encoding, Name, Shape, Time};
    use super::*;
    use crate::audio::Span;

    fn read_at(path: &str, bytes: &[u8]) -> Result<List> {
        let reading = Reading { column_hint: "; choose one", time_hint: "; or none", ..Reading::default() };
        parse(bytes, path.as_ref(), &reading)
    }

    fn read(text: &str) -> Result<List> {
        read_at("calls/t.csv", text.as_bytes())
    }

    fn fields(list: &List) -> Vec<(u64, Vec<&str>)> {
        list.entries.iter().map(|entry| (entry.line, entry.row.values().collect())).collect()
    }

    #[test]
    fn byte_order_mark_line_ends_quotes_and_blank_lines_are_read() {
        let expected = [(2, vec!["a.wav", "ANG"]), (3, vec!["b, c.wav", "say \"x\""])];
        for text in [
            "file,emotion\na.wav,ANG\n\"b, c.wav\",\"say \"\"x\"\"\"\n",
            "\u{feff}file,emotion\r\na.wav,ANG\r\n\"b, c.wav\",\"say \"\"x\"\"\"",
            " file , emotion\na.wav,ANG\n\"b, c.wav\",\"say \"\"x\"\"\"\n\n\n",
        ] {
            let list = read(text).unwrap();
            assert_eq!((&*list.columns, list.problems.len()), (&["file".to_owned(), "emotion".to_owned()][..], 0));
            assert_eq!(fields(&list), expected, "{text:?}");
            assert_eq!(list.entries[1].file.to_str(), Some("calls/b, c.wav"));
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
            let list = read(text).unwrap();
            assert_eq!(list.entries.iter().map(|entry| entry.line).collect::<Vec<_>>(), lines, "{text:?}");
        }
    }

    #[test]
    fn rows_keep_all_columns_verbatim() {
        let list = read("id,file,note\n7,a.wav,\"says \"\"no\"\", twice\nthen hangs up\"\n08,/x/b.wav,\n").unwrap();
        let json: Vec<String> = list.entries.iter().map(|entry| serde_json::to_string(&entry.row).unwrap()).collect();
        assert_eq!(json[0], r#"{"id":"7","file":"a.wav","note":"says \"no\", twice\nthen hangs up"}"#);
        assert_eq!(json[1], r#"{"id":"08","file":"/x/b.wav","note":""}"#);
        assert_eq!(list.entries[1].file.to_str(), Some("/x/b.wav"));
    }

    #[test]
    fn semicolons_and_tabs_separate_columns_where_the_header_has_no_comma() {
        for (path, text) in [
            ("t.csv", "file;start;end\na.wav;0,5;1,5\n"),
            ("t.csv", "file\tstart\tend\na.wav\t0.5\t1.5\n"),
            ("t.tsv", "file\tstart\tend\na.wav\t0.5\t1.5\n"),
            ("t.csv", "file,start,end\na.wav,0 days 00:00:00.500000,0 days 00:00:01.5\n"),
        ] {
            let list = read_at(path, text.as_bytes()).unwrap();
            assert_eq!(list.entries[0].span, Some(Span { start_s: 0.5, end_s: Some(1.5) }), "{text}");
        }
        let message = read_at("t.tsv", b"file,age\na.wav,31\n").unwrap_err().to_string();
        assert!(message.contains("`file,age`, read as one column (separated by tabs)"), "{message}");
    }

    #[test]
    fn the_unnamed_index_of_pandas_is_a_column() {
        let list = read(",file,\n0,a.wav,x\n").unwrap();
        assert_eq!(*list.columns, ["index", "file", "column 3"]);
        assert_eq!(*read(",file,index\n0,a.wav,x\n").unwrap().columns, ["index_", "file", "index"]);
    }

    #[test]
    fn invalid_rows_are_named_with_their_lines() {
        let bytes = b"file,start\na,b,c\nd\n\xff,0\nf,0\n ,0\ng,soon\nh,-1\n";
        let list = read_at("t.csv", bytes).unwrap();
        assert_eq!(fields(&list), [(5, vec!["f", "0"])]);
        let found: Vec<_> = list.problems.iter().map(|problem| (problem.line, problem.fault)).collect();
        assert_eq!(found, [(2, Shape), (3, Shape), (4, Encoding), (6, Name), (7, Time), (8, Time)]);
        assert!(
            list.problems[4].message.contains("`start` is `soon`") && list.problems[4].message.ends_with("; or none")
        );
        let message = list.complete().unwrap_err().to_string();
        assert!(message.contains("line 2: 3 fields, but the header has 2 (and 5 more rows)"), "{message}");
    }

    #[test]
    fn an_unclosed_quotation_mark_is_named() {
        let list = read(&format!("file,emotion\n\"a,b\n{}", "c,d\n".repeat(20_000))).unwrap();
        assert!(list.problems[0].message.contains("unclosed quotation mark"), "{:?}", list.problems);
    }

    #[test]
    fn invalid_headers_are_errors() {
        let message = |bytes: &[u8]| read_at("t.csv", bytes).unwrap_err().to_string();
        assert!(message(b"").contains("empty"));
        assert!(message(b"\xef\xbb\xbf").contains("empty"));
        assert!(message(b"file,emotion,File\n").contains("duplicate column `File`"));
        assert!(message(b"RIFF\xff\xff\n").contains("not UTF-8 text"));
        assert!(message(b"\xff\xfef\0").contains("UTF-16"));
        assert!(
            message(b"id,path\n1,a.wav\n")
                .contains("no column `file` for the recordings; it has `id`, `path`; choose one")
        );
        assert!(message(b"file,start_sample\n").contains("counts samples"));
        assert!(message(",".repeat(MAX_COLUMNS + 1).as_bytes()).contains("number of columns"));
    }
}
