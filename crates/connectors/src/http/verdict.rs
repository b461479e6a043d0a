//! What a status means: one table, which `inflight explain` prints and flags can change.
//!
//! It knows statuses only. What a service asks besides is read in `wait.rs`.

use std::fmt;
use std::ops::RangeInclusive;

use hyper::StatusCode;

use crate::error::Error;

/// Characters of a body that are shown in a message.
const SHOWN_CHARS_MAX: usize = 200;

/// What a status says about the request, and about the next try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The request was done.
    Done,
    /// What was asked for lies elsewhere.
    Redirect,
    /// The credentials were refused, whatever the item.
    Credentials,
    /// The service asks for less.
    Overload,
    /// The service failed this time.
    Transient,
    /// Trying again cannot help.
    Permanent,
}

impl Meaning {
    fn words(self) -> &'static str {
        match self {
            Meaning::Done => "done: the item is fetched or saved",
            Meaning::Redirect => {
                "elsewhere: GET goes there, 5 times at most; other methods only on 307 and 308, and within their origin"
            }
            Meaning::Credentials => {
                "credentials: secrets are read again and the request is sent once more; refused again: a dead letter if other requests are served meanwhile, else the run stops (exit 4)"
            }
            Meaning::Overload => {
                "overload: sent again after a wait, never counted as an attempt; the service gets fewer requests"
            }
            Meaning::Transient => {
                "transient: sent again, at most --retries times; then a dead letter"
            }
            Meaning::Permanent => "permanent: a dead letter, never sent again",
        }
    }
}

/// A line of the table.
struct Rule {
    statuses: RangeInclusive<u16>,
    meaning: Meaning,
    /// Why so; also the name of a status that the standard does not know.
    why: &'static str,
}

const fn rule(from: u16, to: u16, meaning: Meaning, why: &'static str) -> Rule {
    Rule {
        statuses: from..=to,
        meaning,
        why,
    }
}

/// The table. The first line that holds a status counts.
///
/// 520 and 524 stay transient: a proxy also says them of an item at which the service behind it always crashes or takes too
/// long, and an item that is refused as overload is never given up.
static TABLE: &[Rule] = &[
    rule(200, 299, Meaning::Done, "success"),
    rule(300, 399, Meaning::Redirect, "redirect"),
    rule(401, 401, Meaning::Credentials, "who asks is not known"),
    rule(
        402,
        402,
        Meaning::Credentials,
        "the account is not paid for",
    ),
    rule(403, 403, Meaning::Credentials, "who asks is not allowed to"),
    rule(
        407,
        407,
        Meaning::Credentials,
        "the proxy does not know who asks",
    ),
    rule(
        408,
        408,
        Meaning::Transient,
        "the service waited for the request in vain",
    ),
    rule(421, 421, Meaning::Transient, "another connection is needed"),
    rule(425, 425, Meaning::Transient, "too early"),
    rule(429, 429, Meaning::Overload, "a quota is used up"),
    rule(
        400,
        499,
        Meaning::Permanent,
        "the service refuses this request",
    ),
    rule(503, 503, Meaning::Overload, "too much to do"),
    rule(
        520,
        520,
        Meaning::Transient,
        "unknown error behind the proxy",
    ),
    rule(
        521,
        521,
        Meaning::Overload,
        "service behind the proxy is down",
    ),
    rule(
        522,
        522,
        Meaning::Overload,
        "service behind the proxy cannot be connected to",
    ),
    rule(
        523,
        523,
        Meaning::Overload,
        "service behind the proxy cannot be reached",
    ),
    rule(
        524,
        524,
        Meaning::Transient,
        "service behind the proxy took too long",
    ),
    rule(529, 529, Meaning::Overload, "service is overloaded"),
    rule(500, 599, Meaning::Transient, "the service failed"),
    rule(100, 999, Meaning::Permanent, "no status that HTTP knows"),
];

