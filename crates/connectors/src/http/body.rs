//! What a save sends: the result as it is, as JSON, or as a field of a form.

use bytes::Bytes;
use inflight::{Fault, Record};

use crate::columns;
use crate::nearest::unknown;
use crate::payload::Payload;

use super::template::encode;

/// How a result becomes the body of a request.
pub(super) enum BodyMode {
    /// Its bytes.
    Raw,
    /// `{"index":I,"result":"R"}`.
    Json,
    /// `FIELD=R`, both percent-encoded; holds the encoded `FIELD=`.
    Form(Vec<u8>),
}

impl BodyMode {
    /// Reads `raw`, `json` or `form:FIELD`.
    pub(super) fn parse(text: &str) -> Result<BodyMode, String> {
        match (text, text.strip_prefix("form:")) {
            ("raw", _) => Ok(BodyMode::Raw),
            ("json", _) => Ok(BodyMode::Json),
            (_, Some("")) => Err("body `form:` names no field; write it as form:FIELD".into()),
            (_, Some(field)) => {
                let mut start = Vec::new();
                encode(field.as_bytes(), &mut start);
                start.push(b'=');
                Ok(BodyMode::Form(start))
            }
            _ => Err(unknown("body", text, &["raw", "json", "form:FIELD"])),
        }
    }

    pub(super) fn content_type(&self) -> &'static str {
        match self {
            BodyMode::Raw => "application/octet-stream",
            BodyMode::Json => "application/json",
            BodyMode::Form(_) => "application/x-www-form-urlencoded",
        }
    }

    /// Fails permanently when the result has no such form.
    pub(super) fn body(&self, record: &Record<Payload>) -> Result<Bytes, Fault> {
        match self {
            BodyMode::Raw => Ok(record.value.bytes().clone()),
            BodyMode::Json => {
                let mut body = Vec::with_capacity(record.value.bytes().len() + 64);
                columns::write(record, &mut body)?;
                Ok(body.into())
            }
            BodyMode::Form(start) => {
                let mut body = start.clone();
                encode(record.value.bytes(), &mut body);
                Ok(body.into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(mode: &str, result: &str, expected: &str) {
        let record = Record::new(3, Payload::read(result.to_owned()));
        let body = BodyMode::parse(mode).unwrap().body(&record).unwrap();
        assert_eq!(body, expected, "{mode}");
    }

    #[test]
    fn bodies_take_the_form_asked_for() {
        check("raw", "a b", "a b");
        check("json", "a\"b", r#"{"index":3,"result":"a\"b"}"#);
        check("form:x y", "a&b", "x%20y=a%26b");
        let message = BodyMode::parse("jsonn").err().unwrap();
        assert!(message.contains("did you mean `json`"), "{message}");
        assert!(BodyMode::parse("form:").is_err());
    }
}
