//! What an answer with a good status says by its content: an error inside a 200, and what it has cost.

use inflight::{Fault, Record};

use super::request::Answer;
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
/// assert!(AnswerChecks::compile(Some(".error |"), None, None).unwrap_err().starts_with("--fail-if"));
/// # Ok::<(), inflight_connectors::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct AnswerChecks {
    fail_if: Option<Jq>,
    retry_if: Option<Jq>,
    tokens: Option<Jq>,
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
        })
    }

    /// Whether they need the bodies of answers.
    pub fn reads_answers(&self) -> bool {
        self.fail_if.is_some() || self.retry_if.is_some() || self.tokens.is_some()
    }

    /// Whether the answer is a success by its content too.
    ///
    /// Fails permanently where `--fail-if` holds, or a filter cannot be applied; transiently where `--retry-if` holds.
    pub(super) fn judge(
        &self,
        title: &str,
        record: &Record<Payload>,
        answer: &Answer,
    ) -> Result<(), Fault> {
        if self.fail_if.is_none() && self.retry_if.is_none() {
            return Ok(());
        }
        answer.must_be_whole(title, "to be checked")?;
        let headers = answer.headers();
        let input = answer.as_input(record, &headers);
        let said = |flag: &str, filter: &Jq| {
            let shown = String::from_utf8_lossy(&answer.body.bytes);
            let shown: String = shown.chars().take(SHOWN_CHARS_MAX).collect();
            let status = answer.head.status;
            format!(
                "{title} answered {status}, and {flag} '{}' holds: {shown}",
                filter.expression()
            )
        };
        if let Some(filter) = &self.fail_if
            && filter.is_true(&input)?
        {
            let reason = format!("--fail-if '{}' holds", filter.expression());
            let fault = Fault::permanent(said("--fail-if", filter));
            return Err(fault.counted_as(reason).answered());
        }
        if let Some(filter) = &self.retry_if
            && filter.is_true(&input)?
        {
            let reason = format!("--retry-if '{}' holds", filter.expression());
            let fault = Fault::transient(said("--retry-if", filter));
            return Err(fault.counted_as(reason).answered());
        }
        Ok(())
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

impl std::fmt::Debug for AnswerChecks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let filter = |jq: &Option<Jq>| jq.as_ref().map(|jq| jq.expression().to_owned());
        f.debug_struct("AnswerChecks")
            .field("fail_if", &filter(&self.fail_if))
            .field("retry_if", &filter(&self.retry_if))
            .field("tokens", &filter(&self.tokens))
            .finish()
    }
}
