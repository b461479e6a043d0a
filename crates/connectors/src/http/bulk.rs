//! Many records in one request: an array of JSON, or a line for each. And how much of its answer is whose.

use bytes::Bytes;
use inflight::{Fault, Record};

use super::body::{Body, BodySource};
use super::item::Fields;
use crate::columns::Columns;
use crate::payload::Payload;

/// Records in one request at most, whatever is asked for: no service takes more.
pub(super) const BULK_MAX: usize = 10_000;

const ARRAY: &str = "array";
const NDJSON: &str = "ndjson";

/// How records stand beside each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    Array,
    Lines,
}

/// A body of many records.
#[derive(Debug)]
pub(super) struct BulkBody {
    layout: Layout,
    /// One record.
    record: Body,
    /// The line before each record.
    before: Option<Body>,
}

/// A body, and why some records are not in it, by their places.
pub(super) struct Made {
    pub(super) body: Bytes,
    pub(super) refused: Vec<(usize, Fault)>,
}

impl BulkBody {
    /// What of a body as typed says how one record is written, where the body is one of many records: `array`, `ndjson`,
    /// `array:BODY`. Empty where that is not said.
    pub(super) fn record_in(typed: &str) -> Option<&str> {
        [ARRAY, NDJSON].into_iter().find_map(|layout| {
            let rest = typed.strip_prefix(layout)?;
            match rest {
                "" => Some(""),
                rest => rest.strip_prefix(':'),
            }
        })
    }

    /// Reads a body of many records; `None` of any other.
    ///
    /// Fails with a sentence that names the place.
    pub(super) fn parse(
        source: &BodySource,
        lines_before: Option<&BodySource>,
        fields: &Fields,
        columns: Option<&Columns>,
    ) -> Result<Option<BulkBody>, String> {
        let typed = source.typed();
        let Some(record) = BulkBody::record_in(typed) else {
            return match lines_before {
                Some(_) => Err("--lines-before goes before each line of --save-body ndjson".into()),
                None => Ok(None),
            };
        };
        let layout = match typed.starts_with(ARRAY) {
            true => Layout::Array,
            false => Layout::Lines,
        };
        if layout == Layout::Array && lines_before.is_some() {
            return Err("--lines-before goes before each line; write --save-body ndjson".into());
        }
        let named = columns.filter(|columns| !columns.is_default());
        let record = match (record, named) {
            ("", Some(columns)) => Body::Columns(columns.clone()),
            ("", None) => Body::Value,
            _ => {
                let source = source.of_record(record);
                Body::of_json(&source, fields, columns)
                    .map_err(|why| format!("{why}, in {typed}"))?
            }
        };
        let before = lines_before.map(|source| Body::of_json(source, fields, columns));
        Ok(Some(BulkBody {
            layout,
            record,
            before: before
                .transpose()
                .map_err(|why| format!("--lines-before: {why}"))?,
        }))
    }

