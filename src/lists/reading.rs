//! How a list is read.

/// How a list is read.
#[derive(Debug, Clone, Copy)]
pub struct Reading<'a> {
    /// The column of a table that names the recording.
    pub file_column: &'a str,
    /// Whether every row is about its whole recording, whatever times the list states.
    pub whole_files: bool,
    /// What to do where the table has no such column, in the words of the caller's interface. It
    /// ends the message.
    pub column_hint: &'a str,
    /// The same where the times of a row cannot be read.
    pub time_hint: &'a str,
}

impl Default for Reading<'_> {
    fn default() -> Self {
        Self { file_column: "file", whole_files: false, column_hint: "", time_hint: "" }
    }
}
