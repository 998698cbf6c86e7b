//! Row filters `COLUMN=VALUE`: select rows of a table.

use std::collections::BTreeSet;

use crate::error::{Error, Result};

use super::records::{Record, Records};

/// Selects the rows whose column contains the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowFilter {
    /// Name of the column.
    pub column: String,
    /// Value, without surrounding blanks.
    pub value: String,
}

impl RowFilter {
    /// Parses `COLUMN=VALUE`.
    ///
    /// # Errors
    /// [`Error::Usage`] for a text without `=` or without a column.
    pub fn parse(text: &str) -> Result<Self> {
        match text.split_once('=').map(|(column, value)| (column.trim(), value.trim())) {
            Some((column, value)) if !column.is_empty() => Ok(Self { column: column.into(), value: value.into() }),
            _ => Err(Error::Usage(format!("`{text}`: expected COLUMN=VALUE, such as fold_actor=0"))),
        }
    }
}

/// Index of a column by its name, ignoring case.
pub(super) fn column(columns: &[String], name: &str) -> Option<usize> {
    columns.iter().position(|column| column.eq_ignore_ascii_case(name))
}

/// The records that contain, in each filtered column, one of the values given for it.
///
/// # Errors
/// [`Error::Usage`] for an unknown column, or if no record is left, with the values that exist.
/// [`Error::Malformed`] for a table without rows.
pub(super) fn select(table: &Records, filters: &[RowFilter]) -> Result<Vec<Record>> {
    let mut wanted: Vec<(usize, Vec<&str>)> = Vec::new();
    for filter in filters {
        let Some(index) = column(&table.columns, &filter.column) else {
            let (name, known) = (&filter.column, table.columns.join(", "));
            return Err(Error::Usage(format!("no column `{name}` to filter by; the table has {known}")));
        };
        match wanted.iter_mut().find(|(other, _)| *other == index) {
            Some((_, values)) => values.push(&filter.value),
            None => wanted.push((index, vec![&filter.value])),
        }
    }
    let matches =
        |record: &Record| wanted.iter().all(|(index, values)| values.contains(&record.fields[*index].as_str()));
    let selected: Vec<Record> = table.rows.iter().filter(|record| matches(record)).cloned().collect();
    if selected.is_empty() { Err(nothing_selected(table, &wanted)) } else { Ok(selected) }
}

fn nothing_selected(table: &Records, wanted: &[(usize, Vec<&str>)]) -> Error {
    if wanted.is_empty() {
        return Error::malformed("table", "it has no rows");
    }
    let parts = wanted.iter().map(|(index, values)| {
        let existing: BTreeSet<&str> = table.rows.iter().map(|record| record.fields[*index].as_str()).collect();
        let some: Vec<&str> = existing.iter().take(10).copied().collect();
        let more = if existing.len() > some.len() { ", …" } else { "" };
        format!("{}={} (the table has {}{more})", table.columns[*index], values.join("|"), some.join(", "))
    });
    Error::Usage(format!("no row has {}", parts.collect::<Vec<_>>().join(" and ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Records {
        let rows = [["a", "0", "x"], ["b", "1", "x"], ["c", "2", "y"]];
        let records = rows.iter().zip(2..).map(|(fields, line)| Record {
            line,
            fields: fields.map(String::from).to_vec(),
            file: fields[0].into(),
            span: None,
        });
        let columns = ["file", "fold", "sex"].map(String::from).to_vec();
        let (problems, warnings) = (vec![], vec![]);
        Records { columns, clip: 0, rows: records.collect(), problems, warnings, decimal_comma: false }
    }

    fn lines(filters: &[&str]) -> Result<Vec<u64>> {
        let filters: Vec<_> = filters.iter().map(|text| RowFilter::parse(text).unwrap()).collect();
        Ok(select(&table(), &filters)?.iter().map(|record| record.line).collect())
    }

    #[test]
    fn columns_are_combined_by_and_values_by_or() {
        assert_eq!(lines(&[]).unwrap(), [2, 3, 4]);
        assert_eq!(lines(&["Fold=1"]).unwrap(), [3]);
        assert_eq!(lines(&["fold=0", "fold = 1", "sex=x"]).unwrap(), [2, 3]);
        assert_eq!(lines(&["fold=2", "fold=1", "sex=x"]).unwrap(), [3]);
    }

    #[test]
    fn an_empty_selection_names_the_existing_values() {
        let message = |filters: &[&str]| lines(filters).unwrap_err().to_string();
        assert!(message(&["fold=9"]).contains("fold=9 (the table has 0, 1, 2)"));
        assert!(message(&["age=9"]).contains("no column `age`") && message(&["age=9"]).contains("file, fold, sex"));
        assert!(RowFilter::parse("fold").is_err() && RowFilter::parse("=1").is_err());
    }
}
