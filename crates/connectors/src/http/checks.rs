//! What an answer with a good status says by its content: an error inside a 200, which part of it is about which of many records,
//! and what it has cost.

use hyper::http::response::Parts;
use inflight::{Fault, Record};

use super::request::Answer;
use super::schema::AnswerSchema;
use crate::error::Error;
use crate::jq::{Jq, JqInput};
use crate::payload::Payload;

/// Characters of an answer that are shown in a message.
const SHOWN_CHARS_MAX: usize = 200;

/// Filters on answers whose status means success. Default none: a good status is believed.
///
/// ```
/// use inflight_connectors::AnswerChecks;
///
/// let checks = AnswerChecks::compile(Some(".error"), None, None)?;
/// assert!(checks.reads_answers());
/// assert!(AnswerChecks::compile(Some(".error |"), None, None).unwrap_err().to_string().starts_with("--fail-if"));
/// # Ok::<(), inflight_connectors::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct AnswerChecks {
    fail_if: Option<Jq>,
    retry_if: Option<Jq>,
    tokens: Option<Jq>,
    each: Option<Jq>,
    schema: Option<AnswerSchema>,
}

impl AnswerChecks {
    /// Compiles the filters of `--fail-if`, `--retry-if` and `--tokens`.
    ///
    /// # Errors
    /// A sentence that names the flag and the place in the filter.
    pub fn compile(
        fail_if: Option<&str>,
        retry_if: Option<&str>,
        tokens: Option<&str>,
    ) -> Result<AnswerChecks, Error> {
        let compiled = |flag: &str, filter: Option<&str>| {
            let wrong = |why: Error| format!("{flag}: {why}");
            filter.map(Jq::compile).transpose().map_err(wrong)
        };
        Ok(AnswerChecks {
            fail_if: compiled("--fail-if", fail_if)?,
            retry_if: compiled("--retry-if", retry_if)?,
            tokens: compiled("--tokens", tokens)?,
            each: None,
            schema: None,
        })
    }

    /// The same with the filter of `--each`, which gives one value for each record of a request that holds many.
    ///
    /// # Errors
    /// A sentence that names the flag and the place in the filter.
    pub fn with_each(self, each: Option<&str>) -> Result<AnswerChecks, Error> {
        let each = each.map(Jq::compile).transpose();
        let each = each.map_err(|why| format!("--each: {why}"))?;
        Ok(AnswerChecks { each, ..self })
    }

    /// The same with the shape of `--check`.
    #[must_use]
    pub fn with_schema(self, schema: Option<AnswerSchema>) -> AnswerChecks {
        AnswerChecks { schema, ..self }
    }

    /// Whether an answer may be no success by what it holds.
    fn judges(&self) -> bool {
        self.fail_if.is_some() || self.retry_if.is_some() || self.schema.is_some()
    }

    /// Whether each record has a part of the answer of its own.
    pub(super) fn has_parts(&self) -> bool {
        self.each.is_some()
    }

    /// What the answer says of each of so many records, as JSON; `None` where it says nothing of them.
    ///
    /// Fails, in doubt, where the answer has another number of parts: it cannot be told which record is meant.
    pub(super) fn parts(
        &self,
        title: &str,
        records: usize,
        answer: &Answer,
    ) -> Result<Option<Vec<String>>, Fault> {
        let Some(each) = &self.each else {
            return Ok(None);
        };
        let headers = headers(&answer.head);
        let input =
            JqInput::new(&answer.body.bytes).with_answer(answer.head.status.as_u16(), &headers);
        let parts = match answer.body.is_cut {
            true => Err("is too long to be read; --answer-max takes more".to_owned()),
            false => each.run(&input).map_err(|fault| fault.to_string()),
        };
        let parts = parts.and_then(|parts| match parts.len() == records {
            true => Ok(parts),
            false => Err(format!(
                "has {} parts by --each '{}', and {records} records were sent",
                parts.len(),
                each.expression()
            )),
        });
        parts.map(Some).map_err(|why| {
            Fault::in_doubt(format!(
                "{title}: the answer {why}: {}",
                shown(&answer.body.bytes)
            ))
            .counted_as("an answer in which --each does not find its records")
            .answered()
        })
    }