fn rule_of(status: u16) -> Option<&'static Rule> {
    TABLE.iter().find(|rule| rule.statuses.contains(&status))
}

/// Statuses that mean something else than the table says.
///
/// ```
/// use inflight_connectors::StatusChanges;
///
/// let changes = StatusChanges::parse("409,425", "404", "")?;
/// assert!(changes.explain(404).unwrap().contains("done"));
/// assert!(StatusChanges::parse("409", "4xx", "").is_err());
/// # Ok::<(), inflight_connectors::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatusChanges {
    changes: Vec<(RangeInclusive<u16>, Meaning)>,
}

impl StatusChanges {
    /// Reads statuses that are to be tried again, that are a success, and that are a permanent fault: each a list such as
    /// `404,500-504` or `4xx`; empty changes nothing.
    ///
    /// # Errors
    /// A sentence that names what is no status, or the status that is to mean two things.
    pub fn parse(retry: &str, done: &str, fail: &str) -> Result<StatusChanges, Error> {
        let mut all = StatusChanges::default();
        for (list, meaning) in [
            (retry, Meaning::Transient),
            (done, Meaning::Done),
            (fail, Meaning::Permanent),
        ] {
            for word in list
                .split(',')
                .map(str::trim)
                .filter(|word| !word.is_empty())
            {
                let range = range(word)
                    .ok_or_else(|| format!("`{word}` is no status; write 404, 500-504 or 4xx"))?;
                let mut others = all.changes.iter();
                if let Some((other, _)) = others.find(|(other, known)| {
                    *known != meaning
                        && range.start() <= other.end()
                        && other.start() <= range.end()
                }) {
                    let both = range.start().max(other.start());
                    return Err(format!("status {both} is to mean two things; name it once").into());
                }
                all.changes.push((range, meaning));
            }
        }
        Ok(all)
    }

    /// What a status means.
    pub(super) fn meaning(&self, status: StatusCode) -> Meaning {
        // All but a few answers, and all of a run that goes well.
        if status.is_success() && self.changes.is_empty() {
            return Meaning::Done;
        }
        self.changed(status.as_u16()).unwrap_or_else(|| {
            rule_of(status.as_u16()).map_or(Meaning::Permanent, |rule| rule.meaning)
        })
    }

    /// Whether the user has said what this status means.
    pub(super) fn is_changed(&self, status: StatusCode) -> bool {
        self.changed(status.as_u16()).is_some()
    }

    fn changed(&self, status: u16) -> Option<Meaning> {
        let mut changes = self.changes.iter();
        changes
            .find(|(range, _)| range.contains(&status))
            .map(|(_, meaning)| *meaning)
    }

    /// The line about a status for `inflight explain`; `None` where there is no such status.
    pub fn explain(&self, status: u16) -> Option<String> {
        let code = StatusCode::from_u16(status).ok()?;
        let rule = rule_of(status)?;
        let because = if self.is_changed(code) {
            "as was asked for"
        } else {
            rule.why
        };
        let mut line = format!(
            "{} ({because}): {}",
            Named(code),
            self.meaning(code).words()
        );
        let is_obeyed = !code.is_success() && !self.is_changed(code);
        if is_obeyed {
            line.push_str("; with Retry-After: overload, after the wait it names (1 h at most)");
        }
        Some(line)
    }

    /// The whole table, a line for each of its rules.
    pub fn table() -> String {
        let mut lines = String::new();
        for Rule {
            statuses,
            meaning,
            why,
        } in TABLE
        {
            let (from, to) = (statuses.start(), statuses.end());
            let shown = if from == to {
                from.to_string()
            } else {
                format!("{from}-{to}")
            };
            lines.push_str(&format!("{shown:8} {why}: {}\n", meaning.words()));
        }
        lines.push_str(
            "The first line that holds a status counts. Any status but 2xx with Retry-After is overload.\n",
        );
        lines
    }
}

