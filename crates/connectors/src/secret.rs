//! Where secrets come from: the environment or a file, so that no secret is an argument.

/// What `env:NAME` or `file:PATH` stands for; `None` for any other text.
///
/// Fails with a sentence that names the place, never what it holds.
pub(crate) fn read(place: &str) -> Result<Option<String>, String> {
    let secret = if let Some(name) = place.strip_prefix("env:") {
        std::env::var(name).map_err(|_| format!("environment variable {name} is not set"))?
    } else if let Some(path) = place.strip_prefix("file:") {
        std::fs::read_to_string(path).map_err(|cause| format!("cannot read {path}: {cause}"))?
    } else {
        return Ok(None);
    };
    match secret.trim() {
        "" => Err(format!("{place} is empty")),
        secret => Ok(Some(secret.to_owned())),
    }
}