    /// Whether they need the bodies of answers.
    pub fn reads_answers(&self) -> bool {
        let filters = [&self.fail_if, &self.retry_if, &self.tokens, &self.each];
        filters.into_iter().any(Option::is_some) || self.schema.is_some()
    }

    /// Whether the answer is a success by its content too.
    ///
    /// Fails transiently where `--retry-if` holds; permanently where `--fail-if` holds, a filter cannot be applied, or it has not the
    /// shape of `--check`.
    pub(super) fn judge(
        &self,
        title: &str,
        record: &Record<Payload>,
        answer: &Answer,
    ) -> Result<(), Fault> {
        if !self.judges() {
            return Ok(());
        }
        answer.must_be_whole(title, "to be checked")?;
        self.judge_part(title, record, &answer.body.bytes, &answer.head)
    }

    /// The same of the part of an answer that is about one record.
    pub(super) fn judge_part(
        &self,
        title: &str,
        record: &Record<Payload>,
        part: &[u8],
        head: &Parts,
    ) -> Result<(), Fault> {
        if !self.judges() {
            return Ok(());
        }
        let headers = headers(head);
        let status = head.status;
        let input = JqInput::new(part)
            .with_item(record.value.row.as_deref(), record.index)
            .with_answer(status.as_u16(), &headers);
        // What is to be tried again is more special than what has failed, and given up too when it fails too often.
        for (flag, filter, fault) in [
            (
                "--retry-if",
                &self.retry_if,
                Fault::transient as fn(String) -> Fault,
            ),
            ("--fail-if", &self.fail_if, Fault::permanent),
        ] {
            let Some(filter) = filter else {
                continue;
            };
            if filter.is_true(&input)? {
                let holds = format!("{flag} '{}' holds", filter.expression());
                let said = format!("{title} answered {status}, and {holds}: {}", shown(part));
                return Err(fault(said).counted_as(holds).answered());
            }
        }
        let Some(schema) = &self.schema else {
            return Ok(());
        };
        schema.check(part).map_err(|why| {
            let has_not = format!("the answer has not the shape of --check {}", schema.path());
            let said = format!(
                "{title} answered {status}, and {has_not}: {why}: {}",
                shown(part)
            );
            Fault::permanent(said).counted_as(has_not).answered()
        })
    }

    /// What the answer has cost in tokens, as far as it says.
    pub(super) fn tokens(&self, answer: &Answer) -> Option<f64> {
        let Some(filter) = &self.tokens else {
            return answer.body.tokens();
        };
        // An answer without the field costs what requests cost on the average.
        let cost = filter.one(&JqInput::new(&answer.body.bytes)).ok()?;
        cost.parse().ok().filter(|cost: &f64| *cost >= 0.0)
    }
}

fn headers(head: &Parts) -> Vec<(&str, &str)> {
    let headers = head.headers.iter();
    headers
        .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
        .collect()
}

fn shown(answer: &[u8]) -> String {
    let shown = String::from_utf8_lossy(answer);
    shown.chars().take(SHOWN_CHARS_MAX).collect()
}

impl std::fmt::Debug for AnswerChecks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let filter = |jq: &Option<Jq>| jq.as_ref().map(|jq| jq.expression().to_owned());
        f.debug_struct("AnswerChecks")
            .field("fail_if", &filter(&self.fail_if))
            .field("retry_if", &filter(&self.retry_if))
            .field("tokens", &filter(&self.tokens))
            .field("each", &filter(&self.each))
            .field("schema", &self.schema)
            .finish()
    }
}
