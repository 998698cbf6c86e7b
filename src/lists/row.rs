//! The fields of a row by column.

use std::sync::Arc;

use serde::ser::{Serialize, SerializeMap, Serializer};

/// A row: one text per column. In JSON an object in the order of the columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    columns: Arc<[String]>,
    values: Box<[Box<str>]>,
}

impl Row {
    /// A row with one value per column.
    pub fn new<'a>(columns: &Arc<[String]>, values: impl Iterator<Item = &'a str>) -> Self {
        Self { columns: Arc::clone(columns), values: values.map(Into::into).collect() }
    }

    /// Columns and values, in the order of the columns.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.columns.iter().map(String::as_str).zip(self.values())
    }

    /// The values, in the order of the columns.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        self.values.iter().map(|value| &**value)
    }
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(self.values.len()))?;
        for (column, value) in self.iter() {
            map.serialize_entry(column, value)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_serialises_in_the_order_of_its_columns() {
        let columns: Arc<[String]> = ["z", "a"].map(str::to_owned).into();
        let row = Row::new(&columns, ["1", "say \"no\"\n"].into_iter());
        assert_eq!(serde_json::to_string(&row).unwrap(), r#"{"z":"1","a":"say \"no\"\n"}"#);
    }
}
