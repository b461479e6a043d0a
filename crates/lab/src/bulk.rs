//! The bulk face: many documents in one request, each with an answer of its own, as search engines take them (`_bulk`).
//!
//! A line says what is to be done, the next one holds the document. Fields have the type of their first value, so that a document
//! that does not fit is refused, and no other. Pure.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::things::{Things, Written};

/// What fields hold, by their names.
#[derive(Debug, Default)]
pub(crate) struct Mapping(BTreeMap<String, FieldKind>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FieldKind {
    Number,
    Boolean,
    Text,
    Object,
}

/// What is to be done with a document.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Action {
    Index(About),
    Create(About),
    Update(About),
    Delete(About),
}

#[derive(Debug, Default, Deserialize)]
struct About {
    _id: Option<Value>,
}

/// The answers to a whole request.
pub(crate) struct Answers {
    /// The documents that were kept, as they were sent.
    pub(crate) kept: Vec<Vec<u8>>,
    /// What is answered.
    pub(crate) body: Value,
}

/// Does what a request asks for.
///
/// Fails with what is wrong with the request as a whole; nothing of it is done then.
pub(crate) fn answer(
    things: &mut Things,
    mapping: &mut Mapping,
    body: &[u8],
) -> Result<Answers, String> {
    let Some(lines) = body.strip_suffix(b"\n") else {
        return Err("The bulk request must be terminated by a newline [\\n]".into());
    };
    let mut lines = lines.split(|byte| *byte == b'\n');
    let mut asked = Vec::new();
    while let Some(line) = lines.next() {
        let action: Action = serde_json::from_slice(line).map_err(|cause| {
            format!(
                "Malformed action/metadata line [{}], {cause}",
                asked.len() * 2 + 1
            )
        })?;
        let document = match action {
            Action::Delete(_) => &[][..],
            _ => lines
                .next()
                .ok_or("Validation Failed: 1: no document follows the last action;")?,
        };
        asked.push((action, document));
    }
    let (mut items, mut kept, mut errors) = (Vec::new(), Vec::new(), false);
    for (place, (action, document)) in asked.into_iter().enumerate() {
        let (name, about) = match &action {
            Action::Index(about) => ("index", about),
            Action::Create(about) => ("create", about),
            Action::Update(about) => ("update", about),
            Action::Delete(about) => ("delete", about),
        };
        let id = match &about._id {
            Some(Value::String(id)) => id.clone(),
            Some(other) => other.to_string(),
            None => format!("auto-{}-{place}", things.len()),
        };
        let done = match action {
            Action::Delete(_) => delete(things, &id),
            Action::Update(_) => update(things, mapping, &id, document),
            Action::Create(_) if things.get(&id).is_some() => Err((
                409,
                "version_conflict_engine_exception",
                format!("[{id}]: document already exists"),
            )),
            Action::Index(_) | Action::Create(_) => index(things, mapping, &id, document),
        };
        let item = match done {
            Ok((status, result)) => {
                if status < 300 && !document.is_empty() {
                    kept.push(document.to_vec());
                }
                json!({"_id": id, "status": status, "result": result})
            }
            Err((status, kind, reason)) => {
                errors = true;
                json!({"_id": id, "status": status, "error": {"type": kind, "reason": reason}})
            }
        };
        items.push(json!({ name: item }));
    }
    Ok(Answers {
        kept,
        body: json!({"took": 0, "errors": errors, "items": items}),
    })
}

/// Status and result, or status, type and reason of a refusal.
type Done = Result<(u16, &'static str), (u16, &'static str, String)>;

fn delete(things: &mut Things, id: &str) -> Done {
    Ok(match things.delete(id) {
        true => (200, "deleted"),
        false => (404, "not_found"),
    })
}

fn index(things: &mut Things, mapping: &mut Mapping, id: &str, document: &[u8]) -> Done {
    let object = object(document)?;
    mapping.take(&object)?;
    written(things.put(id, document))
}

fn update(things: &mut Things, mapping: &mut Mapping, id: &str, document: &[u8]) -> Done {
    let mut object = object(document)?;
    let Some(Value::Object(change)) = object.remove("doc") else {
        return Err((
            400,
            "action_request_validation_exception",
            "script or doc is missing".into(),
        ));
    };
    mapping.take(&change)?;
    let change = serde_json::to_vec(&change).expect("plain data is always valid JSON");
    written(things.patch(id, &change))
}

