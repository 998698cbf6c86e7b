//! `COLUMN=VALUE`: which rows of a table are asked for.

use std::collections::BTreeSet;

use crate::error::{Error, Result};

use super::records::{Record, Records};

/// Rows whose column holds the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// Name of the column.
    pub column: String,
    /// Its value, without surrounding blanks.
    pub value: String,
}

impl Condition {
    /// From `COLUMN=VALUE`.
    ///
    /// # Errors
    /// [`Error::Config`] for a text without `=` or without a column.
    pub fn parse(text: &str) -> Result<Self> {
        match text.split_once('=').map(|(column, value)| (column.trim(), value.trim())) {
            Some((column, value)) if !column.is_empty() => Ok(Self { column: column.into(), value: value.into() }),
            _ => Err(Error::Config(format!("`{text}`: COLUMN=VALUE was expected, such as fold_actor=0"))),
        }
    }
}

/// Index of a column by its name, whatever its case.
pub(super) fn column(columns: &[String], name: &str) -> Option<usize> {
    columns.iter().position(|column| column.eq_ignore_ascii_case(name))
}

/// The records that hold one of the values asked for in each of the columns asked for.
///
/// # Errors
/// [`Error::Config`] for an unknown column, or where no record is left, with the values that there are.
pub(super) fn select(table: &Records, conditions: &[Condition]) -> Result<Vec<Record>> {
    let mut asked: Vec<(usize, Vec<&str>)> = Vec::new();
    for condition in conditions {
        let Some(index) = column(&table.columns, &condition.column) else {
            let (name, known) = (&condition.column, table.columns.join(", "));
            return Err(Error::Config(format!("no column `{name}` to select by; the table has {known}")));
        };
        match asked.iter_mut().find(|(other, _)| *other == index) {
            Some((_, values)) => values.push(&condition.value),
            None => asked.push((index, vec![&condition.value])),
        }
    }
    let holds = |record: &Record| asked.iter().all(|(index, values)| values.contains(&record.fields[*index].as_str()));
    let selected: Vec<Record> = table.rows.iter().filter(|record| holds(record)).cloned().collect();
    if selected.is_empty() { Err(nothing(table, &asked)) } else { Ok(selected) }
}

fn nothing(table: &Records, asked: &[(usize, Vec<&str>)]) -> Error {
    if asked.is_empty() {
        return Error::Config("the table has no rows that can be used".into());
    }
    let told = asked.iter().map(|(index, values)| {
        let there: BTreeSet<&str> = table.rows.iter().map(|record| record.fields[*index].as_str()).collect();
        let some: Vec<&str> = there.iter().take(10).copied().collect();
        let more = if there.len() > some.len() { ", …" } else { "" };
        format!("{}={} (the table has {}{more})", table.columns[*index], values.join("|"), some.join(", "))
    });
    Error::Config(format!("no row has {}", told.collect::<Vec<_>>().join(" and ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Records {
        let rows = [["a", "0", "x"], ["b", "1", "x"], ["c", "2", "y"]];
        let records = rows.iter().zip(2..).map(|(r, line)| Record { line, fields: r.map(String::from).to_vec() });
        let columns = ["file", "fold", "sex"].map(String::from).to_vec();
        Records { columns, rows: records.collect(), problems: vec![] }
    }

    fn lines(conditions: &[&str]) -> Result<Vec<u64>> {
        let conditions: Vec<_> = conditions.iter().map(|text| Condition::parse(text).unwrap()).collect();
        Ok(select(&table(), &conditions)?.iter().map(|record| record.line).collect())
    }

    #[test]
    fn columns_are_all_asked_for_and_values_any() {
        assert_eq!(lines(&[]).unwrap(), [2, 3, 4]);
        assert_eq!(lines(&["Fold=1"]).unwrap(), [3]);
        assert_eq!(lines(&["fold=0", "fold = 1", "sex=x"]).unwrap(), [2, 3]);
        assert_eq!(lines(&["fold=2", "fold=1", "sex=x"]).unwrap(), [3]);
    }

    #[test]
    fn what_selects_nothing_says_what_there_is() {
        let message = |conditions: &[&str]| lines(conditions).unwrap_err().to_string();
        assert!(message(&["fold=9"]).contains("fold=9 (the table has 0, 1, 2)"));
        assert!(message(&["age=9"]).contains("no column `age`") && message(&["age=9"]).contains("file, fold, sex"));
        assert!(Condition::parse("fold").is_err() && Condition::parse("=1").is_err());
    }
}
