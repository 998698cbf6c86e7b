//! The `persona-engine` program.

fn main() {}