fn object(document: &[u8]) -> Result<Map<String, Value>, (u16, &'static str, String)> {
    serde_json::from_slice(document).map_err(|cause| {
        (
            400,
            "mapper_parsing_exception",
            format!("failed to parse: {cause}"),
        )
    })
}

fn written(written: Written) -> Done {
    match written {
        Written::Created(_) => Ok((201, "created")),
        Written::Replaced(_) => Ok((200, "updated")),
        Written::Missing => Err((404, "document_missing_exception", "document missing".into())),
        Written::NoObject => Err((400, "mapper_parsing_exception", "failed to parse".into())),
        Written::Full => Err((
            429,
            "es_rejected_execution_exception",
            "there is no room for more".into(),
        )),
    }
}

impl Mapping {
    /// Whether each field fits what was seen of it; what is new is remembered.
    fn take(&mut self, document: &Map<String, Value>) -> Result<(), (u16, &'static str, String)> {
        for (name, value) in document {
            let value = match value {
                Value::Array(values) => values.first().unwrap_or(&Value::Null),
                value => value,
            };
            let Some(kind) = FieldKind::of(value) else {
                continue;
            };
            let known = *self.0.entry(name.clone()).or_insert(kind);
            if !known.takes(value) {
                let known = format!("{known:?}").to_lowercase();
                let reason = format!("failed to parse field [{name}] of type [{known}]");
                return Err((400, "mapper_parsing_exception", reason));
            }
        }
        Ok(())
    }
}

impl FieldKind {
    fn of(value: &Value) -> Option<FieldKind> {
        match value {
            Value::Null | Value::Array(_) => None,
            Value::Bool(_) => Some(FieldKind::Boolean),
            Value::Number(_) => Some(FieldKind::Number),
            Value::String(_) => Some(FieldKind::Text),
            Value::Object(_) => Some(FieldKind::Object),
        }
    }

    /// Whether a value is one of this kind, or can be read as one.
    fn takes(self, value: &Value) -> bool {
        match (self, value) {
            (_, Value::Null) => true,
            (FieldKind::Number, Value::String(text)) => text.parse::<f64>().is_ok(),
            (FieldKind::Number, value) => value.is_number(),
            (FieldKind::Boolean, Value::String(text)) => text == "true" || text == "false",
            (FieldKind::Boolean, value) => value.is_boolean(),
            (FieldKind::Text, value) => !value.is_object(),
            (FieldKind::Object, value) => value.is_object(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_document_has_an_answer_of_its_own() {
        let (mut things, mut mapping) = (Things::default(), Mapping::default());
        let mut check = |body: &str, expected: &[u64]| {
            let answers = answer(&mut things, &mut mapping, body.as_bytes()).unwrap();
            let items = answers.body["items"].as_array().unwrap().clone();
            let statuses: Vec<u64> = items
                .iter()
                .map(|item| {
                    item.as_object().unwrap().values().next().unwrap()["status"]
                        .as_u64()
                        .unwrap()
                })
                .collect();
            assert_eq!(statuses, expected, "{body}");
            let is_wrong = expected
                .iter()
                .any(|status| *status >= 400 && *status != 404);
            assert_eq!(answers.body["errors"], is_wrong, "{body}");
        };
        check(
            "{\"index\":{\"_id\":1}}\n{\"n\":1,\"t\":\"a\"}\n{\"create\":{\"_id\":\"1\"}}\n{}\n{\"create\":{\"_id\":\"2\"}}\n{\"n\":\"2\"}\n",
            &[201, 409, 201],
        );
        check(
            "{\"index\":{\"_id\":3}}\n{\"n\":\"x\"}\n{\"index\":{\"_id\":1}}\n{\"t\":7}\n{\"index\":{}}\n{nonsense\n",
            &[400, 200, 400],
        );
        check(
            "{\"delete\":{\"_id\":\"2\"}}\n{\"delete\":{\"_id\":\"9\"}}\n",
            &[200, 404],
        );
        check("{\"update\":{\"_id\":1}}\n{\"doc\":{\"n\":5}}\n", &[200]);
        let mut refused = |body: &str, part: &str| {
            let why = answer(&mut things, &mut mapping, body.as_bytes())
                .err()
                .unwrap();
            assert!(why.contains(part), "{why}");
        };
        refused("{\"index\":{}}\n{}", "terminated by a newline");
        refused("{\"index\":{}}\n", "no document follows");
        refused("{\"n\":1}\n{}\n", "Malformed action");
    }
}
