//! Parts of the help that several commands share.

/// Order of a help page: what the command does, examples, usage, then everything else.
pub(super) const TEMPLATE: &str =
    "{about-with-newline}\n{before-help}{usage-heading} {usage}\n\n{all-args}{after-help}";
