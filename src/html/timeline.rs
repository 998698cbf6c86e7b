//! The timeline component of the server's page and of exported pages: JavaScript modules and a
//! style sheet.
//!
//! The server serves the modules one by one. An exported page is a single file that must work from
//! `file://`, where a browser loads no modules, so there they are joined into one inline script by
//! [`inline_script`].
//!
//! | file | concept |
//! |---|---|
//! | `timeline.js` | the component: plot, keys, pointer, zoom, readout |
//! | `rows.js`, `waveform.js`, `turns.js` | what is drawn in it |
//! | `segments.js` | the data that it shows, and how segments are joined |
//! | `player.js` | position and playback |
//! | `reasons.js`, `format.js`, `elements.js` | texts, numbers, elements |
//! | `timeline.css` | its style, with the colours of `../tokens.css` |

/// The modules, each after those that it imports. `reasons.js` also imports `reason-texts.js`,
/// which is generated.
const MODULES: [&str; 9] = [
    include_str!("timeline/elements.js"),
    include_str!("timeline/format.js"),
    include_str!("timeline/reasons.js"),
    include_str!("timeline/segments.js"),
    include_str!("timeline/rows.js"),
    include_str!("timeline/waveform.js"),
    include_str!("timeline/turns.js"),
    include_str!("timeline/player.js"),
    include_str!("timeline/timeline.js"),
];

/// The component's style sheet.
pub(crate) const STYLE: &str = include_str!("timeline/timeline.css");

/// The component and `main`, which uses it, as one module script without imports. `reasons_json`
/// are the texts of the reasons for a missing prediction, by code.
pub(crate) fn inline_script(reasons_json: &str, main: &str) -> String {
    let mut script = format!("const REASONS = {reasons_json};\n");
    for module in MODULES.into_iter().chain([main]) {
        for line in module.lines().filter(|line| !line.starts_with("import ")) {
            script.push_str(line.strip_prefix("export ").unwrap_or(line));
            script.push('\n');
        }
    }
    script
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::collections::BTreeSet;

    /// The name that a line declares at the top level of a module.
    fn declared(line: &str) -> Option<&str> {
        let after = ["function ", "class ", "const ", "let "].iter().find_map(|word| line.strip_prefix(word))?;
        after.split(|c: char| !c.is_alphanumeric() && c != '_').next()
    }

    #[test]
    fn the_joined_modules_import_nothing_and_declare_each_name_once() {
        let script = inline_script("{}", "new Timeline();\n");
        assert!(!script.lines().any(|line| line.starts_with("import") || line.starts_with("export")));
        assert!(!script.contains("</script"));
        let mut names = BTreeSet::new();
        for name in script.lines().filter_map(declared).filter(|name| !name.is_empty()) {
            assert!(names.insert(name), "`{name}` is declared in two modules");
        }
        for name in ["REASONS", "Timeline", "Player", "segmentAt", "percent"] {
            assert!(names.contains(name), "`{name}` is missing");
        }
    }

    #[test]
    fn modules_come_after_those_that_they_import() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/html/timeline/");
        let mut seen = vec!["reason-texts.js".to_owned()];
        for module in MODULES {
            for line in module.lines().filter(|line| line.starts_with("import ")) {
                let name = line.split("'./").nth(1).and_then(|rest| rest.strip_suffix("';")).unwrap();
                assert!(seen.iter().any(|each| each == name), "{name} is imported before its turn: {line}");
            }
            let file = std::fs::read_dir(folder)
                .unwrap()
                .map(|entry| entry.unwrap())
                .find(|entry| std::fs::read_to_string(entry.path()).unwrap() == module);
            seen.push(file.unwrap().file_name().into_string().unwrap());
        }
        let scripts = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        assert_eq!(seen.len(), 1 + scripts.filter(|path| path.extension().is_some_and(|e| e == "js")).count());
    }
}