/// Reads `404`, `500-504` or `4xx`.
fn range(word: &str) -> Option<RangeInclusive<u16>> {
    let status = |text: &str| {
        text.trim()
            .parse()
            .ok()
            .filter(|status| (100..=999).contains(status))
    };
    if let Some(hundreds) = word.strip_suffix("xx") {
        let from = status(&format!("{hundreds}00"))?;
        return Some(from..=from + 99);
    }
    let (from, to) = word.split_once('-').unwrap_or((word, word));
    let (from, to) = (status(from)?, status(to)?);
    (from <= to).then_some(from..=to)
}

/// A status with its name, also where only this table has one.
pub(super) struct Named(pub(super) StatusCode);

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.0.as_u16();
        f.write_str(self.0.as_str())?;
        let own = || {
            let rule = rule_of(status)?;
            (rule.statuses.start() == rule.statuses.end()).then_some(rule.why)
        };
        match self.0.canonical_reason().or_else(own) {
            Some(name) => write!(f, " {name}"),
            None => Ok(()),
        }
    }
}

/// The first part of a body, fit for one line of a terminal.
pub(super) fn shown(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let printable: String = text
        .trim()
        .chars()
        .take(SHOWN_CHARS_MAX)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    printable.trim_end().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meaning(changes: &StatusChanges, status: u16) -> Meaning {
        changes.meaning(StatusCode::from_u16(status).unwrap())
    }

    #[test]
    fn every_status_is_in_the_table() {
        let none = StatusChanges::default();
        for (status, expected) in [
            (200, Meaning::Done),
            (299, Meaning::Done),
            (304, Meaning::Redirect),
            (400, Meaning::Permanent),
            (401, Meaning::Credentials),
            (408, Meaning::Transient),
            (409, Meaning::Permanent),
            (429, Meaning::Overload),
            (500, Meaning::Transient),
            (502, Meaning::Transient),
            (503, Meaning::Overload),
            (520, Meaning::Transient),
            (522, Meaning::Overload),
            (529, Meaning::Overload),
            (599, Meaning::Transient),
            (600, Meaning::Permanent),
        ] {
            assert_eq!(meaning(&none, status), expected, "{status}");
        }
        for status in 100..=999 {
            assert!(none.explain(status).is_some(), "{status}");
        }
        assert_eq!(none.explain(99), None);
        assert_eq!(none.explain(1000), None);
    }

    #[test]
    fn flags_change_what_a_status_means() {
        let changes = StatusChanges::parse("409, 425", "404", "500-502,51x").unwrap_err();
        assert!(
            changes.to_string().contains("`51x` is no status"),
            "{changes}"
        );
        let changes = StatusChanges::parse("409, 425", "404", "500-502,5xx").unwrap();
        assert_eq!(meaning(&changes, 409), Meaning::Transient);
        assert_eq!(meaning(&changes, 404), Meaning::Done);
        assert_eq!(meaning(&changes, 503), Meaning::Permanent);
        assert_eq!(meaning(&changes, 200), Meaning::Done);
        assert_eq!(meaning(&changes, 429), Meaning::Overload);
        let twice = StatusChanges::parse("404", "400-405", "").unwrap_err();
        assert!(
            twice.to_string().contains("status 404 is to mean two"),
            "{twice}"
        );
        for wrong in ["4", "abc", "1000", "504-500", "4xxx", "-", "99"] {
            assert!(StatusChanges::parse(wrong, "", "").is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_status_has_a_name_that_can_be_read() {
        let shown = |status| Named(StatusCode::from_u16(status).unwrap()).to_string();
        assert_eq!(shown(404), "404 Not Found");
        assert_eq!(shown(529), "529 service is overloaded");
        assert_eq!(shown(599), "599");
    }

    #[test]
    fn bodies_are_shown_on_one_line() {
        assert_eq!(shown(b" a\r\nb\x1b[31m \n"), "a  b [31m");
        assert_eq!(shown("é".repeat(300).as_bytes()).chars().count(), 200);
    }
}
