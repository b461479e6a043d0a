//! Links of Markdown files that point into the repository: each must lead somewhere.

use std::path::{Component, Path, PathBuf};

/// Links that lead nowhere; `exists` is asked about paths from the root.
pub(crate) fn check(name: &Path, text: &str, exists: &dyn Fn(&Path) -> bool) -> Vec<String> {
    let folder = name.parent().unwrap_or(Path::new(""));
    let mut findings = Vec::new();
    let mut is_code = false;
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        }
        if is_code {
            continue;
        }
        let dead = targets(line)
            .filter_map(path_in_repository)
            .filter(|path| !normal(&folder.join(path)).is_some_and(|path| exists(&path)));
        findings.extend(dead.map(|path| format!("line {number}: no such file: {path}")));
    }
    findings
}

/// What stands in the round brackets of `[text](target)`, without a title; inline code holds no links.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    let prose = line.split('`').step_by(2);
    prose.flat_map(|prose| {
        prose
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split([')', ' ']).next())
    })
}

/// The path of a link that points to a file of ours.
fn path_in_repository(target: &str) -> Option<&str> {
    let path = target.split('#').next().unwrap_or(target);
    let leaves = target.contains("://") || target.starts_with("mailto:");
    (!leaves && !path.is_empty()).then_some(path)
}

/// The path without `.` and `..`; none when it leaves the repository.
fn normal(path: &Path) -> Option<PathBuf> {
    let mut whole = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => whole.push(name),
            Component::CurDir => {}
            Component::ParentDir => {
                if !whole.pop() {
                    return None;
                }
            }
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dead(text: &str) -> Vec<String> {
        check(Path::new("docs/page.md"), text, &|path| {
            [Path::new("README.md"), Path::new("docs/other.md")].contains(&path)
        })
    }

    #[test]
    fn links_are_read_from_the_folder_of_their_file() {
        assert!(
            dead("[a](../README.md), [b](other.md#part) and [c](./other.md \"title\")").is_empty()
        );
        assert_eq!(
            dead("\n[a](README.md)"),
            ["line 2: no such file: README.md"]
        );
        assert_eq!(dead("[a](../../README.md)").len(), 1);
    }

    #[test]
    fn what_points_elsewhere_is_left_alone() {
        assert!(dead("[a](https://example.org/x) [b](#part) [c](mailto:a@example.org)").is_empty());
    }

    #[test]
    fn code_holds_no_links() {
        assert!(dead("`[a](b)`\n```\n[a](b)\n```\n").is_empty());
        assert_eq!(dead("`code` [a](b) `code`").len(), 1);
    }
}
