//! The path in an address of something local: `file:PATH`, `sqlite:PATH`.

use std::path::PathBuf;

/// What follows the scheme, as a path; `file:///tmp/x` means `/tmp/x`, as in other programs.
pub(crate) fn local(text: &str, scheme: &str) -> Result<PathBuf, String> {
    let path = text.strip_prefix(scheme).unwrap_or(text);
    let path = match path.strip_prefix("//") {
        Some(absolute) if absolute.starts_with('/') => absolute,
        Some(_) => {
            return Err(format!(
                "address `{text}` names a host; write it as {scheme}PATH"
            ));
        }
        None => path,
    };
    if path.is_empty() || path == ":memory:" {
        return Err(format!(
            "address `{text}` names no file; write it as {scheme}PATH"
        ));
    }
    Ok(path.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_follow_the_scheme() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(
                local(text, "file:").ok(),
                expected.map(PathBuf::from),
                "{text}"
            );
        };
        check("file:a/b.jsonl", Some("a/b.jsonl"));
        check("file:/tmp/x", Some("/tmp/x"));
        check("file:///tmp/x", Some("/tmp/x"));
        check("file://x", None);
        check("file:", None);
        check("file::memory:", None);
    }
}