    /// What type such a body is of.
    pub(super) fn content_type(&self) -> &'static str {
        match self.layout {
            Layout::Array => "application/json",
            Layout::Lines => "application/x-ndjson",
        }
    }

    /// Whether `{}` is in it.
    pub(super) fn has_item(&self) -> bool {
        self.record.has_item() || self.before.as_ref().is_some_and(Body::has_item)
    }

    /// The body of these records.
    pub(super) fn of(&self, records: &[Record<Payload>]) -> Made {
        let mut body = Vec::with_capacity(64 * records.len());
        let mut refused = Vec::new();
        let is_array = self.layout == Layout::Array;
        if is_array {
            body.push(b'[');
        }
        let mut is_first = true;
        for (at, record) in records.iter().enumerate() {
            let begin = body.len();
            if is_array && !is_first {
                body.push(b',');
            }
            match self.write(record, &mut body) {
                Ok(()) => is_first = false,
                Err(fault) => {
                    body.truncate(begin);
                    refused.push((at, fault));
                }
            }
        }
        if is_array {
            body.push(b']');
        }
        Made {
            body: body.into(),
            refused,
        }
    }

    fn write(&self, record: &Record<Payload>, body: &mut Vec<u8>) -> Result<(), Fault> {
        let parts = self.before.iter().chain([&self.record]);
        for part in parts {
            let (json, _) = part.of(record)?;
            if self.layout == Layout::Array {
                body.extend_from_slice(&json);
                continue;
            }
            // Between the values of JSON a line break is a space; in a text it is written otherwise.
            let line = json.iter().map(|byte| match byte {
                b'\n' | b'\r' => b' ',
                byte => *byte,
            });
            body.extend(line);
            body.push(b'\n');
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::row::Row;

    fn bulk(typed: &str, before: Option<&str>, columns: Option<&str>) -> Result<BulkBody, String> {
        let read = |typed: &str| BodySource::read(typed).unwrap();
        let columns = columns.map(|columns| Columns::parse(columns).unwrap());
        let before = before.map(read);
        let bulk = BulkBody::parse(
            &read(typed),
            before.as_ref(),
            &Fields::Unknown,
            columns.as_ref(),
        );
        bulk.map(|bulk| bulk.expect("it is one of many records"))
    }

    fn records() -> Vec<Record<Payload>> {
        let one = Payload::of_row(1, Row::json("{\"id\":7,\n\"a\":\"x\\ny\"}").unwrap());
        let mut two = Payload::read("a\"b");
        two.row = Some(Arc::new(Row::json(r#"{"no":1}"#).unwrap()));
        vec![Record::new(0, one), Record::new(1, two)]
    }

    fn check(bulk: &BulkBody, expected: &str, refused: &[usize]) {
        let made = bulk.of(&records());
        assert_eq!(made.body, expected);
        let places: Vec<usize> = made.refused.iter().map(|(at, _)| *at).collect();
        assert_eq!(places, refused);
    }

    #[test]
    fn records_are_put_together() {
        let plain = "[{\"id\":7,\n\"a\":\"x\\ny\"},\"a\\\"b\"]";
        check(&bulk("array", None, None).unwrap(), plain, &[]);
        let lines = "{\"id\":7, \"a\":\"x\\ny\"}\n\"a\\\"b\"\n";
        check(&bulk("ndjson", None, None).unwrap(), lines, &[]);
        let columns = "[{\"i\":0},{\"i\":1}]";
        check(
            &bulk("array", None, Some("i=$index")).unwrap(),
            columns,
            &[],
        );
        let template = "[{\"n\":7}]";
        check(
            &bulk("array:{\"n\":\"{id}\"}", None, None).unwrap(),
            template,
            &[1],
        );
        check(
            &bulk("array:{\"n\":\"{gone}\"}", None, None).unwrap(),
            "[]",
            &[0, 1],
        );
        let before = Some("jq:{index:{_id:$row.id}}");
        let pairs = "{\"index\":{\"_id\":7}}\n{\"d\":0}\n{\"index\":{\"_id\":null}}\n{\"d\":1}\n";
        check(
            &bulk("ndjson:jq:{d:$index}", before, None).unwrap(),
            pairs,
            &[],
        );
        let made = "{\"create\":{\"_id\":\"7\"}}\n{\"id\":7, \"a\":\"x\\ny\"}\n";
        let before = Some(r#"{"create":{"_id":"{id}"}}"#);
        check(
            &bulk("ndjson", before, None).unwrap(),
            &made.replace("\"7\"", "7"),
            &[1],
        );
    }

    #[test]
    fn what_is_no_record_of_json_is_refused() {
        let refused = |typed: &str, before: Option<&str>, part: &str| {
            let why = bulk(typed, before, None).unwrap_err();
            assert!(why.contains(part), "{typed}: {why}");
        };
        refused("array:form:a={x}", None, "holds JSON");
        refused("array:raw", None, "holds JSON");
        refused("array", Some("{}"), "--save-body ndjson");
        refused("ndjson", Some("raw"), "--lines-before: ");
        refused("ndjson", Some("jq:{a"), "--lines-before: ");
        let single = BodySource::read("json").unwrap();
        assert!(
            BulkBody::parse(&single, None, &Fields::Unknown, None)
                .unwrap()
                .is_none()
        );
        assert!(BulkBody::parse(&single, Some(&single), &Fields::Unknown, None).is_err());
        assert_eq!(BulkBody::record_in("arrays"), None);
    }
}
