//! Which folder of the command line may use which: what is typed flows one way, to what is shown.

use std::path::{Component, Path};

const SOURCE: &str = "crates/cli/src";

/// Each may use those before it. A file beside the folders goes by its own name.
const ORDER: [&str; 9] = [
    "error", "exit", "flags", "terminal", "job", "keep", "show", "commands", "embed",
];

/// What is wrong with a Rust file of the command line; nothing of any other.
pub(crate) fn check(name: &Path, text: &str) -> Vec<String> {
    let Some(own) = folder(name) else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim_start().starts_with("#[cfg(test)]") {
            // Tests come last, and may borrow from each other.
            break;
        }
        for used in line.split("crate::").skip(1) {
            let used = used
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .next();
            if let Some(used) = used.and_then(place).filter(|used| *used > own) {
                findings.push(format!(
                    "line {number}: {} may not use {}: the order is {}",
                    ORDER[own],
                    ORDER[used],
                    ORDER.join(", ")
                ));
            }
        }
    }
    findings
}

fn place(name: &str) -> Option<usize> {
    ORDER.iter().position(|folder| *folder == name)
}

/// Where the folder of a file stands in the order.
fn folder(name: &Path) -> Option<usize> {
    let inner = name.strip_prefix(SOURCE).ok()?;
    let Component::Normal(first) = inner.components().next()? else {
        return None;
    };
    place(first.to_str()?.trim_end_matches(".rs"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(name: &str, text: &str) -> usize {
        check(Path::new(name), text).len()
    }

    #[test]
    fn a_folder_uses_those_before_it() {
        let check = |file: &str, used: &str, expected| {
            let text = format!("//! A file.\nuse crate::{used}::thing;\n");
            let file = format!("crates/cli/src/{file}");
            assert_eq!(findings(&file, &text), expected, "{file} uses {used}");
        };
        check("show/table.rs", "job", 0);
        check("show/table.rs", "show", 0);
        check("show/report/html.rs", "commands", 1);
        check("job/work.rs", "keep", 1);
        check("flags/args.rs", "error", 0);
        check("error.rs", "exit", 1);
        check("main.rs", "commands", 0);
        check("simulate/world.rs", "simulate", 0);
        assert_eq!(findings("crates/lab/src/job.rs", "use crate::show::x;"), 0);
    }

    #[test]
    fn tests_may_borrow() {
        let text = "//! A file.\n#[cfg(test)]\nmod tests {\n    use crate::show::thing;\n}\n";
        assert_eq!(findings("crates/cli/src/keep/state.rs", text), 0);
    }
}
