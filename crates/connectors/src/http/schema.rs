//! The shape that answers must have, as a JSON Schema: the same as `--fail-if`, for shape. The only file that knows boon.

use std::fs;
use std::sync::Arc;

use boon::{Compiler, SchemaIndex, Schemas};
use serde_json::Value;
use xxhash_rust::xxh3::xxh3_128;

use crate::error::Error;

/// Places of a value at which something is wrong, as far as they are told.
const TOLD_MAX: usize = 3;

/// A JSON Schema, read from a file and compiled once. Drafts 4, 6, 7, 2019-09 and 2020-12 by its `$schema`, the last where it has none; a
/// `$ref` may lead to files.
///
/// ```
/// use inflight_connectors::AnswerSchema;
///
/// let path = std::env::temp_dir().join(format!("inflight-schema-{}.json", std::process::id()));
/// std::fs::write(&path, r#"{"required": ["id"], "properties": {"id": {"type": "integer"}}}"#)?;
/// let schema = AnswerSchema::read(path.to_str().unwrap())?;
/// assert_eq!(schema.check(br#"{"id": 7}"#), Ok(()));
/// assert_eq!(schema.check(br#"{"id": "7"}"#).unwrap_err(), "at '/id': want integer, but got string");
/// # std::fs::remove_file(&path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct AnswerSchema(Arc<Compiled>);

struct Compiled {
    path: String,
    /// Of what the file held.
    hash: u128,
    schemas: Schemas,
    root: SchemaIndex,
}

impl AnswerSchema {
    /// Reads and compiles the schema in a file.
    ///
    /// # Errors
    /// A sentence that names the file and what is wrong: it cannot be read, is no JSON, or no schema.
    pub fn read(path: &str) -> Result<AnswerSchema, Error> {
        let text =
            fs::read_to_string(path).map_err(|cause| format!("cannot read {path}: {cause}"))?;
        let value: Value =
            serde_json::from_str(&text).map_err(|cause| format!("{path} is no JSON: {cause}"))?;
        let wrong = |cause: String| format!("{path} is no JSON Schema: {cause}");
        let mut compiler = Compiler::new();
        let mut schemas = Schemas::new();
        compiler
            .add_resource(path, value)
            .map_err(|cause| wrong(cause.to_string()))?;
        let compiled = compiler.compile(path, &mut schemas);
        let root = compiled.map_err(|cause| wrong(places(&format!("{cause:#}"))))?;
        Ok(AnswerSchema(Arc::new(Compiled {
            path: path.to_owned(),
            hash: xxh3_128(text.as_bytes()),
            schemas,
            root,
        })))
    }

    /// The file, as typed.
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// What tells this schema from others, also when a file of the same name holds something else.
    pub fn identity(&self) -> String {
        format!("{} {:032x}", self.0.path, self.0.hash)
    }

    /// Whether an answer has this shape.
    ///
    /// # Errors
    /// The places at which it has another, and what is wanted there.
    pub fn check(&self, answer: &[u8]) -> Result<(), String> {
        let value: Value =
            serde_json::from_slice(answer).map_err(|cause| format!("it is no JSON: {cause}"))?;
        let Compiled { schemas, root, .. } = &*self.0;
        let checked = schemas.validate(&value, *root);
        checked.map_err(|cause| places(&cause.to_string()))
    }
}

impl std::fmt::Debug for AnswerSchema {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("AnswerSchema").field(&self.path()).finish()
    }
}

/// The lines of a message that name a place, in one; the whole message where it has none.
fn places(message: &str) -> String {
    let lines = message.lines().map(str::trim);
    let told: Vec<&str> = lines
        .filter_map(|line| line.strip_prefix("- "))
        .take(TOLD_MAX)
        .collect();
    match told.is_empty() {
        true => message.replace('\n', " "),
        false => told.join("; "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(text: &str) -> Result<AnswerSchema, Error> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        AnswerSchema::read(file.path().to_str().unwrap())
    }

    #[test]
    fn an_answer_of_another_shape_is_told_with_its_place() {
        let shape = schema(
            r#"{"type": "object", "required": ["choices"], "properties": {"choices": {"minItems": 1, "items": {"required": ["text"]}}}}"#,
        )
        .unwrap();
        assert_eq!(shape.check(br#"{"choices": [{"text": "a"}]}"#), Ok(()));
        let check = |answer: &str, part: &str| {
            let why = shape.check(answer.as_bytes()).unwrap_err();
            assert!(why.contains(part), "{answer}: {why}");
            assert!(!why.contains('\n') && !why.contains("file:"), "{why}");
        };
        check("{}", "choices");
        check(r#"{"choices": []}"#, "at '/choices'");
        check(r#"{"choices": [{"text": 1}, {}]}"#, "at '/choices/1'");
        check("[]", "want object");
        check("half {", "no JSON");
    }

    #[test]
    fn what_is_no_schema_is_refused_before_anything_is_sent() {
        for (text, part) in [
            ("{", "no JSON"),
            (r#"{"type": "objekt"}"#, "no JSON Schema"),
            (r#"{"$ref": "no-such-file.json"}"#, "no-such-file.json"),
        ] {
            let why = schema(text).unwrap_err().to_string();
            assert!(why.contains(part), "{text}: {why}");
        }
        let why = AnswerSchema::read("no/such/file").unwrap_err();
        assert!(
            why.to_string().contains("cannot read no/such/file"),
            "{why}"
        );
    }
}
