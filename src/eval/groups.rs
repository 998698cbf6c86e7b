//! Groups that are evaluated separately: by a column of the table, or by age band.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Error, Result};

use super::row_filter::column;
use super::table::{Row, Table};

/// Default grouping columns, where the table has them; `sex` means the gender column.
const DEFAULT: [&str; 5] = ["sex", AGE_BAND, "race", "emotion", "sentence"];
/// Name of the age bands, like that of a column.
pub(super) const AGE_BAND: &str = "age_band";
/// Maximum number of groups of one column. A column with more contains names or numbers, not
/// groups.
const MAX_GROUPS: usize = 100;

/// What determines a row's group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    AgeBand,
    Emotion,
    Gender,
    Field(usize),
}

/// A partition of the rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Grouping {
    /// Name of the column.
    pub(super) column: String,
    /// Indices into the list of rows, in order, by group name.
    pub(super) groups: BTreeMap<String, Vec<usize>>,
}

/// The requested groupings, or the default ones if none is requested, and warnings about skipped
/// default ones.
///
/// # Errors
/// [`Error::Usage`] for a requested column that does not exist or has too many values.
pub(super) fn groupings(
    table: &Table,
    rows: &[&Row],
    labels: [&[String]; 2],
    requested: &[String],
) -> Result<(Vec<Grouping>, Vec<String>)> {
    let (mut groupings, mut warnings) = (Vec::<Grouping>::new(), Vec::new());
    let by_default = requested.is_empty();
    let names: Vec<&str> = if by_default { DEFAULT.to_vec() } else { requested.iter().map(String::as_str).collect() };
    for name in names {
        let Some((column, by)) = find(table, name) else {
            if by_default {
                continue;
            }
            let has = table.columns.join(", ");
            return Err(Error::Usage(format!(
                "no column `{name}` to group by; the table has {has} and, if it has ages, {AGE_BAND}"
            )));
        };
        let grouping = Grouping { column, groups: members(rows, by, labels) };
        let many = grouping.groups.len();
        if many > MAX_GROUPS {
            let what = format!("the column `{name}` has {many} values, more than the maximum of {MAX_GROUPS} groups");
            if !by_default {
                return Err(Error::Usage(what));
            }
            warnings.push(format!("{what}; it is skipped"));
        } else if !groupings.contains(&grouping) {
            groupings.push(grouping);
        }
    }
    Ok((groupings, warnings))
}

fn find(table: &Table, name: &str) -> Option<(String, By)> {
    let roles = table.roles;
    let index = column(&table.columns, name);
    let label = |index: usize, by| Some((table.columns[index].clone(), by));
    match (index, name) {
        (None, AGE_BAND) => roles.age.map(|_| (AGE_BAND.to_owned(), By::AgeBand)),
        (None, "sex" | "gender") => label(roles.gender?, By::Gender),
        (Some(index), _) if roles.gender == Some(index) => label(index, By::Gender),
        (Some(index), _) if roles.emotion == Some(index) => label(index, By::Emotion),
        (Some(index), _) => label(index, By::Field(index)),
        (None, _) => None,
    }
}

fn members(rows: &[&Row], by: By, [emotions, genders]: [&[String]; 2]) -> BTreeMap<String, Vec<usize>> {
    let mut groups = BTreeMap::<String, Vec<usize>>::new();
    for (at, row) in rows.iter().enumerate() {
        let name = match by {
            By::AgeBand => row.age.map(age_band),
            By::Emotion => row.emotion.map(|index| emotions[index].clone()),
            By::Gender => row.gender.map(|index| genders[index].clone()),
            By::Field(index) => Some(row.fields[index].clone()),
        };
        if let Some(name) = name {
            groups.entry(if name.is_empty() { "(empty)".into() } else { name }).or_default().push(at);
        }
    }
    groups
}

/// `20-29`; ages under 20 and from 70 are one band each.
fn age_band(years: f64) -> String {
    match years {
        young if young < 20.0 => "under 20".into(),
        old if old >= 70.0 => "70 and over".into(),
        other => {
            let decade = (other / 10.0).floor() * 10.0;
            format!("{decade}-{}", decade + 9.0)
        }
    }
}

/// The speakers of these rows.
pub(super) fn speakers<'a>(rows: impl IntoIterator<Item = &'a Row>) -> BTreeSet<&'a str> {
    rows.into_iter().filter_map(|row| row.speaker.as_deref()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_are_decades() {
        let bands = [19.9, 20.0, 29.5, 30.0, 69.0, 70.0, 93.0].map(age_band);
        assert_eq!(bands, ["under 20", "20-29", "20-29", "30-39", "60-69", "70 and over", "70 and over"]);
    }

    fn row(emotion: usize, age: Option<f64>, fields: [&str; 3]) -> Row {
        let fields = fields.map(String::from).to_vec();
        Row {
            line: 1,
            clip: "c".into(),
            file: "c".into(),
            span: None,
            emotion: Some(emotion),
            gender: None,
            age,
            speaker: None,
            fields,
        }
    }

    fn table() -> Table {
        use crate::eval::table::{Selection, tests::aliases};
        let path = std::env::temp_dir().join(format!("persona-engine-{}-groups.csv", std::process::id()));
        std::fs::write(&path, "file,emotion,age\na,ANG,1\n").unwrap();
        let table = Table::read(&path, "file", &Selection::default(), &aliases(), |_, clip| Ok(clip.into())).unwrap();
        std::fs::remove_file(path).unwrap();
        table
    }

    #[test]
    fn default_groups_are_the_ones_in_the_table() {
        let labels = ["anger", "sadness"].map(String::from);
        let rows = [
            row(0, Some(25.0), ["a", "ANG", "25"]),
            row(1, None, ["b", "SAD", ""]),
            row(0, Some(27.0), ["c", "angry", "27"]),
        ];
        let rows: Vec<&Row> = rows.iter().collect();
        let (groupings, warnings) = groupings(&table(), &rows, [&labels, &[]], &[]).unwrap();
        assert!(warnings.is_empty());
        let names: Vec<_> = groupings.iter().map(|g| g.column.as_str()).collect();
        assert_eq!(names, ["age_band", "emotion"]);
        assert_eq!(groupings[0].groups, BTreeMap::from([("20-29".into(), vec![0, 2])]));
        assert_eq!(groupings[1].groups, BTreeMap::from([("anger".into(), vec![0, 2]), ("sadness".into(), vec![1])]));
    }

    #[test]
    fn requested_groups_must_exist_and_be_few() {
        let rows: Vec<Row> = (0..=MAX_GROUPS).map(|i| row(0, None, [&format!("{i}.wav"), "ANG", ""])).collect();
        let rows: Vec<&Row> = rows.iter().collect();
        let labels = ["anger".to_owned()];
        let request = |name: &str| groupings(&table(), &rows, [&labels, &[]], &[name.into()]);
        assert!(request("race").unwrap_err().to_string().contains("no column `race`"));
        assert!(request("file").unwrap_err().to_string().contains("101 values"));
        assert_eq!(
            request("age").unwrap().0[0].groups,
            BTreeMap::from([("(empty)".into(), (0..=MAX_GROUPS).collect())])
        );
    }
}
