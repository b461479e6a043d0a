//! The things of the REST face: JSON objects by id, kept as they were put.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Bytes of things that are kept: as much as of saved bodies. Beyond them a write is refused with status 507.
const KEPT_BYTES_MAX: usize = 64 << 20;

/// All things.
#[derive(Debug, Default)]
pub(crate) struct Things {
    by_id: BTreeMap<String, (Map<String, Value>, usize)>,
    bytes: usize,
}

/// What a write came to.
#[derive(Debug, PartialEq)]
pub(crate) enum Written {
    /// There was none of this id; status 201.
    Created(Value),
    /// There was one; status 200.
    Replaced(Value),
    /// There is none of this id to change; status 404.
    Missing,
    /// The body is no JSON object; status 400.
    NoObject,
    /// There is no room; status 507.
    Full,
}

impl Things {
    /// The thing of this id.
    pub(crate) fn get(&self, id: &str) -> Option<Value> {
        self.by_id.get(id).map(|(thing, _)| shown(id, thing))
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Keeps the body as the thing of this id, whatever was there.
    pub(crate) fn put(&mut self, id: &str, body: &[u8]) -> Written {
        let Some(thing) = object(body) else {
            return Written::NoObject;
        };
        self.keep(id, thing, body.len())
    }

    /// Merges the body into the thing of this id, as RFC 7396 says: null removes a member.
    pub(crate) fn patch(&mut self, id: &str, body: &[u8]) -> Written {
        let Some(patch) = object(body) else {
            return Written::NoObject;
        };
        let Some((thing, bytes)) = self.by_id.get(id) else {
            return Written::Missing;
        };
        let (mut thing, bytes) = (thing.clone(), bytes + body.len());
        merge(&mut thing, patch);
        self.keep(id, thing, bytes)
    }

    /// Forgets the thing of this id; whether there was one.
    pub(crate) fn delete(&mut self, id: &str) -> bool {
        let removed = self.by_id.remove(id);
        self.bytes -= removed.as_ref().map_or(0, |(_, bytes)| *bytes);
        removed.is_some()
    }

    /// All things as JSON lines, in the order of their ids.
    pub(crate) fn lines(&self) -> String {
        let line = |(id, (thing, _)): (&String, &(Map<String, Value>, usize))| {
            format!("{}\n", shown(id, thing))
        };
        self.by_id.iter().map(line).collect()
    }

    fn keep(&mut self, id: &str, thing: Map<String, Value>, bytes: usize) -> Written {
        let before = self.by_id.get(id).map_or(0, |(_, bytes)| *bytes);
        if self.bytes - before + bytes > KEPT_BYTES_MAX {
            return Written::Full;
        }
        self.bytes = self.bytes - before + bytes;
        let value = shown(id, &thing);
        match self.by_id.insert(id.to_owned(), (thing, bytes)) {
            Some(_) => Written::Replaced(value),
            None => Written::Created(value),
        }
    }
}

/// The thing with its id, which the address says and not the body.
fn shown(id: &str, thing: &Map<String, Value>) -> Value {
    let mut whole = thing.clone();
    whole.insert("id".into(), id.into());
    Value::Object(whole)
}

fn object(body: &[u8]) -> Option<Map<String, Value>> {
    serde_json::from_slice(body).ok()
}

fn merge(thing: &mut Map<String, Value>, patch: Map<String, Value>) {
    for (name, value) in patch {
        match (thing.get_mut(&name), value) {
            (_, Value::Null) => {
                thing.remove(&name);
            }
            (Some(Value::Object(inner)), Value::Object(patch)) => merge(inner, patch),
            (_, value) => {
                thing.insert(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn things_are_put_changed_and_deleted() {
        let mut things = Things::default();
        let first = things.put("7", br#"{"name":"a","age":1}"#);
        assert_eq!(
            first,
            Written::Created(json!({"id": "7", "name": "a", "age": 1}))
        );
        let changed = things.patch("7", br#"{"age":null,"at":{"x":1}}"#);
        let now = json!({"id": "7", "name": "a", "at": {"x": 1}});
        assert_eq!(changed, Written::Replaced(now.clone()));
        assert_eq!(things.get("7"), Some(now.clone()));
        assert_eq!(things.lines(), format!("{now}\n"));
        assert_eq!(things.patch("8", b"{}"), Written::Missing);
        assert_eq!(things.put("8", b"[1]"), Written::NoObject);
        assert!(things.delete("7") && !things.delete("7"));
        assert_eq!((things.get("7"), things.bytes), (None, 0));
    }
}
